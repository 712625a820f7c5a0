//! The commands that start instances and show where they stand.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::bundle::text;
use crate::client::{Client, encode, is_missing};
use crate::table::{self, say};
use crate::verdict;

/// Incidents of no instance that `mandate waiting` lists, as many as a host lists at once: there are as many as start events, and not as
/// instances.
const MAX_OF_STARTS: u32 = 10_000;

/// What `mandate start` was told.
pub(crate) struct Start {
    pub(crate) key: String,
    pub(crate) business_key: Option<String>,
    pub(crate) variables: Vec<String>,
    pub(crate) at: Option<String>,
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
    let mut body = json!({ "businessKey": start.business_key, "variables": variables });
    if let Some(at) = start.at {
        body["startInstructions"] = json!([{ "type": "startBeforeActivity", "activityId": at }]);
    }
    let mut request = client.request(Method::POST, &path).json(&body);
    if let Some(key) = start.idempotency_key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = client.send(request).await?;
    if json {
        say!("{answer:#}");
    } else {
        say!("{}", text(&answer["id"]));
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
    query.extend(key.clone().map(|key| ("processDefinitionKey", key)));
    query.extend(business_key.clone().map(|key| ("businessKey", key)));
    if incidents {
        query.push(("withIncident", "true".to_owned()));
    }
    let instances = client.get("/engine-rest/process-instance", &query).await?;
    let of_starts = if incidents { of_starts(client, key, business_key, max).await? } else { Vec::new() };
    if json {
        let listed = if incidents { json!({ "instances": instances, "incidentsOfNoInstance": of_starts }) } else { instances };
        say!("{listed:#}");
        return Ok(());
    }
    print(&instances, &[("ID", "id"), ("BUSINESS KEY", "businessKey"), ("DEFINITION", "definitionId"), ("SUSPENDED", "suspended")]);
    if !of_starts.is_empty() {
        section("Of no instance: what could not start one");
        let columns = [("JOB", "configuration"), ("DEFINITION", "processDefinitionId"), ("START EVENT", "activityId")];
        print(&of_starts.into(), &[&columns[..], &[("CODE", "code"), ("MESSAGE", "incidentMessage")]].concat());
    }
    Ok(())
}

/// Incidents of no instance, up to `max`: of what was to start one. Who asks for a business key asks for instances.
async fn of_starts(client: &Client, key: Option<String>, business_key: Option<String>, max: u32) -> anyhow::Result<Vec<Value>> {
    if business_key.is_some() {
        return Ok(Vec::new());
    }
    let mut query = vec![("withoutProcessInstance", "true".to_owned()), ("maxResults", max.to_string())];
    query.extend(key.map(|key| ("processDefinitionKeyIn", key)));
    let found = client.get("/engine-rest/incident", &query).await?;
    // A host that does not know the filter tells of all incidents.
    Ok(found.as_array().into_iter().flatten().filter(|it| it["processInstanceId"].is_null()).cloned().collect())
}

pub(crate) async fn waiting(
    client: &Client,
    key: Option<String>,
    business_key: Option<String>,
    overdue: bool,
    json: bool,
) -> anyhow::Result<()> {
    let asked =
        [("processDefinitionKey", key.clone()), ("businessKey", business_key.clone()), ("overdue", overdue.then(|| "true".to_owned()))];
    let asked: Vec<_> = asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut leaves = leaves(client, &asked).await?;
    // An incident is not overdue.
    if !overdue {
        leaves.extend(of_starts(client, key, business_key, MAX_OF_STARTS).await?.iter().map(leaf_of_start));
    }
    if json {
        say!("{:#}", Value::from(leaves));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = leaves.iter().map(leaf_row).collect();
    table::print(&["INSTANCE", "BUSINESS KEY", "PROCESS", "ACTIVITY", "REASON", "SINCE", "UNTIL"], &rows);
    Ok(())
}

/// Where instances stand, of all pages.
async fn leaves(client: &Client, asked: &[(&str, String)]) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = asked.to_vec();
        query.extend(after.take().map(|after| ("after", after)));
        let page = client.get("/api/v1/waiting", &query).await?;
        all.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(all),
        }
    }
}

