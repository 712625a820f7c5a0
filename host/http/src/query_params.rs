//! What a request asks: the parameters of a query string and the fields of a JSON body, read the same way.
//!
//! A list has one reader for its `GET` and its `POST` twin. A reader takes what it implements; what is left over at the end is refused if
//! Camunda has it: a filter that is ignored would answer with the wrong rows. What Camunda does not have either is ignored in a query
//! string, as Camunda does, and refused in a body, as Camunda does.

use std::collections::{BTreeMap, BTreeSet};

use mandate_runtime::engine::{InstanceId, PublicId, Variables};
use serde_json::{Map, Value};

use crate::{Error, date, variable};

mod lists;

pub use lists::{DEFAULT_MAX_RESULTS, LARGEST_MAX_RESULTS};

/// The longest text that is stored as a name or a key, as wide as a column of Camunda's.
pub(crate) const MAX_TEXT_CHARS: usize = 255;

/// The most values of one list: each is a bound parameter, of which a database takes some ten thousands at once.
const MAX_VALUES: usize = 2_000;

/// The most bytes of a pattern: SQLite understands no longer one (its `SQLITE_MAX_LIKE_PATTERN_LENGTH`).
const MAX_PATTERN_BYTES: usize = 50_000;

/// Refuses a pattern that not every database understands; `what` names it.
pub(crate) fn check_pattern(what: &str, pattern: &str) -> Result<(), Error> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(Error::Invalid(format!("{what} is a pattern of {} bytes; at most {MAX_PATTERN_BYTES} are allowed", pattern.len())));
    }
    if pattern.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1 {
        return Err(Error::Invalid(format!("{what} ends with a backslash that takes no meaning away; write two for one")));
    }
    Ok(())
}

/// Where fields came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Query,
    Body,
}

impl Source {
    /// Where the other twin takes what this one does not know.
    fn place_of(self, name: &str) -> Option<&'static str> {
        match (self, name) {
            (Self::Query, "orQueries" | "sorting") => Some("in the body of a POST, not in the query string"),
            (Self::Body, "sortBy" | "sortOrder") => Some("in an entry of 'sorting', a list, not beside it"),
            (Self::Body, "firstResult" | "maxResults") => Some("in the query string, not in the body"),
            _ => None,
        }
    }
}

/// Parameters or fields that have not been read yet.
#[derive(Debug)]
pub(crate) struct Fields {
    source: Source,
    values: BTreeMap<String, Value>,
    /// Fields that were given and are null, which for most is as good as absent.
    nulls: BTreeSet<String>,
}

