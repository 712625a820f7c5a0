//! Variables of live instances: a list of them, and conditions on them in other lists.
//!
//! They are read from the history, which has them as rows; an instance's snapshot has them as bytes. So a host whose history level keeps no
//! variables has no such lists ([`Reads::keeps_variables`]).

use uuid::Uuid;

use super::history::HistoryVariable;
use super::select::{Select, Sort, keys, large_rows};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::Param;

/// How a variable's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same value.
    Equal,
    /// Another value.
    NotEqual,
    /// A larger number, or a later text.
    Greater,
    /// Or the same.
    GreaterOrEqual,
    /// A smaller number, or an earlier text.
    Less,
    /// Or the same.
    LessOrEqual,
    /// A text of a pattern.
    Like,
    /// A text that is not.
    NotLike,
}

impl Comparison {
    fn operator(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Like => "LIKE",
            Self::NotLike => "NOT LIKE",
        }
    }
}

/// What a variable is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A number, in decimal, with a variable of any type of numbers.
    Number(String),
    /// A text, with a variable of type `String`, or with a date's.
    Text(String),
    /// A text that names a moment: as it is with a variable of type `String`, in the form that variables keep with a date's.
    Moment {
        /// As it is.
        text: String,
        /// The moment as a variable keeps it: RFC 3339 in UTC, of one length for all, so that texts come in the order of moments.
        stored: String,
    },
    /// Anything else as JSON, for being equal or not.
    Json(String),
}

/// A condition on a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct VariableCondition {
    /// Its name; none: any.
    pub name: Option<String>,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub operand: Operand,
    /// Where upper and lower case are the same.
    pub ignoring_case: IgnoringCase,
}

/// Where upper and lower case are the same: of the letters of ASCII, on both databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IgnoringCase {
    /// In the name.
    pub name: bool,
    /// In a text that is compared.
    pub text: bool,
}

/// A text out of its JSON, compared by its bytes. PostgreSQL has no text with a NUL, which a delegate's JSON may: there it is none.
const TEXT: &str = "{pg:(CASE WHEN strpos(v.json, '\\u0000') = 0 THEN v.json::json #>> ARRAY[]::text[] END) COLLATE \"C\"}\
                    {lite:json_extract(v.json, '$')}";

impl VariableCondition {
    /// Adds conditions on a row `v` of `history_variable`.
    pub(super) fn add(self, select: &mut Select) {
        let name = if self.ignoring_case.name { format!("{} = {}", lower("v.name"), lower("$?")) } else { "v.name = $?".to_owned() };
        select.maybe(&name, self.name);
        let operator = self.comparison.operator();
        let (text, sought) =
            if self.ignoring_case.text { (format!("LOWER({TEXT})"), lower("$?")) } else { (TEXT.to_owned(), "$?".to_owned()) };
        match self.operand {
            // What is no number is not looked at as one, in whatever order the database decides. The comparison is within: PostgreSQL knows
            // nothing of how many have a value, takes what is compared to be rare, and would read all variables that ever were for a page.
            Operand::Number(number) => select.with(
                &format!(
                    "CASE WHEN v.kind IN ('Integer', 'Long', 'Double') AND v.json <> 'null' THEN CAST(v.json AS DOUBLE PRECISION) \
                     {operator} CAST(CAST($? AS TEXT) AS DOUBLE PRECISION) END"
                ),
                number,
            ),
            Operand::Text(wanted) => {
                let escape = if matches!(self.comparison, Comparison::Like | Comparison::NotLike) { " ESCAPE '\\'" } else { "" };
                let compared = format!("{text} {operator} {sought}{escape}");
                select.with(&format!("CASE WHEN v.kind IN ('String', 'Date') AND v.json <> 'null' THEN {compared} END"), wanted);
            }
            Operand::Moment { text: as_it_is, stored } => {
                let compared = format!("THEN {text} {operator} {sought}");
                let sql =
                    format!("CASE WHEN v.json = 'null' THEN NULL WHEN v.kind = 'String' {compared} WHEN v.kind = 'Date' {compared} END");
                select.with_each(&sql, [as_it_is.into(), stored.into()]);
            }
            Operand::Json(json) => select.with(&format!("v.json {operator} $?"), json),
        }
    }
}

