//! What is still to move in a unit of work, and what happens in between.

use std::collections::BTreeMap;

use crate::ids::ActivityId;
use crate::unit::{Later, LaterKind, Token};

/// Two stacks: tokens that still have to move, and what was put off until some of them have. What follows from them is kept beside them,
/// so that neither a scope that ends nor one that is cancelled looks through all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Agenda {
    /// The last is the next.
    tokens: Vec<Token>,
    /// The last is the next.
    later: Vec<Later>,
    /// How many of the tokens are in each scope.
    in_scope: BTreeMap<ActivityId, usize>,
    /// Waits that are to be asked, or to get a signal.
    waits: usize,
}

impl Agenda {
    pub(crate) fn new(tokens: Vec<Token>, later: Vec<Later>) -> Self {
        let waits = later.iter().map(|later| later.kind.waits()).sum();
        let mut in_scope = BTreeMap::new();
        for token in &tokens {
            *in_scope.entry(token.scope).or_default() += 1;
        }
        Self { tokens, later, in_scope, waits }
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    pub(crate) fn later(&self) -> &[Later] {
        &self.later
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.later.is_empty()
    }

    /// Whether a token is on its way in a scope.
    pub(crate) fn moves_in(&self, scope: ActivityId) -> bool {
        self.in_scope.contains_key(&scope)
    }

    /// How many waits are put off. Each takes a step when its turn comes.
    pub(crate) fn waits(&self) -> usize {
        self.waits
    }

    pub(crate) fn push(&mut self, token: Token) {
        *self.in_scope.entry(token.scope).or_default() += 1;
        self.tokens.push(token);
    }

    pub(crate) fn pop(&mut self) -> Option<Token> {
        let token = self.tokens.pop()?;
        let count = self.in_scope.get_mut(&token.scope).expect("each token is counted");
        *count -= 1;
        if *count == 0 {
            self.in_scope.remove(&token.scope);
        }
        Some(token)
    }

    /// Puts something off until all tokens have moved that come from here on.
    pub(crate) fn put_off(&mut self, kind: LaterKind) {
        self.waits += kind.waits();
        self.later.push(Later { below: self.tokens.len(), kind });
    }

    /// What was put off until now, if anything was.
    pub(crate) fn take_later(&mut self) -> Option<Later> {
        let later = self.later.pop_if(|later| self.tokens.len() <= later.below)?;
        self.waits -= later.kind.waits();
        Some(later)
    }

    /// The tokens that are on their way in a scope are gone.
    pub(crate) fn drop_tokens(&mut self, scope: ActivityId) {
        if self.in_scope.remove(&scope).is_none() {
            return;
        }
        // Of the first so many tokens, how many stay.
        let mut stay = vec![0];
        for token in &self.tokens {
            stay.push(stay[stay.len() - 1] + usize::from(token.scope != scope));
        }
        for later in &mut self.later {
            later.below = stay[later.below.min(self.tokens.len())];
        }
        self.tokens.retain(|token| token.scope != scope);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl LaterKind {
    /// How many waits it is about.
    fn waits(&self) -> usize {
        match self {
            Self::Conditions(waits) | Self::Signal { waits, .. } => waits.len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use mandate_model::ElementIndex;
    use uuid::Uuid;

    use super::*;
    use crate::ids::InstanceId;
    use crate::lineage::Lineage;
    use crate::unit::NO_WAIT;

    fn token(scope: u64) -> Token {
        let lineage = Lineage::origin(InstanceId(Uuid::nil()), NO_WAIT);
        Token { element: ElementIndex(0), scope: ActivityId(scope), by: None, taken: false, lineage }
    }

    #[test]
    fn what_is_put_off_waits_for_those_tokens_that_are_not_dropped() {
        let mut agenda = Agenda::default();
        for scope in [1, 2] {
            agenda.push(token(scope));
            agenda.put_off(LaterKind::Resume(ActivityId(scope)));
        }
        for scope in [1, 2, 3] {
            agenda.push(token(scope));
        }
        agenda.drop_tokens(ActivityId(2));
        assert_eq!([1, 2, 3].map(|scope| agenda.moves_in(ActivityId(scope))), [true, false, true]);
        assert_eq!(
            agenda,
            Agenda::new(agenda.tokens().to_vec(), agenda.later().to_vec()),
            "what follows from the stacks follows from them"
        );
        let mut order = Vec::new();
        while !agenda.is_empty() {
            let later = agenda.take_later().map(|later| format!("{:?}", later.kind));
            order.push(later.unwrap_or_else(|| format!("token in {}", agenda.pop().unwrap().scope.0)));
        }
        assert_eq!(order, ["token in 3", "token in 1", "Resume(ActivityId(2))", "Resume(ActivityId(1))", "token in 1"]);
    }
}
