//! Variables that wait to be set, in order of their names.

use serde::{Deserialize, Serialize};

use super::activity::{kind_number, kind_of};
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
        kind: kind_number(value.kind),
        json: value.json.to_string(),
    };
    variables.iter().map(one).collect()
}

pub(super) fn read(variables: Vec<Variable>) -> Result<Variables, SnapshotError> {
    let one = |Variable { name, kind, json }| {
        let kind = kind_of(kind).ok_or(SnapshotError::Inconsistent("a variable's type is unknown"))?;
        Ok((name, variable::Variable { kind, json: json.into() }))
    };
    variables.into_iter().map(one).collect()
}
