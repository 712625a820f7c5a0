//! Which calls instances come from: the same questions to those that live and to history.

use uuid::Uuid;

use super::select::Select;
/// Which calls.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// Called by this instance.
    pub of_super: Option<Uuid>,
    /// The caller of this instance.
    pub of_sub: Option<Uuid>,
    /// This instance, and all that its calls led to.
    pub of_root: Option<Uuid>,
    /// Called by nobody.
    pub roots: bool,
    /// Of which no called instance is in the same table.
    pub leaves: bool,
}

impl CallFilter {
    /// Whether it is of few instances by itself.
    pub(super) fn is_narrow(&self) -> bool {
        self.of_super.is_some() || self.of_sub.is_some() || self.of_root.is_some()
    }

    /// Adds what is asked of `row`, whose instance is in the column `id`, of a `table` with the same columns.
    pub(super) fn add(self, select: &mut Select, row: &str, table: &str, id: &str) {
        select.maybe(&format!("{row}.super_instance = $?"), self.of_super);
        select.maybe(&format!("{row}.{id} = (SELECT c.super_instance FROM {table} c WHERE c.{id} = $?)"), self.of_sub);
        if let Some(root) = self.of_root {
            // Both are looked up by an index; as OR each database would have to see that.
            select.with(&format!("{row}.{id} IN (SELECT c.{id} FROM {table} c WHERE c.root_instance = $? UNION ALL SELECT $?)"), root);
        }
        select.when(self.roots, &format!("{row}.super_instance IS NULL"));
        select.when(self.leaves, &format!("NOT EXISTS (SELECT 1 FROM {table} c WHERE c.super_instance = {row}.{id})"));
    }
}
