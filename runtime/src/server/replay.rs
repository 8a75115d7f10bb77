//! A batch of a topology, once more.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Server,
    api::Answer,
    caller::Replacer,
    problem::Problem,
    upload::{self, PluginFile},
};
use crate::{
    hosting::{NextVersion, ReplayRequest},
    model::BatchTime,
    replay::ReplayAnswer,
};

/// Rows of a stream, if it is not said how many; and at most.
const USUAL: u64 = 100;
const MOST: u64 = 1_000;

/// Which batch is to be made once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReplayOf {
    /// Its time, in milliseconds since the epoch.
    pub batch: i64,
    /// Look at this stream instead of those of the sinks: `x`, `x.rejected` or `x.snapshots`.
    #[serde(default)]
    pub stream: Option<String>,
    /// Make it with these plugins, too, instead of those of the same names.
    #[serde(default)]
    pub plugins: Vec<PluginFile>,
    /// Show so many rows of each stream; 100 by default, 1,000 at most.
    #[serde(default)]
    pub rows: Option<u64>,
}

/// Make a batch that its checkpoint keeps once more
///
/// With other plugins it is made by both versions, and rows that only one of them has are told. No sink gets anything.
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/topologies/{name}/replay", params(("namespace" = String, Path), ("name" = String, Path)), request_body = ReplayOf,
    responses((status = 200, body = ReplayAnswer), (status = 400, body = super::ProblemBody), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody), (status = 422, body = super::ProblemBody), (status = 429, body = super::ProblemBody)))]
pub(super) async fn replay(
    Replacer { it, turn }: Replacer,
    State(server): State<Arc<Server>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<ReplayAnswer>> {
    let body = body.map_err(|rejected| Problem::new(rejected.status(), rejected.body_text()))?;
    let asked: ReplayOf = serde_json::from_slice(&body)
        .map_err(|error| upload::wrong(format!("the body names no batch: {error}")))?;
    let plugins = upload::plugins(asked.plugins)?;
    let other = (!plugins.is_empty()).then_some(NextVersion::Plugins {
        plugins,
        operator: None,
    });
    let rows = asked.rows.unwrap_or(USUAL).min(MOST);
    let request = ReplayRequest {
        batch: BatchTime::from_millis(asked.batch),
        stream: asked.stream,
        rows: usize::try_from(rows).unwrap_or(usize::MAX),
        other,
    };
    let place = server.gate.check().await;
    let replayed = tokio::task::spawn_blocking(move || {
        let _held = (turn, place);
        server
            .hosting
            .replay(&it.owner.namespace, &it.name, request)
    });
    let replayed = replayed.await.map_err(|_| Problem::bug())?;
    Ok(Json(replayed?))
}
