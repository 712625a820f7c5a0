//! Variables that wait to be set, in order of their names.

use serde::{Deserialize, Serialize};

use super::activity::{kind_number, variable_of};
use crate::snapshot::SnapshotError;
use crate::variable::{self, Variables};

#[derive(Serialize, Deserialize)]
pub(super) struct Variable {
    name: String,
    kind: u8,
    json: String,
}

pub(super) fn write(variables: &Variables) -> Vec<Variable> {
    let one = |(name, value): (&String, &variable::Variable)| Variable {
        name: name.clone(),
        kind: kind_number(value),
        json: value.json.to_string(),
    };
    variables.iter().map(one).collect()
}

pub(super) fn read(variables: Vec<Variable>) -> Result<Variables, SnapshotError> {
    let one = |Variable { name, kind, json }| Ok((name, variable_of(kind, json.into())?));
    variables.into_iter().map(one).collect()
}