/// What could not start an instance, as a leaf of one.
fn leaf_of_start(incident: &Value) -> Value {
    // `key:version:unique`; a key has no colon.
    let definition = text(&incident["processDefinitionId"]);
    let mut parts = definition.split(':');
    let (key, version) = (parts.next(), parts.next().and_then(|version| version.parse::<i64>().ok()));
    let since = text(&incident["incidentTimestamp"]).parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).ok();
    json!({
        "processInstanceId": null, "businessKey": null, "tenantId": incident["tenantId"], "processDefinitionKey": key,
        "processDefinitionVersion": version, "activityInstanceId": null, "activityId": incident["activityId"], "since": since, "until": null,
        "reason": "incident", "id": incident["id"], "code": incident["code"], "message": incident["incidentMessage"],
    })
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
        "message" => {
            let key = leaf["correlationKey"].as_str().map(|key| format!(" under '{key}'")).unwrap_or_default();
            format!("waits for message {}{key}", text(&leaf["message"]))
        }
        "signalling" => "waits to be signalled".to_owned(),
        "signal" => format!("waits for signal {}", text(&leaf["signal"])),
        "condition" => "waits until its condition holds".to_owned(),
        "task" if leaf["assignee"].is_string() => format!("task of {}", text(&leaf["assignee"])),
        "task" => "task, unclaimed".to_owned(),
        "external-task" => format!("waits for a worker of topic '{}'", text(&leaf["topic"])),
        "called-instance" => format!("waits for the called instance {} of '{}'", text(&leaf["id"]), text(&leaf["process"])),
        "timer" => "waits until its time".to_owned(),
        "job" => {
            let held = leaf["heldBy"].as_str().map(|host| format!(", held by {host}")).unwrap_or_default();
            format!("job, attempt {}, {} left{held}", leaf["attempt"], leaf["retries"])
        }
        "incident" => format!("INCIDENT {}: {}", text(&leaf["code"]), text(&leaf["message"])),
        "events" => format!("waits for the first of {}", joined(&leaf["events"])),
        "join" => format!("waits at a join for {}", joined(&leaf["missing"])),
        "unreadable" => format!("UNREADABLE: {}; {}", text(&leaf["message"]), text(&leaf["help"])),
        other => other.to_owned(),
    }
}

pub(crate) async fn instance(client: &Client, wanted: &str, json: bool) -> anyhow::Result<()> {
    let id = find(client, wanted).await?;
    let path = encode(&id);
    let (instance, has_history) = record(client, &path.to_string()).await?;
    let ledger = client.all(&format!("/api/v1/process-instances/{path}/ledger"), &[]).await?;
    let by_start = [("processInstanceId", id.clone()), ("sortBy", "startTime".into()), ("sortOrder", "asc".into())];
    let activities = client.all("/engine-rest/history/activity-instance", &by_start).await?;
    let lives = instance["endTime"].is_null();
    let standing = if lives { leaves(client, &[("processInstanceId", id.clone())]).await? } else { Vec::new() };
    let variables = if lives { variables(client, &path.to_string()).await? } else { Value::Null };
    let incidents = incidents(client, &id).await?;
    if json {
        say!(
            "{:#}",
            json!({
                "instance": instance, "waiting": standing, "variables": variables, "activities": activities, "ledger": ledger,
                "incidents": incidents
            })
        );
        return Ok(());
    }
    say!("instance    {id}");
    say!("definition  {}", said(&instance["processDefinitionId"]));
    say!("key         {}", said(&instance["businessKey"]));
    say!("state       {}", said(&instance["state"]));
    if !standing.is_empty() {
        section("Waiting");
        let row =
            |leaf: &Value| vec![text(&leaf["activityId"]), text(&leaf["id"]), reason(leaf), moment(&leaf["since"]), moment(&leaf["until"])];
        table::print(&["ACTIVITY", "ID", "REASON", "SINCE", "UNTIL"], &standing.iter().map(row).collect::<Vec<_>>());
    }
    if let Some(variables) = variables.as_object().filter(|variables| !variables.is_empty()) {
        section("Variables");
        let row = |(name, variable): (&String, &Value)| {
            vec![name.clone(), text(&variable["type"]), table::beginning(&text(&variable["value"])).into_owned()]
        };
        table::print(&["NAME", "TYPE", "VALUE"], &variables.iter().map(row).collect::<Vec<_>>());
    }
    section("Activities");
    if has_history {
        table::print(&["ACTIVITY", "TYPE", "STARTED", "ENDED", "ATTEMPT", "DELEGATE"], &activity_rows(&activities));
    } else {
        say!("no history is kept of it");
    }
    if ledger.as_array().is_some_and(|rows| !rows.is_empty()) {
        section("Ledger");
        print(&ledger, &[("COMMAND", "command"), ("STATE", "state"), ("ATTEMPT", "attempt"), ("CODE", "code"), ("KEY", "key")]);
        print_verdicts(&ledger);
    }
    for incident in &incidents {
        print_incident(incident);
    }
    Ok(())
}