impl Fields {
    /// Of a query string. A name given twice is refused: Camunda would look at one of the two only.
    pub(crate) fn of_query(pairs: Vec<(String, String)>) -> Result<Self, Error> {
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            if name.contains('\0') || value.contains('\0') {
                return Err(Error::Invalid("the query string holds a NUL byte".to_owned()));
            }
            if values.insert(name.clone(), Value::String(value)).is_some() {
                return Err(Error::Invalid(format!("query parameter '{name}' is given twice; separate several values by commas")));
            }
        }
        Ok(Self { source: Source::Query, values, nulls: BTreeSet::new() })
    }

    /// Of a body. Explicit nulls are absent, and so is an empty body.
    pub(crate) fn of_body(body: &[u8]) -> Result<Self, Error> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::of_object(Map::new()));
        }
        let parsed: Value = serde_json::from_slice(body).map_err(|error| Error::Invalid(format!("the body is not JSON: {error}")))?;
        if holds_nul(&parsed) {
            return Err(Error::Invalid("the body holds a NUL character".to_owned()));
        }
        let Value::Object(map) = parsed else {
            return Err(Error::Invalid("the body is not a JSON object".to_owned()));
        };
        Ok(Self::of_object(map))
    }

    fn of_object(map: Map<String, Value>) -> Self {
        let (nulls, values): (Map<_, _>, Map<_, _>) = map.into_iter().partition(|(_, value)| value.is_null());
        Self { source: Source::Body, values: values.into_iter().collect(), nulls: nulls.into_iter().map(|(name, _)| name).collect() }
    }

    fn wrong(&self, name: &str, value: &Value, expected: &str) -> Error {
        let value = match value {
            Value::String(text) => text.chars().take(MAX_TEXT_CHARS).collect(),
            other => other.to_string().chars().take(MAX_TEXT_CHARS).collect::<String>(),
        };
        Error::Invalid(match self.source {
            Source::Query => format!("Cannot set query parameter '{name}' to value '{value}': it is not {expected}"),
            Source::Body => format!("field '{name}' with value '{value}' is not {expected}"),
        })
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.values.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, &other, "a text")),
        }
    }

    /// A text that will be stored.
    pub(crate) fn stored_text(&mut self, name: &str) -> Result<Option<String>, Error> {
        let text = self.text(name)?;
        if let Some(text) = &text {
            check_stored(name, text)?;
        }
        Ok(text)
    }

    /// Several texts: separated by commas in a query string, an array in a body. None at all is refused, since as a filter it would match
    /// nothing and ignored it would match everything.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let texts = match self.values.remove(name) {
            None => return Ok(None),
            Some(Value::String(text)) if self.source == Source::Query => text.split(',').map(str::to_owned).collect(),
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
            }
            Some(other) => return Err(self.wrong(name, &other, "a list of texts")),
        };
        match texts.len() {
            0 => Err(Error::Invalid(format!("'{name}' is empty"))),
            1..=MAX_VALUES => Ok(Some(texts)),
            more => Err(Error::Invalid(format!("'{name}' has {more} values; at most {MAX_VALUES} are allowed"))),
        }
    }

    /// Several texts to filter by; absent: none, which asks for nothing.
    pub(crate) fn filter_texts(&mut self, name: &str) -> Result<Vec<String>, Error> {
        Ok(self.texts(name)?.unwrap_or_default())
    }

    /// A pattern: `%` stands for anything, `_` for one character, a backslash takes a meaning away.
    pub(crate) fn like(&mut self, name: &str) -> Result<Option<String>, Error> {
        let pattern = self.text(name)?;
        pattern.iter().try_for_each(|pattern| check_pattern(&format!("'{name}'"), pattern))?;
        Ok(pattern)
    }

    /// Tenants to filter by, where the empty text is none; `include` names the switch that adds those without a tenant.
    pub(crate) fn tenants(&mut self, include: Option<&str>) -> Result<Vec<String>, Error> {
        let mut tenants = self.filter_texts("tenantIdIn")?;
        let without = include.map_or(Ok(false), |name| self.flag(name))?;
        if without && !tenants.is_empty() {
            tenants.push(String::new());
        }
        Ok(tenants)
    }

    /// Camunda's two switches for one question: suspended (true), active (false), or either.
    pub(crate) fn suspension(&mut self) -> Result<Option<bool>, Error> {
        self.either("suspended", "active")
    }

    /// Two switches that exclude each other: the first (true), the second (false), or neither.
    pub(crate) fn either(&mut self, yes: &str, no: &str) -> Result<Option<bool>, Error> {
        match (self.flag(yes)?, self.flag(no)?) {
            (true, true) => Err(Error::Invalid(format!("Parameter '{yes}' cannot be used together with parameter '{no}'."))),
            (true, false) => Ok(Some(true)),
            (false, true) => Ok(Some(false)),
            (false, false) => Ok(None),
        }
    }

    /// Dates with the operators `gt` and `lt`: `gt_<date>` separated by commas in a query string, `{"operator", "value"}` in a body.
    /// Answers with (after, before).
    pub(crate) fn comparisons(&mut self, name: &str) -> Result<(Option<i64>, Option<i64>), Error> {
        let pairs: Vec<(String, String)> = match self.values.remove(name) {
            None => Vec::new(),
            Some(Value::String(text)) if self.source == Source::Query => {
                let split = |part: &str| part.split_once('_').map(|(operator, date)| (operator.to_owned(), date.to_owned()));
                text.split(',').map(split).collect::<Option<_>>().ok_or_else(|| self.no_comparison(name))?
            }
            Some(Value::Array(items)) => {
                let pair = |item: &Value| Some((item["operator"].as_str()?.to_owned(), item["value"].as_str()?.to_owned()));
                items.iter().map(pair).collect::<Option<_>>().ok_or_else(|| self.no_comparison(name))?
            }
            Some(_) => return Err(self.no_comparison(name)),
        };
        let (mut after, mut before) = (None::<i64>, None::<i64>);
        for (operator, date) in pairs {
            let moment = date::parse(&date).map_err(|reason| Error::Invalid(format!("'{name}': {reason}")))?;
            match operator.as_str() {
                "gt" => after = Some(after.map_or(moment, |other| other.max(moment))),
                "lt" => before = Some(before.map_or(moment, |other| other.min(moment))),
                _ => return Err(self.no_comparison(name)),
            }
        }
        Ok((after, before))
    }

    fn no_comparison(&self, name: &str) -> Error {
        Error::Invalid(match self.source {
            Source::Query => format!("'{name}' is written gt_<date> or lt_<date>, several separated by commas"),
            Source::Body => format!("'{name}' is a list of {{\"operator\": \"gt\" or \"lt\", \"value\": a date}}"),
        })
    }

    /// Several texts that are no filter: there may be none.
    pub(crate) fn texts_or_none(&mut self, name: &str) -> Result<Vec<String>, Error> {
        if matches!(self.values.get(name), Some(Value::Array(items)) if items.is_empty()) {
            self.values.remove(name);
        }
        Ok(self.texts(name)?.unwrap_or_default())
    }

    /// A switch. Camunda's filters know only `true`: `false` is as good as absent.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, Error> {
        Ok(self.boolean(name)?.unwrap_or(false))
    }

    /// True or false or absent.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.values.remove(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(other) => Err(self.wrong(name, &other, "true or false")),
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u32>, Error> {
        let Some(value) = self.values.remove(name) else { return Ok(None) };
        let number = match &value {
            Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(name, &value, "a whole number from 0 to 4294967295"))
    }

    /// A moment.
    pub(crate) fn date(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let read = date::parse(&text);
        read.map(Some)
            .map_err(|reason| self.wrong(name, &Value::String(text), &format!("a date such as 2026-11-20T10:00:00.000+0000: {reason}")))
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Error> {
        match self.values.remove(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(self.wrong(name, &other, "an object")),
        }
    }

    /// An object that is to be read like a body.
    pub(crate) fn fields(&mut self, name: &str) -> Result<Option<Fields>, Error> {
        Ok(self.object(name)?.map(Self::of_object))
    }

    /// Objects in a list, each to be read like a body; absent: none.
    pub(crate) fn objects(&mut self, name: &str) -> Result<Vec<Fields>, Error> {
        let items = match self.values.remove(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) if items.iter().all(Value::is_object) => items,
            Some(other) => {
                let place = self.source.place_of(name).map(|place| Error::Invalid(format!("'{name}' is given {place}")));
                return Err(place.unwrap_or_else(|| self.wrong(name, &other, "a list of objects")));
            }
        };
        if items.len() > MAX_VALUES {
            return Err(Error::Invalid(format!("'{name}' has {} entries; at most {MAX_VALUES} are allowed", items.len())));
        }
        let fields = |item| match item {
            Value::Object(map) => Some(Self::of_object(map)),
            _ => None,
        };
        Ok(items.into_iter().filter_map(fields).collect())
    }

    /// A length of time in milliseconds, or a priority: a whole number of 64 bits.
    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let Some(value) = self.values.remove(name) else { return Ok(None) };
        let number = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(name, &value, "a whole number"))
    }

    /// Whether something is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether it is given, and null.
    pub(crate) fn is_null(&self, name: &str) -> bool {
        self.nulls.contains(name)
    }

    /// Whether it is a number.
    pub(crate) fn has_number(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(Value::is_number)
    }

    /// JSON of any kind.
    pub(crate) fn json(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// Variables, of which some may be there for the unit of work only that the request begins.
    pub(crate) fn variables(&mut self, name: &str) -> Result<Variables, Error> {
        variable::read_also_transient(self.object(name)?.unwrap_or_default())
    }

    /// Variables that are to be stored, or that others are compared with.
    pub(crate) fn stored_variables(&mut self, name: &str) -> Result<Variables, Error> {
        variable::read_all(self.object(name)?.unwrap_or_default())
    }

    /// Everything, as one object.
    pub(crate) fn into_object(self) -> Value {
        Value::Object(self.values.into_iter().collect())
    }

    /// Ids of process instances, given alone or as a list; given both ways, those that are in both. One that no instance can have matches
    /// nothing rather than being wrong.
    pub(crate) fn instances(&mut self, one: &str, many: Option<&str>) -> Result<Vec<InstanceId>, Error> {
        let texts = self.one_or_many(one, many)?;
        Ok(texts.iter().map(|text| instance_or_none(text)).collect())
    }

    /// Public ids, likewise.
    pub(crate) fn public_ids(&mut self, one: &str, many: Option<&str>) -> Result<Vec<PublicId>, Error> {
        let texts = self.one_or_many(one, many)?;
        Ok(texts.iter().map(|text| public_or_none(text)).collect())
    }

    fn one_or_many(&mut self, one: &str, many: Option<&str>) -> Result<Vec<String>, Error> {
        let one = self.text(one)?;
        let many = many.map_or(Ok(None), |name| self.texts(name))?;
        Ok(match (one, many) {
            (None, None) => Vec::new(),
            (Some(one), Some(many)) if !many.contains(&one) => vec![String::new()],
            (Some(one), _) => vec![one],
            (None, Some(many)) => many,
        })
    }

    /// Takes fields that change nothing here, whatever their value.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.values.remove(*name);
        }
    }

    /// Refuses whatever is left: our own endpoints ignore nothing.
    pub(crate) fn finish_own(self) -> Result<(), Error> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::Invalid(format!("'{name}' is not known here"))),
        }
    }

    /// Refuses what is left, except what asks for nothing: `false`, and empty lists and objects. `camunda` are all the names that Camunda
    /// has for this endpoint.
    pub(crate) fn finish(self, camunda: &[&str]) -> Result<(), Error> {
        for (name, value) in &self.values {
            let asks_nothing = match value {
                Value::Bool(flag) => !flag,
                Value::String(text) => self.source == Source::Query && text.eq_ignore_ascii_case("false"),
                Value::Array(items) => items.is_empty(),
                Value::Object(entries) => entries.is_empty(),
                _ => false,
            };
            let known = camunda.contains(&name.as_str());
            if known && name.ends_with("Expression") {
                return Err(Error::Invalid(format!("Expressions are forbidden in adhoc queries: '{name}'")));
            }
            if let Some(place) = self.source.place_of(name).filter(|_| known && !asks_nothing) {
                return Err(Error::Invalid(format!("'{name}' is given {place}")));
            }
            match self.source {
                _ if known && asks_nothing => {}
                Source::Query if !known => {}
                Source::Query => return Err(Error::Invalid(format!("query parameter '{name}' is not supported by this host"))),
                Source::Body if known => return Err(Error::Invalid(format!("field '{name}' is not supported by this host"))),
                Source::Body => return Err(Error::Invalid(format!("Unrecognized field \"{name}\""))),
            }
        }
        Ok(())
    }
}

