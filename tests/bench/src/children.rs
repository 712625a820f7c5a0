//! What one of many costs that run at once in one instance: bytes of log for each, and that all of them end.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use mandate_runtime::engine::PublicId;
use serde_json::json;

use crate::database::Database;
use crate::host::{Host, variables};
use crate::http::Client;

/// As many parallel instances of a user task as the variable `children` says.
pub const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="bench"><process id="children" isExecutable="true">
  <startEvent id="s"/>
  <userTask id="each"><multiInstanceLoopCharacteristics><loopCardinality>= children</loopCardinality></multiInstanceLoopCharacteristics></userTask>
  <sequenceFlow id="f" sourceRef="s" targetRef="each"/>
</process></definitions>"#;

/// Starts so many instances of the model with so many children each, one after the other, and completes each child by an HTTP call of its
/// own. Answers how many bytes of log each child took, with what the database had put off when the last was done. Fails if an instance does
/// not end with its last child.
pub async fn bytes_of_each(host: &Host, database: &mut Database, instances: u32, children: u32) -> anyhow::Result<f64> {
    let served = host.serve().await?;
    let ended = host.ended();
    // When a checkpoint comes is the database's business; that each has its own is not.
    database.settle().await?;
    let before = database.logged().await?;
    for number in 0..instances {
        complete_all(host, served.address, &format!("{children}-{number}"), children).await?;
    }
    database.settle().await?;
    let bytes = database.logged().await? - before;
    ensure!(host.ended() == ended + u64::from(instances), "not all instances have ended");
    #[expect(clippy::cast_precision_loss, reason = "it is shown and compared roughly")]
    Ok(bytes as f64 / f64::from(instances * children))
}

async fn complete_all(host: &Host, address: SocketAddr, key: &str, children: u32) -> anyhow::Result<()> {
    let id = host.start(key.to_owned(), variables(&json!({ "children": children }))).await?.id;
    let view = host.runtime.instance(id).await?;
    let tasks: Vec<_> = view.instance.tasks().map(|task| PublicId { instance: id, number: task.wait.0 }).collect();
    ensure!(tasks.len() == children as usize, "{} of {children} children wait", tasks.len());
    let mut client = Client::connect(address).await.context("the host listens")?;
    for task in tasks {
        let (status, answer) = client.post(&format!("/engine-rest/task/{task}/complete"), "{}").await?;
        ensure!(status == 204, "complete is answered by {status}: {answer}");
    }
    Ok(())
}