/// An instance as history has it, or, where no history is kept, in the same words as it stands; and which of the two it is.
async fn record(client: &Client, path: &str) -> anyhow::Result<(Value, bool)> {
    match client.get(&format!("/engine-rest/history/process-instance/{path}"), &[]).await {
        Err(error) if is_missing(&error) => {
            let mut instance = client.get(&format!("/engine-rest/process-instance/{path}"), &[]).await?;
            let state = if instance["suspended"] == true { "SUSPENDED" } else { "ACTIVE" };
            if let Some(fields) = instance.as_object_mut() {
                for (name, of_history) in [("definitionId", "processDefinitionId"), ("definitionKey", "processDefinitionKey")] {
                    let value = fields.remove(name).unwrap_or_default();
                    fields.insert(of_history.to_owned(), value);
                }
                fields.insert("state".to_owned(), state.into());
            }
            Ok((instance, false))
        }
        found => Ok((found?, true)),
    }
}

/// The variables of an instance that lives, by name; none of one that has ended meanwhile.
async fn variables(client: &Client, path: &str) -> anyhow::Result<Value> {
    let instance = format!("/engine-rest/process-instance/{path}");
    match client.get(&format!("{instance}/variables"), &[("deserializeValues", "false".to_owned())]).await {
        // Camunda has no 404 for the variables of an instance that is not there.
        Err(error) => match client.get(&instance, &[]).await {
            Err(gone) if is_missing(&gone) => Ok(Value::Null),
            _ => Err(error),
        },
        found => found,
    }
}

/// Activities in the order in which they started, each indented by the scopes around it.
fn activity_rows(activities: &Value) -> Vec<Vec<String>> {
    let listed: Vec<&Value> = activities.as_array().into_iter().flatten().collect();
    let parents: HashMap<&str, &str> =
        listed.iter().filter_map(|one| Some((one["id"].as_str()?, one["parentActivityInstanceId"].as_str()?))).collect();
    let depth = |id: &str| std::iter::successors(parents.get(id), |id| parents.get(**id)).filter(|id| parents.contains_key(**id)).count();
    let row = |one: &Value| {
        let delegate = match (one["delegateName"].as_str(), one["delegateDigest"].as_str()) {
            (Some(name), Some(digest)) => format!("{name} {}", digest.chars().take(12).collect::<String>()),
            _ => String::new(),
        };
        let indent = "  ".repeat(depth(one["id"].as_str().unwrap_or_default()));
        let activity = format!("{indent}{}", text(&one["activityId"]));
        vec![activity, text(&one["activityType"]), text(&one["startTime"]), text(&one["endTime"]), text(&one["delegateAttempt"]), delegate]
    };
    listed.into_iter().map(row).collect()
}

