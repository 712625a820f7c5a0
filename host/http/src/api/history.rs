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

pub(super) fn router() -> Router<App> {
    Router::new().route("/history/export", get(export))
}

/// `application/x-ndjson`: a line for every ended instance, in the order of their ids, which is that of their starts. The filters are those
/// of `/history/process-instance` of Camunda. What ends or is removed meanwhile may be among them or not. An answer that breaks off has
/// lost the database.
async fn export(State(app): State<App>, Params(mut params): Params) -> Result<Response, Error> {
    let filter = history_filter(&mut params)?;
    params.finish_own()?;
    check_history_filter(&app, &filter)?;
    let mut cursor = Cursor { reads: app.runtime.reads(), filter, after: None, ids: VecDeque::new(), record: None };
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
    /// Which of them is being sent.
    record: Option<RecordReader>,
}

impl Cursor {
    async fn look(&mut self) -> Result<(), StoreError> {
        self.ids = self.reads.finished_instances(self.filter.clone(), self.after, PAGE).await?.into();
        self.after = self.ids.back().copied().or(self.after);
        Ok(())
    }

    /// The next part of a line, or its end.
    async fn next(&mut self) -> Result<Option<String>, StoreError> {
        loop {
            if let Some(record) = &mut self.record {
                if let Some(part) = record.next().await? {
                    return Ok(Some(record::history_line(&record.instance, &part)));
                }
                self.record = None;
                return Ok(Some("\n".to_owned()));
            }
            if self.ids.is_empty() {
                self.look().await?;
            }
            let Some(id) = self.ids.pop_front() else { return Ok(None) };
            // One that is not there any more was removed since it was found.
            self.record = self.reads.instance_record(id).await?;
        }
    }
}
