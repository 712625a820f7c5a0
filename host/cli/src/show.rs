//! The commands that start instances and show where they stand.

use anyhow::{bail, ensure};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::bundle::text;
use crate::client::{Client, encode};
use crate::table;

/// What `mandate start` was told.
pub(crate) struct Start {
    pub(crate) key: String,
    pub(crate) business_key: Option<String>,
    pub(crate) variables: Vec<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

pub(crate) async fn start(client: &Client, start: Start, json: bool) -> anyhow::Result<()> {
    let mut variables = Map::new();
    for pair in &start.variables {
        let Some((name, value)) = pair.split_once('=') else {
            bail!("'{pair}' is not a variable: write NAME=VALUE");
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let typed = match &value {
            Value::Array(_) | Value::Object(_) => json!({ "value": value.to_string(), "type": "Json" }),
            _ => json!({ "value": value }),
        };
        variables.insert(name.to_owned(), typed);
    }
    let tenant = start.tenant.map(|tenant| format!("/tenant-id/{}", encode(&tenant))).unwrap_or_default();
    let path = format!("/engine-rest/process-definition/key/{}{tenant}/start", encode(&start.key));
    let mut request = client.request(Method::POST, &path).json(&json!({ "businessKey": start.business_key, "variables": variables }));
    if let Some(key) = start.idempotency_key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = client.send(request).await?;
    if json {
        println!("{answer:#}");
    } else {
        println!("{}", text(&answer["id"]));
    }
    Ok(())
}

pub(crate) async fn list(
    client: &Client,
    key: Option<String>,
    business_key: Option<String>,
    incidents: bool,
    max: u32,
    json: bool,
) -> anyhow::Result<()> {
    let mut query = vec![("maxResults", max.to_string())];
    query.extend(key.map(|key| ("processDefinitionKey", key)));
    query.extend(business_key.map(|key| ("businessKey", key)));
    if incidents {
        query.push(("withIncident", "true".to_owned()));
    }
    let instances = client.get("/engine-rest/process-instance", &query).await?;
    if json {
        println!("{instances:#}");
        return Ok(());
    }
    print(&instances, &[("ID", "id"), ("BUSINESS KEY", "businessKey"), ("DEFINITION", "definitionId"), ("SUSPENDED", "suspended")]);
    Ok(())
}

pub(crate) async fn waiting(
    client: &Client,
    key: Option<String>,
    business_key: Option<String>,
    overdue: bool,
    json: bool,
) -> anyhow::Result<()> {
    let leaves = leaves(client, key, business_key, overdue).await?;
    if json {
        println!("{:#}", Value::from(leaves));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = leaves.iter().map(leaf_row).collect();
    table::print(&["INSTANCE", "BUSINESS KEY", "PROCESS", "ACTIVITY", "REASON", "SINCE", "UNTIL"], &rows);
    Ok(())
}

async fn leaves(client: &Client, key: Option<String>, business_key: Option<String>, overdue: bool) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = Vec::new();
        query.extend(key.clone().map(|key| ("processDefinitionKey", key)));
        query.extend(business_key.clone().map(|key| ("businessKey", key)));
        query.extend(after.take().map(|after| ("after", after)));
        if overdue {
            query.push(("overdue", "true".to_owned()));
        }
        let page = client.get("/api/v1/waiting", &query).await?;
        all.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(all),
        }
    }
}

fn leaf_row(leaf: &Value) -> Vec<String> {
    let process = format!("{}:{}", text(&leaf["processDefinitionKey"]), leaf["processDefinitionVersion"]);
    vec![
        text(&leaf["processInstanceId"]),
        text(&leaf["businessKey"]),
        process,
        text(&leaf["activityId"]),
        reason(leaf),
        moment(&leaf["since"]),
        moment(&leaf["until"]),
    ]
}

/// Why a leaf stands where it stands, in a few words.
fn reason(leaf: &Value) -> String {
    match leaf["reason"].as_str().unwrap_or_default() {
        "message" => format!("waits for message {}", text(&leaf["message"])),
        "task" if leaf["assignee"].is_string() => format!("task of {}", text(&leaf["assignee"])),
        "task" => "task, unclaimed".to_owned(),
        "timer" => "waits until its time".to_owned(),
        "job" => {
            let held = leaf["heldBy"].as_str().map(|host| format!(", held by {host}")).unwrap_or_default();
            format!("job, attempt {}, {} left{held}", leaf["attempt"], leaf["retries"])
        }
        "incident" => format!("INCIDENT {}: {}", text(&leaf["code"]), text(&leaf["message"])),
        "join" => format!("waits at a join for {}", text(&leaf["missing"])),
        other => other.to_owned(),
    }
}