/// What people have said of attempts, and of which somebody should.
fn print_verdicts(ledger: &Value) {
    let given: Vec<&Value> = ledger.as_array().into_iter().flatten().filter(|row| row["verdict"].is_object()).collect();
    if !given.is_empty() {
        section("Verdicts");
    }
    for row in given {
        let verdict = &row["verdict"];
        let (by, at, reason) = (said(&verdict["by"]), said(&verdict["at"]), said(&verdict["reason"]));
        let finding = if row["state"] == "applied" { "applied" } else { "not applied" };
        say!("{} attempt {}: {finding}, says {by} at {at}: {reason}", said(&row["command"]), row["attempt"]);
    }
    let wanted = verdict::wanted(ledger);
    if !wanted.is_empty() {
        section("Unknown: if nothing else settles it, ask the domain service, say so, and retry");
    }
    for words in wanted {
        say!("{words}");
    }
}

/// All that an operator needs to decide.
fn print_incident(incident: &Value) {
    section(&format!("Incident {}", said(&incident["id"])));
    let commands = |name: &str| {
        let listed = incident[name].as_array().into_iter().flatten();
        let each = listed.map(|one| format!("{} (attempt {}, key {})", text(&one["command"]), one["attempt"], text(&one["key"])));
        each.collect::<Vec<_>>().join(", ")
    };
    let configured = if incident["incidentType"] == "failedExternalTask" { "task" } else { "job" };
    let lines = [
        (configured, text(&incident["configuration"])),
        ("activity", text(&incident["activityId"])),
        ("failed", text(&incident["failedActivityId"])),
        ("code", text(&incident["code"])),
        ("message", text(&incident["message"])),
        ("attempt", text(&incident["attempt"])),
        ("delegate", text(&incident["delegate"])),
        ("applied", commands("commandsApplied")),
        ("unknown", commands("commandsUnknown")),
        ("retry", text(&incident["retry"])),
        ("next", text(&incident["next"])),
        ("see", text(&incident["documentation"])),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        say!("{name:<11} {}", table::one_line(value));
    }
}

/// The open incidents of an instance with their details; one that was resolved meanwhile is left out.
async fn incidents(client: &Client, instance: &str) -> anyhow::Result<Vec<Value>> {
    let of_instance = [("processInstanceId", instance.to_owned()), ("sortBy", "incidentId".into()), ("sortOrder", "asc".into())];
    let open = client.all("/engine-rest/incident", &of_instance).await?;
    let mut detailed = Vec::new();
    for incident in open.as_array().into_iter().flatten() {
        let id = text(&incident["id"]);
        let detail = match client.get(&format!("/api/v1/incidents/{}", encode(&id)), &[]).await {
            Err(error) if is_missing(&error) => continue,
            detail => detail.with_context(|| format!("read incident {id}"))?,
        };
        let Value::Object(mut detail) = detail else { bail!("the host's answer about incident {id} is no object") };
        for name in ["id", "incidentTimestamp", "incidentType"] {
            detail.insert(name.to_owned(), incident[name].clone());
        }
        let configuration = root(client, incident).await?["configuration"].take();
        detail.insert("configuration".to_owned(), configuration);
        detailed.push(Value::Object(detail));
    }
    Ok(detailed)
}

/// The incident that one is because of: its own, or that of an instance which was called. The latter has the job or external task.
pub(crate) async fn root(client: &Client, incident: &Value) -> anyhow::Result<Value> {
    let Some(root) = incident["rootCauseIncidentId"].as_str().filter(|root| incident["id"] != **root) else {
        return Ok(incident.clone());
    };
    match client.get(&format!("/engine-rest/incident/{}", encode(root)), &[]).await {
        // Resolved meanwhile, and this one with it.
        Err(error) if is_missing(&error) => Ok(incident.clone()),
        found => found,
    }
}

fn section(name: &str) {
    say!("\n{name}");
}

