//! The syntax tree of both languages.
//!
//! Whatever can be chained without brackets (`1 + 2 + 3`, `a.b.c`, `x and y and z`) is a flat sequence, so the depth of a tree
//! is that of its brackets, and the parser bounds those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::Value;
use crate::builtins::Builtin;

/// One expression.
#[derive(Debug)]
pub(crate) enum Node {
    /// A literal.
    Constant(Value),
    /// A name to be looked up.
    Name(Arc<str>),
    /// `base.name`, `base[key]`, in any number.
    Access(Box<Node>, Vec<Step>),
    /// `-operand`.
    Negate(Box<Node>),
    /// JUEL's `!`; FEEL's `not()` is a function.
    Not(Box<Node>),
    /// JUEL's `empty`.
    Empty(Box<Node>),
    /// Operators applied from left to right.
    Chain(Box<Node>, Vec<Link>),
    /// All of these; two or more.
    And(Vec<Node>),
    /// Any of these; two or more.
    Or(Vec<Node>),
    /// `if a then b else if c then d else e`, `a ? b : c ? d : e`: conditions with their branches, and the last branch.
    If(Vec<[Node; 2]>, Box<Node>),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `{a: b}`; later entries see earlier ones.
    Context(Vec<(String, Node)>),
    /// A built-in function with its arguments.
    Call(&'static Builtin, Vec<Node>),
    /// JUEL's `execution.getVariable('name')`, and by the call itself what `execution.hasVariable('name')` and its like give: a name that
    /// need not be known.
    Variable(Arc<str>),
    /// The same of an object that need not be there, as `task`.
    AskedOf(&'static str, Arc<str>),
    /// `[low..high]` as a value.
    Range(Box<Range>),
    /// FEEL's `function(x, y) body`.
    Function(Arc<Function>),
    /// FEEL's `is defined(a)`, which asks about a name without complaining that it is unknown.
    IsDefined(Box<Node>),
    /// `for x in xs return body`.
    For(Vec<Binding>, Box<Node>),
    /// `some x in xs satisfies body`, or `every`.
    Quantified { every: bool, bindings: Vec<Binding>, body: Box<Node> },
    /// A JUEL template: text and expressions, concatenated.
    Template(Vec<Node>),
}

/// One step of an [`Node::Access`].
#[derive(Debug)]
pub(crate) enum Step {
    /// `.name`
    Member(Arc<str>),
    /// `[…]`: in FEEL a filter or a position counted from one, in JUEL a key or an index counted from zero.
    Bracket(Node),
    /// JUEL's `.name(a, b)`.
    Method(&'static Builtin, Vec<Node>),
    /// FEEL's `(a, b)` behind a function that is a value; with the names of the parameters, if they are given.
    Invoke(Vec<String>, Vec<Node>),
}

/// One operator of a [`Node::Chain`] with its right operand.
#[derive(Debug)]
pub(crate) enum Link {
    Binary(Operator, Node),
    /// `between a and b`
    Between(Node, Node),
    /// `in` one of these
    In(Vec<Test>),
    /// `instance of` this type, by the name that [`Value::kind`] has for it.
    InstanceOf(&'static str),
}

/// An operator with two operands that are both evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// As it is written, for messages.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
            Operator::Power => "**",
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
        }
    }
}

/// What may stand behind FEEL's `in` (a positive unary test, DMN 1.5, grammar rule 7).
#[derive(Debug)]
pub(crate) enum Test {
    /// `< 5`
    Compare(Operator, Node),
    /// `[1..5)`
    Range(Range),
    /// A value to be equal to, or a list to be a member of.
    Value(Node),
}

/// An interval, each end included or not.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) low: Node,
    pub(crate) low_included: bool,
    pub(crate) high: Node,
    pub(crate) high_included: bool,
}

/// A function as it is written.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Node,
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: Arc<str>,
    /// Its type, by the name that [`Value::kind`] has for it, or `Any`.
    pub(crate) kind: &'static str,
}

/// A name that takes the items of a list, or the integers between two, one after another.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) name: Arc<str>,
    pub(crate) source: Source,
}

/// What a [`Binding`] runs through.
#[derive(Debug)]
pub(crate) enum Source {
    Items(Node),
    /// `from..to`, down where `to` is less.
    Integers(Node, Node),
}

/// Adds an operator to an operand. An operand that is a chain is continued: operators apply from left to right anyway.
pub(crate) fn chain(left: Node, link: Link) -> Node {
    match left {
        Node::Chain(first, mut links) => {
            links.push(link);
            Node::Chain(first, links)
        }
        other => Node::Chain(Box::new(other), vec![link]),
    }
}

