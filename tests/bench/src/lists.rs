//! How long the first page of each list takes over HTTP, as an operator's tool asks for it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::figures::{quantile, rounded};
use crate::host::Host;
use crate::http::Client;
use crate::window::Notes;

/// Rows of a page.
const PAGE: u32 = 50;

/// How often a list is asked for, after a first time that does not count. The median is told.
const TIMES: usize = 5;

/// What takes longer is asked for once.
const LONG: Duration = Duration::from_secs(1);

/// Lists of a database in which history is large; `{...}` is filled in from the database. Counts go with them: tools show how many pages
/// there are. `history/detail` is not among them: a host keeps changes of variables at the history level full, and is measured at audit.
const HISTORY: &[&str] = &[
    "history/process-instance",
    "history/process-instance?sortBy=startTime&sortOrder=desc",
    "history/process-instance?sortBy=endTime&sortOrder=desc",
    "history/process-instance?sortBy=duration&sortOrder=desc",
    "history/process-instance?sortBy=businessKey&sortOrder=asc",
    "history/process-instance?finished=true",
    "history/process-instance?finished=true&sortBy=endTime&sortOrder=desc",
    "history/process-instance?unfinished=true",
    "history/process-instance?completed=true&sortBy=startTime&sortOrder=desc",
    "history/process-instance?active=true",
    "history/process-instance?incidentStatus=open",
    "history/process-instance?processDefinitionKey={key}",
    "history/process-instance?processDefinitionKey={key}&sortBy=startTime&sortOrder=desc",
    "history/process-instance?processDefinitionId={definition}&sortBy=startTime&sortOrder=desc",
    "history/process-instance?processDefinitionId={definition}&finished=true&sortBy=endTime&sortOrder=desc",
    "history/process-instance?processDefinitionKey=nowhere",
    "history/process-instance?processInstanceBusinessKey={businessKey}",
    "history/process-instance?processInstanceBusinessKeyLike={businessKey}%25",
    "history/process-instance?startedAfter={started}",
    "history/process-instance?finishedAfter={started}",
    "history/process-instance?executedActivityIdIn=price",
    "history/process-instance?executedActivityIdIn=nowhere",
    "history/process-instance?withIncidents=true",
    "history/process-instance?incidentType=failedJob",
    "history/process-instance?variables=orderId_eq_order-17",
    "history/process-instance?variables=orderId_eq_nowhere",
    "history/process-instance/count",
    "history/process-instance/count?finished=true",
    "history/process-instance/count?processDefinitionKey={key}",
    "history/activity-instance",
    "history/activity-instance?sortBy=startTime&sortOrder=desc",
    "history/activity-instance?sortBy=endTime&sortOrder=desc",
    "history/activity-instance?processInstanceId={instance}",
    "history/activity-instance?processInstanceId={instance}&sortBy=startTime&sortOrder=asc",
    "history/activity-instance?activityId=price",
    "history/activity-instance?activityId=price&sortBy=startTime&sortOrder=desc",
    "history/activity-instance?activityId=price&finished=true&sortBy=endTime&sortOrder=desc",
    "history/activity-instance?activityId=nowhere",
    "history/activity-instance?activityType=serviceTask",
    "history/activity-instance?activityName=nowhere",
    "history/activity-instance?processDefinitionId={definition}",
    "history/activity-instance?processDefinitionId={definition}&activityId=price",
    "history/activity-instance?processDefinitionId={definition}&sortBy=startTime&sortOrder=desc",
    "history/activity-instance?finished=true&sortBy=endTime&sortOrder=desc",
    "history/activity-instance?unfinished=true",
    "history/activity-instance?canceled=true",
    "history/activity-instance?startedAfter={started}",
    "history/activity-instance/count",
    "history/activity-instance/count?activityId=price",
    "history/variable-instance",
    "history/variable-instance?variableName=orderId",
    "history/variable-instance?variableName=nowhere",
    "history/variable-instance?variableName=orderId&variableValue=order-17",
    "history/variable-instance?variableName=orderId&variableValue=nowhere",
    "history/variable-instance?processInstanceId={instance}",
    "history/variable-instance?sortBy=variableName&sortOrder=asc",
    "history/variable-instance/count",
    "history/task",
    "history/task?taskAssignee=anybody",
    "history/task?finished=true&sortBy=endTime&sortOrder=desc",
    "history/task/count",
    "history/incident",
    "history/incident?sortBy=createTime&sortOrder=desc",
    "history/incident?open=true",
    "history/incident?resolved=true",
    "history/incident?incidentType=failedJob",
    "history/incident?processDefinitionId={definition}",
    "history/incident/count",
    "history/user-operation",
    "history/user-operation?sortBy=timestamp&sortOrder=desc",
    "history/user-operation/count",
];