/// Types of variables by whose values lists are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortedKind {
    /// Texts, where upper and lower case are the same: of the letters of ASCII.
    String,
    /// Whole numbers of 32 bits.
    Integer,
    /// Whole numbers.
    Long,
    /// Other numbers.
    Double,
    /// False before true.
    Boolean,
    /// Moments.
    Date,
}

impl SortedKind {
    /// The value of the variable `v` of which a condition holds, and which is of this type; NULL if there is none.
    pub(super) fn sorted(self, condition: &str) -> String {
        let (kind, value) = match self {
            Self::String => ("String", format!("LOWER({TEXT})")),
            Self::Integer => ("Integer", "CAST(v.json AS BIGINT)".to_owned()),
            Self::Long => ("Long", "CAST(v.json AS BIGINT)".to_owned()),
            Self::Double => ("Double", "CAST(v.json AS DOUBLE PRECISION)".to_owned()),
            // The JSON of booleans comes in their order, and so do the texts that moments are kept as.
            Self::Boolean => ("Boolean", "v.json".to_owned()),
            Self::Date => ("Date", "v.json".to_owned()),
        };
        format!("(SELECT {value} FROM history_variable v WHERE {condition} AND v.kind = '{kind}' AND v.json <> 'null' AND NOT v.removed)")
    }
}

/// A text in lower case. It is ASCII's that both databases know.
fn lower(text: &str) -> String {
    format!("LOWER({text}{{pg: COLLATE \"C\"}})")
}

/// In which scopes of an instance a variable is looked for.
#[derive(Clone, Copy)]
pub(super) enum In<'a> {
    /// Any, also what is over or a task's.
    Any,
    /// This one.
    Scope(&'a str),
    /// Those of the process that live, as Camunda's `processVariables` are: none of a task.
    Process,
    /// The same of history, which keeps those that are over.
    ProcessOrPast,
}

/// Adds that an instance has variables like these; `instance` is its column.
pub(super) fn having(select: &mut Select, instance: &str, scope: In<'_>, conditions: Vec<VariableCondition>) {
    for condition in conditions {
        select.exists("history_variable v", |select| {
            select.condition(&format!("v.instance_id = {instance} AND NOT v.removed"));
            match scope {
                In::Any => {}
                In::Scope(scope) => select.condition(&format!("v.scope = {scope}")),
                In::Process => select.condition(
                    "(v.scope = 1 OR EXISTS (SELECT 1 FROM history_activity sa WHERE sa.instance_id = v.instance_id AND sa.n = v.scope \
                     AND sa.ended_at IS NULL))",
                ),
                In::ProcessOrPast => select.condition(
                    "(v.scope = 1 OR NOT EXISTS (SELECT 1 FROM history_task st WHERE st.instance_id = v.instance_id AND st.wait = v.scope))",
                ),
            }
            condition.add(select);
        });
    }
}

/// Which variables of live instances.
#[derive(Clone, Debug, Default)]
pub struct VariableFilter {
    /// Of one of these instances.
    pub instances: Vec<Uuid>,
    /// Of one of these scopes.
    pub scopes: Vec<(Uuid, i64)>,
    /// Of one of these activity instances, or of a user task in it.
    pub activities: Vec<(Uuid, i64)>,
    /// Of one of these user tasks.
    pub tasks: Vec<(Uuid, i64)>,
    /// With this name.
    pub name: Option<String>,
    /// With a name like this.
    pub name_like: Option<String>,
    /// With a name and value like this, all of these.
    pub values: Vec<VariableCondition>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
}