/// Refuses a text that is wider than what is stored.
pub(crate) fn check_stored(name: &str, text: &str) -> Result<(), Error> {
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(Error::Invalid(format!("'{name}' has more than {MAX_TEXT_CHARS} characters")));
    }
    Ok(())
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(entries) => entries.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

/// An instance's id; for a text that is none, the nil id, which no instance has.
pub(crate) fn instance_or_none(text: &str) -> InstanceId {
    text.parse().unwrap_or_else(|_| nil())
}

/// A public id; for a text that is none, one of the nil instance.
pub(crate) fn public_or_none(text: &str) -> PublicId {
    text.parse().unwrap_or_else(|_| PublicId { instance: nil(), number: 0 })
}

fn nil() -> InstanceId {
    "00000000-0000-0000-0000-000000000000".parse().expect("the nil UUID is a UUID")
}

#[cfg(test)]
mod tests {
    use mandate_runtime::query::Order;

    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Fields {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Fields::of_query(pairs).expect("valid")
    }

    fn body(text: &str) -> Fields {
        Fields::of_body(text.as_bytes()).expect("valid")
    }

    fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn the_twins_read_the_same() {
        let mut get = query(&[
            ("ids", "a,b"),
            ("flag", "True"),
            ("n", "3"),
            ("at", "2026-11-20T10:00:00.000+0000"),
            ("sortBy", "x"),
            ("sortOrder", "DESC"),
        ]);
        let mut post = body(
            r#"{"ids": ["a","b"], "flag": true, "n": 3, "at": "2026-11-20T10:00:00.000Z", "sorting": [{"sortBy": "x", "sortOrder": "desc", "parameters": null}], "none": null}"#,
        );
        for fields in [&mut get, &mut post] {
            assert_eq!(fields.texts("ids").expect("read"), Some(vec!["a".to_owned(), "b".to_owned()]));
            assert!(fields.flag("flag").expect("read"));
            assert_eq!(fields.count("n").expect("read"), Some(3));
            assert_eq!(fields.date("at").expect("read"), Some(1_795_168_800_000));
            assert_eq!(fields.sorting(&[("x", 7)]).expect("read"), vec![(7, Order::Desc)]);
            assert_eq!(fields.text("none").expect("read"), None);
        }
        assert!(post.is_null("none") && !post.is_null("n") && !get.is_null("none"));
        get.finish(&[]).expect("nothing is left");
        post.finish(&[]).expect("nothing is left");
    }