/// Lists of what lives. What begins with a slash is asked for as it is, page and all.
const LIVE: &[&str] = &[
    "process-instance",
    "process-instance?businessKey={businessKey}",
    "process-instance?businessKeyLike={businessKey}%25",
    "process-instance?sortBy=businessKey&sortOrder=asc",
    "process-instance?sortBy=definitionKey&sortOrder=asc",
    "process-instance?processDefinitionKey={key}",
    "process-instance?processDefinitionId={definition}",
    "process-instance?withIncident=true",
    "process-instance?incidentType=failedJob",
    "process-instance?active=true",
    "process-instance?suspended=true",
    "process-instance?activityIdIn=payment",
    "process-instance?activityIdIn=validate",
    "process-instance?activityIdIn=nowhere",
    "process-instance?variables=orderId_eq_order-17",
    "process-instance?variables=orderId_eq_nowhere",
    "process-instance/count",
    "process-instance/count?activityIdIn=payment",
    "history/process-instance?activityIdIn=payment",
    "history/process-instance?activeActivityIdIn=payment",
    "history/process-instance?activeActivityIdIn=nowhere",
    "job",
    "job?sortBy=jobDueDate&sortOrder=asc",
    "job?sortBy=jobRetries&sortOrder=asc",
    "job?processDefinitionKey={key}",
    "job?processDefinitionId={definition}",
    "job?processInstanceId={instance}",
    "job?withException=true",
    "job?noRetriesLeft=true",
    "job?executable=true",
    "job?timers=true",
    "job/count",
    "job/count?noRetriesLeft=true",
    "incident",
    "incident?sortBy=incidentTimestamp&sortOrder=desc",
    "incident?incidentType=failedJob",
    "incident?processDefinitionId={definition}",
    "incident?processInstanceId={instance}",
    "incident?activityId=validate",
    "incident/count",
    "task",
    "task?sortBy=created&sortOrder=desc",
    "task?assignee=anybody",
    "task/count",
    "process-definition",
    "process-definition?latestVersion=true",
    "process-definition/statistics?incidents=true&failedJobs=true",
    "process-definition/{definition}/statistics?incidents=true&failedJobs=true",
    "deployment",
    "deployment?sortBy=deploymentTime&sortOrder=desc",
    "variable-instance",
    "variable-instance?variableName=orderId",
    "variable-instance?variableName=nowhere",
    "variable-instance?variableValues=orderId_eq_order-17",
    "variable-instance?variableValues=orderId_eq_nowhere",
    "variable-instance?processInstanceIdIn={instance}",
    "variable-instance?sortBy=variableName&sortOrder=asc",
    "variable-instance/count",
    "execution",
    "execution?processInstanceId={instance}",
    "execution?processDefinitionKey={key}",
    "execution?activityId=payment",
    "execution?activityId=validate",
    "execution?activityId=nowhere",
    "execution?suspended=true",
    "execution?incidentType=failedJob",
    "execution?messageEventSubscriptionName=paid",
    "execution/count",
    "event-subscription",
    "event-subscription?eventType=message&eventName=paid",
    "event-subscription?eventName=nowhere",
    "event-subscription?activityId=payment",
    "event-subscription?activityId=nowhere",
    "event-subscription?processInstanceId={instance}",
    "event-subscription?sortBy=created&sortOrder=desc",
    "event-subscription/count",
    "external-task",
    "external-task?topicName=nowhere",
    "external-task?noRetriesLeft=true",
    "external-task?sortBy=taskPriority&sortOrder=desc",
    "external-task/count",
    "job-definition",
    "job-definition?processDefinitionKey={key}",
    "job-definition/count",
    "/api/v1/waiting?maxInstances=50",
    "/api/v1/waiting?maxInstances=50&overdue=true",
    "/api/v1/waiting?businessKey={businessKey}",
    "/api/v1/waiting?processInstanceId={instance}",
    "/api/v1/messages?maxResults=50",
];

