//! Rows of a stream, as they pass.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking};
use utoipa::ToSchema;

use super::{
    Server,
    caller::Part,
    problem::Problem,
    stream::{self, Lines},
};
use crate::{
    format::rows_to_json,
    scheduler::{Passed, Permit, Tap},
};

/// Rows that become text at once: a core is held no longer.
const PAGE: usize = 500;

/// A row that has passed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TappedRow {
    /// The batch, in milliseconds since the epoch.
    pub batch: i64,
    /// The partition.
    pub partition: usize,
    /// The row, as queues and `json-files` have it.
    pub row: Value,
}

/// So many rows are lost here.
#[derive(Debug, Serialize)]
struct Lost {
    lost: u64,
}

/// Rows of a stream as they pass, one JSON object a line, until the topology stops. `{"lost": N}` stands where N rows are lost because they were not read in time; an empty line is sent now and then
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/topologies/{name}/streams/{part}/tap", params(("namespace" = String, Path), ("name" = String, Path), ("part" = String, Path, description = "A source, an operator, `NAME.rejected` or `NAME.snapshots`")),
    responses((status = 200, body = TappedRow, content_type = "application/x-ndjson"), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody), (status = 422, body = super::ProblemBody), (status = 429, body = super::ProblemBody)))]
pub(super) async fn tap(
    Part { of: it, part }: Part,
    State(server): State<Arc<Server>>,
) -> Result<Response, Problem> {
    let namespace = &it.owner.namespace;
    let place = server.streams.place(namespace);
    let tap = server.hosting.tap(namespace, &it.name, &part)?;
    let tapping = Tapping {
        tap: Arc::new(tap),
        working: None,
    };
    let (place, id) = (place?, it.owner.id);
    let is_known = move || server.tokens.holds(&id);
    Ok(stream::follow(tapping, place, is_known))
}

/// Somebody who reads what passes.
struct Tapping {
    tap: Arc<Tap>,
    /// Rows that were taken and become text.
    working: Option<JoinHandle<Vec<u8>>>,
}

impl Lines for Tapping {
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut news = self.tap.news();
        loop {
            if let Some(working) = &mut self.working {
                let bytes = working.await.unwrap_or_default();
                self.working = None;
                return Some(bytes);
            }
            let seen = *news.borrow_and_update();
            match self.tap.take() {
                Some(Passed::Lost(lost)) => {
                    let mut bytes = Vec::new();
                    stream::write(&Lost { lost }, &mut bytes);
                    return Some(bytes);
                }
                Some(rows) => self.working = Some(self.text(rows)),
                None if seen == u64::MAX => return None,
                // The sender lives in the tap, so there is no error.
                None => news.changed().await.ok()?,
            }
        }
    }
}

impl Tapping {
    /// Rows as text: work of the tenant's, on the tenant's share of the cores.
    fn text(&self, passed: Passed) -> JoinHandle<Vec<u8>> {
        let tap = self.tap.clone();
        spawn_blocking(move || {
            let Passed::Rows {
                time,
                partition,
                rows,
            } = passed
            else {
                return Vec::new();
            };
            let batch = time.as_millis();
            let pages = (0..rows.num_rows()).step_by(PAGE);
            let tasks = pages.map(|at| {
                let rows = rows.slice(at, PAGE.min(rows.num_rows() - at));
                let schema = tap.schema().clone();
                move |_: &Arc<Permit>| {
                    let mut bytes = Vec::new();
                    // The rows are of these columns, as all of the stream are.
                    for row in rows_to_json(&rows, &schema).unwrap_or_default() {
                        let row = TappedRow {
                            batch,
                            partition,
                            row,
                        };
                        stream::write(&row, &mut bytes);
                    }
                    bytes
                }
            });
            let made = tap.tenant().run(tasks.collect());
            made.into_iter().flatten().flatten().collect()
        })
    }
}
