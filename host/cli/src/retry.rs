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

/// The job or external task with this id, or what the incident with this id is of.
async fn by_its_id(client: &Client, wanted: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    // Of what belongs to something, all ids have a dot.
    if !wanted.contains('.') {
        return Ok(Vec::new());
    }
    let incident = match client.get(&format!("/engine-rest/incident/{}", encode(wanted)), &[]).await {
        Err(error) if is_missing(&error) => None,
        found => found?["configuration"].as_str().map(str::to_owned),
    };
    let its_id = incident.unwrap_or_else(|| wanted.to_owned());
    let mut found = Vec::new();
    for (noun, by_id, _) in KINDS {
        found.extend(listed(client, noun, &[(by_id, its_id.clone())]).await?);
    }
    Ok(found)
}

/// All of an instance that has no retries left. Before the first is given any: who has some is not listed any more, nor who follows where
/// he was.
async fn of_instance(client: &Client, id: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    for (noun, _, sort) in KINDS {
        let asked = [("processInstanceId", id), ("noRetriesLeft", "true"), ("sortBy", sort), ("sortOrder", "asc")];
        found.extend(listed(client, noun, &asked.map(|(name, value)| (name, value.to_owned()))).await?);
    }
    Ok(found)
}

async fn listed(client: &Client, noun: &'static str, asked: &[(&str, String)]) -> anyhow::Result<Vec<(&'static str, String)>> {
    let found = client.all(&format!("/engine-rest/{noun}"), asked).await?;
    Ok(found.as_array().into_iter().flatten().map(|it: &Value| (noun, text(&it["id"]))).collect())
}