/// Adds a step to a path.
pub(crate) fn access(base: Node, step: Step) -> Node {
    match base {
        Node::Access(first, mut steps) => {
            steps.push(step);
            Node::Access(first, steps)
        }
        other => Node::Access(Box::new(other), vec![step]),
    }
}

/// Joins two operands of `and`.
pub(crate) fn and(left: Node, right: Node) -> Node {
    match left {
        Node::And(mut operands) => {
            operands.push(right);
            Node::And(operands)
        }
        other => Node::And(vec![other, right]),
    }
}

/// Joins two operands of `or`.
pub(crate) fn or(left: Node, right: Node) -> Node {
    match left {
        Node::Or(mut operands) => {
            operands.push(right);
            Node::Or(operands)
        }
        other => Node::Or(vec![other, right]),
    }
}

/// The names that an expression certainly takes from its scope, each once, in the order of their first use.
///
/// A name within a FEEL filter may be an entry of the item, `is defined` and `getVariable` ask about names that need not exist: these are
/// left out.
pub(crate) fn free_names(node: &Node, brackets_filter: bool) -> Vec<Arc<str>> {
    let mut found = FreeNames { brackets_filter, bound: BTreeMap::new(), seen: BTreeSet::new(), names: Vec::new() };
    found.visit(node);
    found.names
}

struct FreeNames {
    /// Whether `[…]` is FEEL's filter, and not JUEL's key.
    brackets_filter: bool,
    /// Names that the expression binds around the current node, and how many times.
    bound: BTreeMap<Arc<str>, usize>,
    seen: BTreeSet<Arc<str>>,
    names: Vec<Arc<str>>,
}

impl FreeNames {
    fn visit(&mut self, node: &Node) {
        match node {
            Node::Constant(_) | Node::IsDefined(_) | Node::Variable(_) | Node::AskedOf(..) => {}
            Node::Name(name) => {
                if !self.bound.contains_key(name) && self.seen.insert(Arc::clone(name)) {
                    self.names.push(Arc::clone(name));
                }
            }
            Node::Access(base, steps) => {
                self.visit(base);
                for step in steps {
                    match step {
                        Step::Bracket(key) if !self.brackets_filter => self.visit(key),
                        Step::Bracket(_) | Step::Member(_) => {}
                        Step::Method(_, arguments) | Step::Invoke(_, arguments) => self.visit_all(arguments),
                    }
                }
            }
            Node::Negate(operand) | Node::Not(operand) | Node::Empty(operand) => self.visit(operand),
            Node::Chain(first, links) => {
                self.visit(first);
                for link in links {
                    self.visit_link(link);
                }
            }
            Node::And(nodes) | Node::Or(nodes) | Node::List(nodes) | Node::Call(_, nodes) | Node::Template(nodes) => {
                self.visit_all(nodes);
            }
            Node::If(branches, otherwise) => {
                self.visit_all(branches.iter().flatten());
                self.visit(otherwise);
            }
            Node::Range(range) => self.visit_all([&range.low, &range.high]),
            Node::Function(function) => {
                function.parameters.iter().for_each(|parameter| self.bind(&parameter.name));
                self.visit(&function.body);
                function.parameters.iter().for_each(|parameter| self.unbind(&parameter.name));
            }
            Node::Context(entries) => {
                let names: Vec<Arc<str>> = entries.iter().map(|(name, _)| name.as_str().into()).collect();
                for ((_, node), name) in entries.iter().zip(&names) {
                    self.visit(node);
                    self.bind(name);
                }
                for name in &names {
                    self.unbind(name);
                }
            }
            Node::For(bindings, body) | Node::Quantified { bindings, body, .. } => {
                for binding in bindings {
                    match &binding.source {
                        Source::Items(node) => self.visit(node),
                        Source::Integers(low, high) => self.visit_all([low, high]),
                    }
                    self.bind(&binding.name);
                }
                self.visit(body);
                for binding in bindings {
                    self.unbind(&binding.name);
                }
            }
        }
    }

    fn visit_all<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>) {
        nodes.into_iter().for_each(|node| self.visit(node));
    }

    fn visit_link(&mut self, link: &Link) {
        match link {
            Link::Binary(_, right) => self.visit(right),
            Link::Between(low, high) => self.visit_all([low, high]),
            Link::InstanceOf(_) => {}
            Link::In(tests) => {
                for test in tests {
                    match test {
                        Test::Compare(_, node) | Test::Value(node) => self.visit(node),
                        Test::Range(range) => self.visit_all([&range.low, &range.high]),
                    }
                }
            }
        }
    }

    fn bind(&mut self, name: &Arc<str>) {
        *self.bound.entry(Arc::clone(name)).or_default() += 1;
    }

    fn unbind(&mut self, name: &Arc<str>) {
        if let Some(count) = self.bound.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.bound.remove(name);
            }
        }
    }
}
