//! The moment of a step, and on whose behalf it is taken.

/// What a step is told of the world: the engine has no clock, and knows nobody.
///
/// Made of milliseconds alone for whatever happens on nobody's behalf: a job that runs, a timer, a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment<'a> {
    /// Milliseconds since 1970-01-01 UTC.
    pub now: i64,
    /// Who asks for it, if anybody has said their name (Camunda 7's authenticated user).
    pub user: Option<&'a str>,
}

impl From<i64> for Moment<'_> {
    fn from(now: i64) -> Self {
        Self { now, user: None }
    }
}
