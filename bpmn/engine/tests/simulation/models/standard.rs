//! What the standard has and Camunda 7 ignores or refuses.

use super::{Block, Models};

impl Models<'_> {
    pub(super) fn standard(&mut self, depth: usize, inside: bool) -> Block {
        self.quantities(depth, inside)
    }

    /// Two tokens that both go a way of their own and become one, if both arrive.
    fn quantities(&mut self, depth: usize, inside: bool) -> Block {
        let two = self.single("task", " completionQuantity='2'");
        let way = self.sequence(depth + 2, inside);
        self.flow(&two.last, &way.first);
        let one = self.single("userTask", " startQuantity='2'");
        self.flow(&way.last, &one.first);
        Block { first: two.first, last: one.last }
    }
}
