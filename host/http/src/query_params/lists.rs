//! What requests say of lists: what they are asked, how they are sorted, which part of them is wanted.

use mandate_runtime::query::{Ask, AskKind, Asked, AskedValue, Order, Page};
use serde_json::Value;

use super::{Fields, Source};
use crate::Error;

/// Rows of a list whose client names no `maxResults`. Camunda would send all; a table of a million tasks would then be one answer.
pub const DEFAULT_MAX_RESULTS: u32 = 2_000;

/// The most rows that a client may ask for at once: some 10 MB of JSON.
pub const LARGEST_MAX_RESULTS: u32 = 10_000;

/// The most columns that a list is sorted by, each of which is one of the statement's. No list has so many.
const MAX_SORTS: usize = 40;

impl Fields {
    /// What a list is asked by the parameters that it has.
    pub(crate) fn asked(&mut self, asks: &'static [Ask]) -> Result<Vec<Asked>, Error> {
        let mut asked = Vec::new();
        for ask in asks {
            let value = match ask.kind {
                AskKind::Text => self.text(ask.name)?.map(AskedValue::Text),
                AskKind::Like => self.like(ask.name)?.map(AskedValue::Text),
                AskKind::Texts => self.texts(ask.name)?.map(AskedValue::Texts),
                AskKind::Date => self.date(ask.name)?.map(AskedValue::Number),
                AskKind::Whole => self.whole(ask.name)?.map(AskedValue::Number),
                AskKind::Flag => self.flag(ask.name)?.then_some(AskedValue::Holds(true)),
                AskKind::Either(opposite) => self.either(ask.name, opposite)?.map(AskedValue::Holds),
            };
            asked.extend(value.map(|value| ask.with(value)));
        }
        Ok(asked)
    }

    /// `firstResult` and `maxResults`.
    pub(crate) fn page(&mut self) -> Result<Page, Error> {
        let first = self.count("firstResult")?.unwrap_or(0);
        let max = self.count("maxResults")?.unwrap_or(DEFAULT_MAX_RESULTS);
        if max > LARGEST_MAX_RESULTS {
            return Err(Error::Invalid(format!("Max results limit of {LARGEST_MAX_RESULTS} exceeded!")));
        }
        Ok(Page { first, max })
    }

    /// How to sort: `sortBy` and `sortOrder` of a query string, `sorting` of a body.
    pub(crate) fn sorting<S: Copy>(&mut self, table: &[(&str, S)]) -> Result<Vec<(S, Order)>, Error> {
        self.sorting_or(table, |_, _| None)
    }

    /// The same of a list that a body also sorts by what takes `parameters`: `or` reads those, if the name is one of them.
    pub(crate) fn sorting_or<S: Clone>(
        &mut self,
        table: &[(&str, S)],
        or: impl Fn(&str, &Value) -> Option<Result<S, Error>>,
    ) -> Result<Vec<(S, Order)>, Error> {
        match self.source {
            Source::Query => {
                let (by, order) = (self.text("sortBy")?, self.text("sortOrder")?);
                match (by, order) {
                    (None, None) => Ok(Vec::new()),
                    (Some(by), Some(order)) => Ok(vec![(sort_of(table, &by)?, order_of(&order)?)]),
                    _ => Err(Error::Invalid("Only a single sorting parameter specified. sortBy and sortOrder required".to_owned())),
                }
            }
            Source::Body => match self.values.remove("sorting") {
                None => Ok(Vec::new()),
                Some(Value::Array(items)) if items.len() > MAX_SORTS => {
                    Err(Error::Invalid(format!("'sorting' has {} entries; at most {MAX_SORTS} are allowed", items.len())))
                }
                Some(Value::Array(items)) => items.iter().map(|item| self.sorting_entry(table, &or, item)).collect(),
                Some(other) => Err(self.wrong("sorting", &other, "a list of {\"sortBy\", \"sortOrder\"}")),
            },
        }
    }

    fn sorting_entry<S: Clone>(
        &self,
        table: &[(&str, S)],
        or: impl Fn(&str, &Value) -> Option<Result<S, Error>>,
        item: &Value,
    ) -> Result<(S, Order), Error> {
        let (Some(by), Some(order)) = (item["sortBy"].as_str(), item["sortOrder"].as_str()) else {
            return Err(self.wrong("sorting", item, "an object with the texts \"sortBy\" and \"sortOrder\""));
        };
        let parameters = &item["parameters"];
        let order = order_of(order)?;
        if let Some(sort) = or(by, parameters) {
            return Ok((sort?, order));
        }
        if !parameters.is_null() && !parameters.as_object().is_some_and(serde_json::Map::is_empty) {
            return Err(Error::Invalid(format!("sorting by '{by}' takes no 'parameters'")));
        }
        Ok((sort_of(table, by)?, order))
    }

    /// Takes how a list is to be sorted and which part of it is wanted, where only their number is asked for: as in Camunda the same query
    /// may be sent to both.
    pub(crate) fn of_list_only<S: Copy>(&mut self, table: &[(&str, S)]) -> Result<(), Error> {
        self.of_list_only_or(table, |_, _| None)
    }

    /// The same of a list that is sorted as [`Self::sorting_or`] reads.
    pub(crate) fn of_list_only_or<S: Clone>(
        &mut self,
        table: &[(&str, S)],
        or: impl Fn(&str, &Value) -> Option<Result<S, Error>>,
    ) -> Result<(), Error> {
        self.sorting_or(table, or)?;
        if self.source == Source::Query {
            self.page()?;
        }
        Ok(())
    }
}

fn sort_of<S: Clone>(table: &[(&str, S)], by: &str) -> Result<S, Error> {
    let found = table.iter().find(|(name, _)| *name == by);
    found.map(|(_, sort)| sort.clone()).ok_or_else(|| {
        let known: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        Error::Invalid(format!("Cannot set query parameter 'sortBy' to value '{by}'; supported are {}", known.join(", ")))
    })
}

fn order_of(order: &str) -> Result<Order, Error> {
    match order.to_ascii_lowercase().as_str() {
        "asc" => Ok(Order::Asc),
        "desc" => Ok(Order::Desc),
        _ => Err(Error::Invalid(format!("Cannot set query parameter 'sortOrder' to value '{order}'; write asc or desc"))),
    }
}
