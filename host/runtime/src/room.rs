//! How much one answer holds.

use mandate_engine::Variables;
use mandate_store::query::MAX_ANSWER_BYTES;

/// What stands around each variable in an answer: its type, and the names of what is said of it.
const AROUND: usize = 50;

/// One answer's room for what processes and clients may have made large: [`MAX_ANSWER_BYTES`].
#[derive(Clone, Debug, Default)]
pub struct Room {
    taken: usize,
}

impl Room {
    /// Takes the room that variables need. False: there is not so much left. What comes first has it, whatever it needs.
    pub fn holds(&mut self, variables: &Variables) -> bool {
        self.holds_with(variables, 0)
    }

    /// The same with so many other bytes.
    pub(crate) fn holds_with(&mut self, variables: &Variables, others: usize) -> bool {
        let is_first = self.taken == 0;
        self.taken += variables.iter().map(|(name, value)| name.len() + value.json.len() + AROUND).sum::<usize>() + others;
        is_first || self.taken <= MAX_ANSWER_BYTES
    }
}

#[cfg(test)]
mod tests {
    use mandate_engine::Variable;

    use super::*;

    fn of(bytes: usize) -> Variables {
        Variables::from([("v".to_owned(), Variable::from_json(&"x".repeat(bytes - 3 - AROUND).into()))])
    }

    #[test]
    fn what_comes_first_has_room_and_the_others_as_long_as_there_is_some() {
        let mut room = Room::default();
        assert!(room.holds(&Variables::new()) && room.holds(&of(MAX_ANSWER_BYTES - 100)));
        assert!(room.holds(&of(100)) && room.holds(&Variables::new()) && !room.holds_with(&Variables::new(), 1));
        let mut room = Room::default();
        assert!(room.holds(&of(MAX_ANSWER_BYTES + 1)) && !room.holds(&of(100)));
    }
}
