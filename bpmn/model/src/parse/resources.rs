//! Who does a user task in the standard's own words: `humanPerformer` and `potentialOwner` (BPMN 2.0, 10.3.3 and 10.3.4). As in Camunda 7
//! (`BpmnParse.parseHumanPerformer`, `parsePotentialOwner`) the one is the assignee; the others are groups, or `user(ann)` and
//! `group(sales)`, which are candidates beside those of `camunda:candidateUsers` and `camunda:candidateGroups`.

use mandate_feel::Expression;

use crate::definition::{Dialect, UserTask};
use crate::parse::process::{Owner, ProcessReader};
use crate::xml::Node;

/// The elements that are read here.
pub(super) const RESOURCES: &[&str] = &["humanPerformer", "performer", "potentialOwner"];

impl<'n> ProcessReader<'n, '_> {
    /// Adds to a user task whom its elements name.
    pub(super) fn resources(&mut self, node: &'n Node<'n>, task: &mut UserTask, owner: Owner<'n>) {
        // A performer of no particular kind is, of a user task, a human one. Camunda 7 ignores it.
        let standard = self.definitions.dialect == Dialect::Standard;
        for performer in node.all("performer").filter(|_| !standard) {
            let help = "use a humanPerformer or camunda:assignee";
            self.diagnostics.warning(performer.at_in(owner.at), "performer has no effect (as in Camunda 7)", help);
        }
        let mut performers = node.all("humanPerformer").chain(node.all("performer").filter(|_| standard));
        if let Some(source) = performers.next().and_then(|performer| self.whom(performer, owner)) {
            if task.assignee.is_some() || performers.next().is_some() {
                self.diagnostics.error(owner.at, "the user task has more than one assignee", "keep one of them");
            }
            task.assignee = self.expression("humanPerformer", source, owner.at);
        }
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for owners in node.all("potentialOwner").collect::<Vec<_>>() {
            for candidate in self.whom(owners, owner).map(parts).unwrap_or_default() {
                let of = |kind| candidate.strip_prefix(kind)?.trim_start().strip_prefix('(')?.strip_suffix(')');
                match (of("user"), of("group")) {
                    (Some(user), _) => users.push(user.trim()),
                    (None, group) => groups.push(group.unwrap_or(candidate).trim()),
                }
            }
        }
        for (named, candidates) in [(users, &mut task.candidate_users), (groups, &mut task.candidate_groups)] {
            if !named.is_empty() {
                *candidates = self.joined(candidates.take(), named, owner);
            }
        }
    }

    /// Candidates are a text with commas between them.
    fn joined(&mut self, before: Option<Expression>, named: Vec<&str>, owner: Owner<'n>) -> Option<Expression> {
        let before = before.as_ref().map(Expression::source);
        if before.is_some_and(|before| before.starts_with('=')) {
            let help = "name all candidates in the FEEL expression";
            self.diagnostics.error(owner.at, "potentialOwner stands beside candidates that a FEEL expression gives", help);
            return None;
        }
        let all: Vec<_> = before.into_iter().chain(named).collect();
        self.expression("potentialOwner", &all.join(","), owner.at)
    }

    /// The text of the expression in a `resourceAssignmentExpression` or, without one, the name of the resource that `resourceRef` means,
    /// which Camunda 7 ignores.
    fn whom(&mut self, resource: &'n Node<'n>, owner: Owner<'n>) -> Option<&'n str> {
        let at = resource.at_in(owner.at);
        let assignment = resource.first("resourceAssignmentExpression");
        let text = assignment.and_then(|it| it.first("formalExpression").or_else(|| it.first("expression"))).map(|it| it.text.trim());
        let text = text.filter(|text| !text.is_empty());
        let named = || resource.first("resourceRef").and_then(|it| self.definitions.resource(it.text.trim()));
        let whom = text.or_else(named);
        if whom.is_none() {
            let help = "write whom in a formalExpression in a resourceAssignmentExpression, or use Camunda's attributes";
            self.diagnostics.warning(at, format!("{} names nobody", resource.title()), help);
        }
        for binding in resource.all("resourceParameterBinding") {
            let message = format!("{} has no effect: nobody is asked who fits", binding.title());
            self.diagnostics.warning(binding.at_in(owner.at), message, "name users or groups");
        }
        whom
    }
}

/// What stands between commas that are in no expression.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let at_comma = |character: char| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    };
    text.split(at_comma).map(str::trim).filter(|part| !part.is_empty()).collect()
}