/// An instance by its id or by its business key. One that lives goes before those that have ended, of which a key has many where it is
/// used again.
pub(crate) async fn find(client: &Client, wanted: &str) -> anyhow::Result<String> {
    // It may be the business key of others, too: a called instance may have that of its caller's id.
    if is_id(wanted) && is_known(client, wanted).await? {
        return Ok(wanted.to_owned());
    }
    for (list, name) in [("process-instance", "businessKey"), ("history/process-instance", "processInstanceBusinessKey")] {
        let asked = [(name, wanted.to_owned()), ("maxResults", "10".to_owned())];
        let found = client.get(&format!("/engine-rest/{list}"), &asked).await?;
        match found.as_array().map(Vec::as_slice) {
            Some([only]) => return Ok(text(&only["id"])),
            Some(several @ [_, _, ..]) => {
                let ids: Vec<String> = several.iter().map(|it| text(&it["id"])).collect();
                bail!("several instances have the business key '{wanted}', such as {}: name one by its id", ids.join(", "))
            }
            _ => {}
        }
    }
    // What belongs to an instance has its id, a dot and a number.
    let of = wanted.split_once('.').filter(|(_, number)| number.parse::<u64>().is_ok()).map(|(instance, _)| instance);
    let hint = of.map(|instance| format!("; if it is a job, a task or an incident, show its instance: {instance}")).unwrap_or_default();
    bail!(
        "'{wanted}' is no process instance's id and nobody's business key: `mandate list` and `mandate waiting` have those of running instances{hint}"
    )
}

pub(crate) async fn delegates(client: &Client, json: bool) -> anyhow::Result<()> {
    let delegates = client.get("/api/v1/delegates", &[]).await?;
    if json {
        say!("{delegates:#}");
        return Ok(());
    }
    // One that several deployments brought is listed by the host once for each.
    let rows: BTreeSet<Vec<String>> = delegates.as_array().into_iter().flatten().map(delegate_row).collect();
    table::print(&["NAME", "VERSION", "TENANT", "DIGEST", "BOUND BY"], &rows.into_iter().collect::<Vec<_>>());
    Ok(())
}

fn delegate_row(delegate: &Value) -> Vec<String> {
    let field = |name: &str| text(&delegate[name]);
    let digest = field("digest").chars().take(12).collect();
    vec![field("name"), field("version"), field("tenantId"), digest, joined(&delegate["boundBy"])]
}

/// A text of others, to be said within a line.
fn said(value: &Value) -> String {
    table::one_line(&text(value)).into_owned()
}

/// A list of texts as people write one.
fn joined(list: &Value) -> String {
    list.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
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
    jiff::Timestamp::from_millisecond(ms).map(|moment| format!("{moment:.3}")).unwrap_or_default()
}

/// Whether a text looks like an instance's id, which is a UUID.
fn is_id(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// Whether there is an instance with this id, or was one.
async fn is_known(client: &Client, id: &str) -> anyhow::Result<bool> {
    for list in ["process-instance", "history/process-instance"] {
        match client.get(&format!("/engine-rest/{list}/{}", encode(id)), &[]).await {
            Err(error) if is_missing(&error) => {}
            found => return found.map(|_| true),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// A host that lists an incident, and answers so when it is asked for it.
    fn host(status: &'static str) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let is_list = lines.next().unwrap_or_default().contains("/engine-rest/incident?");
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let (status, body) = if is_list { ("200 OK", r#"[{"id": "i.1"}]"#) } else { (status, r#"{"message": "so it is"}"#) };
                let length = body.len();
                let _ = write!(&stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
            }
        });
        Client::new(&address).expect("a client")
    }

    #[tokio::test]
    async fn an_incident_is_left_out_if_it_is_gone_and_not_if_it_cannot_be_read() {
        assert_eq!(incidents(&host("404 Not Found"), "i").await.expect("it is gone").len(), 0);
        assert_eq!(incidents(&host("200 OK"), "i").await.expect("read").len(), 1);
        let error = format!("{:#}", incidents(&host("503 Service Unavailable"), "i").await.expect_err("it cannot be read"));
        assert!(error.contains("incident i.1") && error.contains("so it is"), "{error}");
    }
}