/// A variable of a live instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableListed {
    /// Whose it is.
    pub tenant: Option<String>,
    /// What its instance runs.
    pub definition_id: String,
    /// The activity of the user task whose own it is; the task's number is the variable's scope.
    pub of_task_in: Option<i64>,
    /// The variable.
    pub row: HistoryVariable,
}

/// What variables are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableSort {
    /// Their name.
    Name,
    /// Their type.
    Kind,
    /// Their activity instance.
    Scope,
    /// Their tenant.
    Tenant,
}

impl Sort for VariableSort {
    fn column(self) -> &'static str {
        match self {
            Self::Name => "v.name",
            Self::Kind => "v.kind",
            Self::Scope => "v.scope",
            Self::Tenant => "i.tenant",
        }
    }
}

/// History keeps the variables of scopes that are over; the process's own last as long as the instance. Whether another scope lives,
/// SQLite asks where one is met, and PostgreSQL of all at once, which is sooner done where all variables are sorted or counted.
fn select(filter: VariableFilter) -> Select {
    let mut select = Select::new(
        "instance i {pg:JOIN}{lite:CROSS JOIN} history_variable v ON v.instance_id = i.id \
         {pg:LEFT JOIN history_activity a ON a.instance_id = v.instance_id AND a.n = v.scope} \
         LEFT JOIN task t ON t.instance_id = v.instance_id AND t.wait = v.scope",
    );
    select.condition(
        "NOT v.removed AND (v.scope = 1 OR t.wait IS NOT NULL OR {pg:(a.n IS NOT NULL AND a.ended_at IS NULL)}\
         {lite:EXISTS (SELECT 1 FROM history_activity a WHERE a.instance_id = v.instance_id AND a.n = v.scope AND a.ended_at IS NULL)})",
    );
    select.uuids("i.id", filter.instances);
    // Of pairs SQLite does not see that their instances are found by an index.
    for pairs in [&filter.scopes, &filter.activities, &filter.tasks] {
        select.uuids("i.id", pairs.iter().map(|(instance, _)| *instance).collect());
    }
    select.numbered("v.instance_id", "v.scope", filter.scopes);
    select.numbered("v.instance_id", "COALESCE(t.activity, v.scope)", filter.activities);
    select.numbered("t.instance_id", "t.wait", filter.tasks);
    select.maybe("v.name = $?", filter.name);
    select.like("v.name", filter.name_like);
    for condition in filter.values {
        condition.add(&mut select);
    }
    select.texts("i.tenant", filter.tenants);
    select
}

/// The statement that asks for them. Ties are broken by the instance's own column: sorted by the variables', SQLite would read all
/// instances first.
pub(crate) fn variables_sql(filter: VariableFilter, page: Page, sort: &[(VariableSort, Order)]) -> (String, Vec<Param>) {
    let columns = "i.tenant, i.definition_id, t.activity, i.id, v.scope, v.name, v.kind, v.json, v.removed, v.created, v.updated";
    select(filter).statement(columns, &keys(sort, &["i.id", "v.scope", "v.name"]), page)
}

impl Reads {
    /// Whether this host's history keeps variables, so that they can be listed and asked for.
    pub fn keeps_variables(&self) -> bool {
        self.keeps_variables
    }

    /// Variables of live instances.
    pub async fn variables(
        &self,
        filter: VariableFilter,
        page: Page,
        sort: &[(VariableSort, Order)],
    ) -> Result<Vec<VariableListed>, Error> {
        let rows = large_rows(&self.pool, variables_sql(filter, page, sort), page).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(VariableListed {
                    tenant: columns.next_tenant()?,
                    definition_id: columns.next()?,
                    of_task_in: columns.next()?,
                    row: HistoryVariable {
                        instance: columns.next()?,
                        scope: columns.next()?,
                        name: columns.next()?,
                        kind: columns.next()?,
                        json: columns.next()?,
                        removed: columns.next()?,
                        created: columns.next()?,
                        updated: columns.next()?,
                    },
                })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_variables(&self, filter: VariableFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }
}