    #[test]
    fn the_tightest_comparisons_hold() {
        let both = "gt_2026-11-20T10:00:00Z,gt_1970-01-01T00:00:00Z,lt_2026-11-20T10:00:00.001+0000";
        let expected = (Some(1_795_168_800_000), Some(1_795_168_800_001));
        assert_eq!(query(&[("d", both)]).comparisons("d").expect("read"), expected);
        let both =
            r#"{"d": [{"operator": "gt", "value": "2026-11-20T10:00:00Z"}, {"operator": "lt", "value": "2026-11-20T10:00:00.001Z"}]}"#;
        assert_eq!(body(both).comparisons("d").expect("read"), expected);
    }

    #[test]
    fn ids_given_alone_and_as_a_list_are_those_in_both() {
        let id = "01936d0e-0000-7000-8000-000000000001";
        let both = |many: &str| query(&[("one", id), ("many", many)]).instances("one", Some("many")).expect("read");
        assert_eq!(both(&format!("x,{id}")), vec![instance_or_none(id)]);
        assert_eq!(both("x,y"), vec![nil()]);
        assert_eq!(query(&[]).instances("one", Some("many")).expect("read"), vec![]);
    }

    #[test]
    fn what_camunda_has_and_this_host_has_not_is_refused() {
        assert!(message(query(&[("variables", "a_eq_1")]).finish(&["variables"])).contains("'variables'"));
        assert!(message(body(r#"{"variables": [{"name": "a"}]}"#).finish(&["variables"])).contains("'variables'"));
        let expression = query(&[("assigneeExpression", "${currentUser()}")]).finish(&["assigneeExpression"]);
        assert!(message(expression).contains("forbidden in adhoc queries"));
        assert!(message(body(r#"{"wibble": 1}"#).finish(&["variables"])).contains("wibble"));
        // What only the twin takes says where.
        assert_eq!(
            message(query(&[("orQueries", "[]")]).objects("orQueries")),
            "'orQueries' is given in the body of a POST, not in the query string"
        );
        assert_eq!(
            message(query(&[("sorting", "[]")]).finish(&["sorting"])),
            "'sorting' is given in the body of a POST, not in the query string"
        );
        assert_eq!(
            message(body(r#"{"sortBy": "name"}"#).finish(&["sortBy"])),
            "'sortBy' is given in an entry of 'sorting', a list, not beside it"
        );
        assert_eq!(
            message(body(r#"{"maxResults": 3}"#).finish(&["maxResults"])),
            "'maxResults' is given in the query string, not in the body"
        );
        query(&[("wibble", "1")]).finish(&["variables"]).expect("ignored as Camunda does");
        query(&[("rootProcessInstances", "false")]).finish(&["rootProcessInstances"]).expect("asks for nothing");
        body(r#"{"variables": [], "orQueries": [], "leaf": false}"#).finish(&["variables", "orQueries", "leaf"]).expect("asks for nothing");
    }

    #[test]
    fn wrong_values_are_named() {
        assert!(message(query(&[("maxResults", "many")]).page()).contains("'maxResults' to value 'many'"));
        assert!(message(query(&[("maxResults", "10001")]).page()).contains("Max results limit"));
        assert!(message(query(&[("sortBy", "x")]).sorting(&[("x", 1)])).contains("sortBy and sortOrder required"));
        assert!(message(query(&[("sortBy", "y"), ("sortOrder", "asc")]).sorting(&[("x", 1)])).contains("supported are x"));
        assert!(message(body(r#"{"ids": []}"#).texts("ids")).contains("empty"));
        assert!(message(body(r#"{"ids": "a"}"#).texts("ids")).contains("list"));
        assert!(message(query(&[("at", "soon")]).date("at")).contains("'at'"));
        assert!(message(query(&[("l", "a\\")]).like("l")).contains("backslash"));
        assert!(message(query(&[("l", &"a".repeat(50_001))]).like("l")).contains("at most 50000"));
        assert!(message(query(&[("active", "true"), ("suspended", "true")]).suspension()).contains("together"));
        assert!(message(query(&[("d", "2026-11-20T10:00:00Z")]).comparisons("d")).contains("gt_"));
        assert!(message(body(r#"{"d": [{"operator": "eq", "value": "2026-11-20T10:00:00Z"}]}"#).comparisons("d")).contains("operator"));
        assert!(message(Fields::of_query(vec![("a".into(), "1".into()), ("a".into(), "2".into())])).contains("twice"));
    }

    #[test]
    fn bodies_that_are_no_objects_are_refused() {
        for text in ["[]", "1", "{", "{\"a\": 1} x", "\"\\u0000\"", "{\"a\": {\"b\\u0000\": 1}}", "\u{feff}{}"] {
            Fields::of_body(text.as_bytes()).expect_err(text);
        }
        for text in ["", " \n", "{}"] {
            body(text).finish(&[]).expect("an empty body is an empty object");
        }
    }

    #[test]
    fn the_default_page_is_bounded_and_zero_rows_may_be_asked_for() {
        let page = query(&[]).page().expect("read");
        assert_eq!((page.first, page.max), (0, DEFAULT_MAX_RESULTS));
        assert_eq!(query(&[("maxResults", "0")]).page().expect("read").max, 0);
    }
}
