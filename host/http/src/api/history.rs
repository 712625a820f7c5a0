//! Ended instances with everything that is known of them, as JSON lines.

use std::collections::VecDeque;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use mandate_runtime::query::{HistoryInstanceFilter, Reads, RecordReader};
use uuid::Uuid;

use crate::error::stored;
use crate::extract::Params;
use crate::rest::{check_history_filter, history_filter};
use crate::{App, Error, record};

/// Instances looked for at once; of these a part of one at a time is in memory.
const PAGE: u32 = 100;

/// Bytes of a line that are kept until it is whole: an instance that is removed before is left out.
const KEPT: usize = 1 << 20;

pub(super) fn router() -> Router<App> {
    Router::new().route("/history/export", get(export))
}

/// `application/x-ndjson`: a line for every ended instance, in the order of their ids, which is that of their starts. The filters are those
/// of `/history/process-instance` of Camunda. What ends or is removed meanwhile may be among them or not. An answer that breaks off has
/// lost the database, or an instance of more than [`KEPT`] was removed while it was sent.
async fn export(State(app): State<App>, Params(mut params): Params) -> Result<Response, Error> {
    let filter = history_filter(&mut params)?;
    params.finish_own()?;
    check_history_filter(&app, &filter)?;
    let mut cursor =
        Cursor { reads: app.runtime.reads(), filter, after: None, ids: VecDeque::new(), record: None, kept: String::new(), sent: false };
    // Asked before the answer begins, so that a database that does not answer is said with a status.
    stored(cursor.look().await)?;
    let lines =
        stream::try_unfold(cursor, |mut cursor| async move { Ok::<_, StoreError>(cursor.next().await?.map(|line| (line, cursor))) });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

type StoreError = mandate_runtime::StoreError;

/// How far an export has come.
struct Cursor {
    reads: Reads,
    filter: HistoryInstanceFilter,
    after: Option<Uuid>,
    /// Found and not yet sent.
    ids: VecDeque<Uuid>,
    /// Which of them is being read.
    record: Option<RecordReader>,
    /// What was read of it and not sent.
    kept: String,
    /// Something of it was sent.
    sent: bool,
}

impl Cursor {
    async fn look(&mut self) -> Result<(), StoreError> {
        self.ids = self.reads.finished_instances(self.filter.clone(), self.after, PAGE).await?.into();
        self.after = self.ids.back().copied().or(self.after);
        Ok(())
    }

    /// The next line, or a part of a long one.
    async fn next(&mut self) -> Result<Option<String>, StoreError> {
        loop {
            let Some(record) = &mut self.record else {
                if self.ids.is_empty() {
                    self.look().await?;
                }
                let Some(id) = self.ids.pop_front() else { return Ok(None) };
                // One that is not there any more was removed since it was found.
                self.record = self.reads.instance_record(id).await?;
                self.sent = false;
                continue;
            };
            match record.next().await {
                Ok(Some(part)) => {
                    self.kept.push_str(&record::history_line(&record.instance, &part));
                    if self.kept.len() <= KEPT {
                        continue;
                    }
                }
                Ok(None) => {
                    self.kept.push('\n');
                    self.record = None;
                }
                Err(StoreError::Removed(_)) if !self.sent => {
                    self.kept.clear();
                    self.record = None;
                    continue;
                }
                Err(error) => return Err(error),
            }
            self.sent = true;
            return Ok(Some(std::mem::take(&mut self.kept)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mandate_runtime::deploy::Upload;
    use mandate_runtime::{ClockSource, Config, DefinitionRef, Runtime, Start, StoreConfig, wasm};

    use super::*;

    const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="test">
  <bpmn:process id="p" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>"#;

    fn cursor(runtime: &Runtime) -> Cursor {
        let (filter, ids) = (HistoryInstanceFilter::default(), VecDeque::new());
        Cursor { reads: runtime.reads(), filter, after: None, ids, record: None, kept: String::new(), sent: false }
    }

    /// All that a cursor still answers, as far as it comes.
    async fn rest(mut cursor: Cursor) -> (String, Option<StoreError>) {
        let mut text = String::new();
        loop {
            match cursor.next().await {
                Ok(Some(part)) => text.push_str(&part),
                Ok(None) => return (text, None),
                Err(error) => return (text, Some(error)),
            }
        }
    }

    /// Nobody is told of a part of one; of one that is too long to be kept a part was sent.
    #[tokio::test]
    async fn an_instance_that_is_removed_while_it_is_exported_is_left_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = Config {
            store: StoreConfig::new(format!("sqlite:{}", folder.path().join("test.db").display())),
            sandbox: wasm::Config::new(folder.path().join("cache"), wasm::Compiler::InProcess),
            catalogue: None,
            execute_jobs: false,
            clock: ClockSource::System,
            history_cleanup: None,
        };
        let runtime = Runtime::open(config).await.expect("a runtime");
        let resources = vec![("p.bpmn".to_owned(), MODEL.as_bytes().to_vec())];
        runtime.deploy(Upload { resources, ..Upload::default() }).await.expect("deployed");
        let mut ids = Vec::new();
        for length in [1, 1, 20_000, 1] {
            // As a text of JSON it is much longer, and all are in one part of the record.
            let texts = mandate_runtime::engine::Variable::from_json(&serde_json::json!(vec![""; length]));
            let variables = (0..12).map(|n| (format!("v{n}"), texts.clone()));
            let start = Start {
                definition: DefinitionRef::Key { key: "p".to_owned(), tenant: None },
                business_key: None,
                variables: variables.collect(),
                idempotency_key: None,
                traceparent: None,
            };
            ids.push(runtime.start(start).await.expect("it starts").id);
        }
        let (whole, _) = rest(cursor(&runtime)).await;
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        assert_eq!(lines.len(), 4);

        let mut reads = cursor(&runtime);
        assert_eq!(reads.next().await.expect("read").as_deref(), Some(lines[0]));
        reads.record = reads.reads.instance_record(reads.ids.pop_front().expect("the second")).await.expect("read");
        reads.sent = false;
        let record = reads.record.as_mut().expect("it is there");
        let part = record.next().await.expect("read").expect("its activities");
        reads.kept = record::history_line(&record.instance, &part);
        runtime.delete_history(ids[1]).await.expect("deleted");
        assert_eq!(reads.next().await.expect("read").map(|part| part.len() > KEPT), Some(true), "the third, and not all of it");
        runtime.delete_history(ids[2]).await.expect("deleted");
        let (text, error) = rest(reads).await;
        assert!(matches!(error, Some(StoreError::Removed(of)) if of == ids[2].0), "{error:?}");
        assert!(!text.contains('\n'));
        assert_eq!(rest(cursor(&runtime)).await.0, [lines[0], lines[3]].concat());
        runtime.shut_down(Duration::from_secs(5)).await;
    }
}