/// Which lists, and the instance that those ask for which ask for one.
pub struct Lists {
    paths: Vec<&'static str>,
    business_key: String,
}

impl Lists {
    /// Of a database with much history.
    pub fn history(business_key: String) -> Self {
        Self { paths: [HISTORY, LIVE].concat(), business_key }
    }

    /// Of a database in which much waits.
    pub fn waiting(business_key: String) -> Self {
        Self { paths: LIVE.to_vec(), business_key }
    }
}

/// Asks a host for lists. Answers the milliseconds that each takes, by its path, and under `gauges` those of what `/metrics` asks the
/// store.
pub async fn ask(host: &Host, lists: &Lists) -> anyhow::Result<Value> {
    let served = host.serve().await?;
    let mut client = Client::connect(served.address).await?;
    let names = names(&mut client, &lists.business_key).await?;
    let mut took = Notes::new();
    for path in &lists.paths {
        let path = names.iter().fold((*path).to_owned(), |path, (name, value)| path.replace(name, value));
        let ms = time(&mut client, &path).await?;
        took.insert(path, Value::from(rounded(ms)));
    }
    drop(client);
    let begun = Instant::now();
    host.runtime.refresh_gauges().await?;
    took.insert("gauges".to_owned(), Value::from(rounded(begun.elapsed().as_secs_f64() * 1e3)));
    Ok(took.into())
}

/// What placeholders stand for: an instance with this business key.
async fn names(client: &mut Client, business_key: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let found = get(client, &format!("history/process-instance?processInstanceBusinessKey={business_key}")).await?;
    let found = found.get(0).with_context(|| format!("there is no instance with the business key {business_key}"))?;
    let text = |name: &str| found[name].as_str().map(str::to_owned).with_context(|| format!("an instance has its {name}"));
    Ok(vec![
        ("{instance}", text("id")?),
        ("{definition}", text("processDefinitionId")?),
        ("{key}", text("processDefinitionKey")?),
        ("{businessKey}", business_key.to_owned()),
        ("{started}", text("startTime")?.replace('+', "%2B")),
    ])
}

/// The median of some times, in milliseconds.
async fn time(client: &mut Client, path: &str) -> anyhow::Result<f64> {
    let mut took = Vec::new();
    for time in 0..=TIMES {
        let begun = Instant::now();
        get(client, path).await?;
        let elapsed = begun.elapsed();
        if time > 0 || elapsed > LONG {
            took.push(elapsed.as_secs_f64() * 1e3);
        }
        if elapsed > LONG {
            break;
        }
    }
    Ok(quantile(&mut took, 0.5))
}

async fn get(client: &mut Client, path: &str) -> anyhow::Result<Value> {
    let own = path.starts_with('/');
    let mut asked = if own { path.to_owned() } else { format!("/engine-rest/{path}") };
    if !own && !["/count", "/statistics"].iter().any(|whole| path.contains(whole)) {
        write!(asked, "{}maxResults={PAGE}", if path.contains('?') { '&' } else { '?' })?;
    }
    let (status, body) = client.get(&asked).await?;
    ensure!(status == 200, "{path} is answered by {status}: {body}");
    Ok(serde_json::from_str(&body)?)
}