pub(crate) async fn instance(client: &Client, wanted: &str, json: bool) -> anyhow::Result<()> {
    let id = find(client, wanted).await?;
    let path = encode(&id);
    let history = client.get(&format!("/engine-rest/history/process-instance/{path}"), &[]).await?;
    let ledger = client.get(&format!("/api/v1/process-instances/{path}/ledger"), &[]).await?;
    let activities = client
        .get(
            "/engine-rest/history/activity-instance",
            &[("processInstanceId", id.clone()), ("sortBy", "startTime".into()), ("sortOrder", "asc".into())],
        )
        .await?;
    let business_key = history["businessKey"].as_str().map(str::to_owned);
    let mut standing = Vec::new();
    if history["endTime"].is_null() {
        standing = leaves(client, None, business_key, false).await?;
        standing.retain(|leaf| leaf["processInstanceId"] == id.as_str());
    }
    let incidents = client.get("/engine-rest/incident", &[("processInstanceId", id.clone())]).await?;
    if json {
        println!(
            "{:#}",
            json!({ "instance": history, "waiting": standing, "activities": activities, "ledger": ledger, "incidents": incidents })
        );
        return Ok(());
    }
    println!("instance    {id}");
    println!("definition  {}", text(&history["processDefinitionId"]));
    println!("business key {}", text(&history["businessKey"]));
    println!("state       {}", text(&history["state"]));
    section("Waiting");
    for leaf in &standing {
        println!("{}  {}", text(&leaf["activityId"]), reason(leaf));
    }
    section("Activities");
    print(
        &activities,
        &[
            ("ACTIVITY", "activityId"),
            ("TYPE", "activityType"),
            ("STARTED", "startTime"),
            ("ENDED", "endTime"),
            ("DELEGATE", "delegateDigest"),
        ],
    );
    section("Ledger");
    print(&ledger, &[("COMMAND", "command"), ("STATE", "state"), ("ATTEMPT", "attempt"), ("CODE", "code"), ("KEY", "key")]);
    section("Incidents");
    print(&incidents, &[("ID", "id"), ("ACTIVITY", "activityId"), ("CODE", "code"), ("MESSAGE", "incidentMessage")]);
    Ok(())
}

fn section(name: &str) {
    println!("\n{name}");
}

/// An instance by its id or by its business key.
async fn find(client: &Client, wanted: &str) -> anyhow::Result<String> {
    let by_key = [("processInstanceBusinessKey", wanted.to_owned()), ("maxResults", "2".to_owned())];
    let found = client.get("/engine-rest/history/process-instance", &by_key).await?;
    match found.as_array().map(Vec::as_slice) {
        Some([only]) => Ok(text(&only["id"])),
        Some([_, _, ..]) => {
            bail!("several instances have the business key '{wanted}': name one by its id (see `mandate list -b {wanted}`)")
        }
        _ => Ok(wanted.to_owned()),
    }
}

pub(crate) async fn retry(client: &Client, id: &str, retries: u32) -> anyhow::Result<()> {
    let jobs: Vec<String> = if id.contains('.') {
        vec![id.to_owned()]
    } else {
        let failed = client.get("/engine-rest/job", &[("processInstanceId", id.to_owned()), ("noRetriesLeft", "true".into())]).await?;
        failed.as_array().into_iter().flatten().map(|job| text(&job["id"])).collect()
    };
    ensure!(!jobs.is_empty(), "instance {id} has no job without retries");
    for job in jobs {
        let path = format!("/engine-rest/job/{}/retries", encode(&job));
        client.send(client.request(Method::PUT, &path).json(&json!({ "retries": retries }))).await?;
        println!("job {job} has {retries} more attempt(s)");
    }
    Ok(())
}

pub(crate) async fn delegates(client: &Client, json: bool) -> anyhow::Result<()> {
    let delegates = client.get("/api/v1/delegates", &[]).await?;
    if json {
        println!("{delegates:#}");
        return Ok(());
    }
    print(&delegates, &[("NAME", "name"), ("VERSION", "version"), ("DIGEST", "digest"), ("BOUND BY", "boundBy")]);
    Ok(())
}

fn print(list: &Value, columns: &[(&str, &str)]) {
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let rows: Vec<Vec<String>> =
        list.as_array().into_iter().flatten().map(|item| columns.iter().map(|(_, field)| text(&item[*field])).collect()).collect();
    table::print(&heads, &rows);
}

/// Milliseconds since 1970 as a date in UTC.
fn moment(value: &Value) -> String {
    let Some(ms) = value.as_i64() else { return String::new() };
    jiff::Timestamp::from_millisecond(ms).map(|moment| moment.to_string()).unwrap_or_default()
}
