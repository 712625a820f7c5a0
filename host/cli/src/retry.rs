//! `mandate retry`.

use anyhow::ensure;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bundle::text;
use crate::client::{Client, encode, is_missing};
use crate::show;
use crate::table::say;

/// What can be given retries: its noun in paths, the filter by its id, and what lists of it are sorted by.
const KINDS: [(&str, &str, &str); 2] = [("job", "jobId", "jobId"), ("external-task", "externalTaskId", "id")];

/// A job or an external task: its noun in paths, and its id.
type Failed = (&'static str, String);

pub(crate) async fn retry(client: &Client, wanted: &str, retries: u32) -> anyhow::Result<()> {
    let mut failed = by_its_id(client, wanted).await?;
    if failed.is_empty() {
        let id = show::find(client, wanted).await?;
        failed = of_instance(client, &id).await?;
        ensure!(!failed.is_empty(), "no job and no external task of instance {id} has run out of retries: nothing of it waits for more");
    }
    for (noun, id) in failed {
        let path = format!("/engine-rest/{noun}/{}/retries", encode(&id));
        client.send(client.request(Method::PUT, &path).json(&json!({ "retries": retries }))).await?;
        say!("{noun} {id} has {retries} more attempt(s)");
    }
    Ok(())
}

/// The job or external task with this id, or that of the incident with it.
async fn by_its_id(client: &Client, wanted: &str) -> anyhow::Result<Vec<Failed>> {
    // Of what belongs to something, all ids have a dot.
    if !wanted.contains('.') {
        return Ok(Vec::new());
    }
    match client.get(&format!("/engine-rest/incident/{}", encode(wanted)), &[]).await {
        Err(error) if is_missing(&error) => with_id(client, wanted).await,
        found => {
            let failed = of_incident(client, &found?).await?;
            ensure!(
                !failed.is_empty(),
                "no job and no external task is to be tried again for the incident {wanted}: `mandate show` has more of it"
            );
            Ok(failed)
        }
    }
}

/// All of an instance that has no retries left, and what keeps it waiting of instances that it has called. Before the first is given any:
/// who has some is not listed any more, nor who follows where he was.
async fn of_instance(client: &Client, id: &str) -> anyhow::Result<Vec<Failed>> {
    let mut found = Vec::new();
    for (noun, _, sort) in KINDS {
        let asked = [("processInstanceId", id), ("noRetriesLeft", "true"), ("sortBy", sort), ("sortOrder", "asc")];
        found.extend(listed(client, noun, &asked).await?);
    }
    let asked = [("processInstanceId", id), ("sortBy", "incidentId"), ("sortOrder", "asc")];
    let incidents = client.all("/engine-rest/incident", &asked.map(|(name, value)| (name, value.to_owned()))).await?;
    for incident in incidents.as_array().into_iter().flatten().filter(|incident| incident["configuration"].is_null()) {
        found.extend(of_incident(client, incident).await?);
    }
    Ok(found)
}

/// What an incident is of; nothing of one that no job has, such as that of a join.
async fn of_incident(client: &Client, incident: &Value) -> anyhow::Result<Vec<Failed>> {
    match show::root(client, incident).await?["configuration"].as_str() {
        Some(configuration) => with_id(client, configuration).await,
        None => Ok(Vec::new()),
    }
}

async fn with_id(client: &Client, id: &str) -> anyhow::Result<Vec<Failed>> {
    let mut found = Vec::new();
    for (noun, by_id, _) in KINDS {
        found.extend(listed(client, noun, &[(by_id, id)]).await?);
    }
    Ok(found)
}

async fn listed(client: &Client, noun: &'static str, asked: &[(&str, &str)]) -> anyhow::Result<Vec<Failed>> {
    let asked: Vec<_> = asked.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let found = client.all(&format!("/engine-rest/{noun}"), &asked).await?;
    Ok(found.as_array().into_iter().flatten().map(|it| (noun, text(&it["id"]))).collect())
}
