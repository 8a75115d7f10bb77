//! What was logged about a topology.

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::{
    Server,
    caller::Named,
    problem::Problem,
    query::Asked,
    stream::{self, Lines},
};
use crate::telemetry::{LogLine, LogLines, TopologyLog};

/// Lines that are encoded at once.
const PAGE: usize = 100;

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only the last so many of those that are kept.
    lines: Option<u64>,
    /// Go on with those that come.
    #[serde(default)]
    follow: bool,
}

/// So many lines are lost here.
#[derive(Debug, Serialize)]
struct Dropped {
    dropped: u64,
}

/// The last lines about a topology, what its plugins say among them, one JSON object a line. `{"dropped": N}` stands where N lines are lost; with `follow` an empty line is sent now and then
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/topologies/{name}/logs", params(("namespace" = String, Path), ("name" = String, Path), Which),
    responses((status = 200, body = LogLine, content_type = "application/x-ndjson"), (status = 400, body = super::ProblemBody), (status = 404, body = super::ProblemBody), (status = 429, body = super::ProblemBody)))]
pub(super) async fn logs(
    it: Named,
    Asked(which): Asked<Which>,
    State(server): State<Arc<Server>>,
) -> Result<Response, Problem> {
    let log = server.hosting.log(&it.owner.namespace, &it.name)?;
    let count = log.count();
    // Of what one does not ask for nothing is lost.
    let first = match which.lines {
        Some(lines) => count.saturating_sub(lines).max(log.first()),
        None => 0,
    };
    if which.follow {
        let place = server.streams.place(&it.owner.namespace)?;
        let is_known = move || server.tokens.holds(&it.owner.id);
        let following = Following { log, next: first };
        return Ok(stream::follow(following, place, is_known));
    }
    let most = usize::try_from(count.saturating_sub(first)).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    encode(&log.from(first, most), &mut bytes);
    Ok(stream::ndjson(Body::from(bytes)))
}

fn encode(found: &LogLines, to: &mut Vec<u8>) {
    let dropped = found.dropped;
    if dropped > 0 {
        stream::write(&Dropped { dropped }, to);
    }
    for line in &found.lines {
        stream::write(line, to);
    }
}

/// A reader of the log.
struct Following {
    log: Arc<TopologyLog>,
    next: u64,
}

impl Lines for Following {
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut news = self.log.news();
        loop {
            let found = self.log.from(self.next, PAGE);
            if let Some(last) = found.lines.last() {
                self.next = last.number + 1;
                let mut bytes = Vec::new();
                encode(&found, &mut bytes);
                return Some(bytes);
            }
            // The sender lives in the log, so there is no error.
            let next = *news.wait_for(|next| *next > self.next).await.ok()?;
            if next == u64::MAX {
                return None;
            }
        }
    }
}
