//! What operators remember.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Server, caller::Part, problem::Problem, query::Asked};
use crate::checkpoint::StateRows;

/// Rows of a page, if it is not said how many; and at most.
const USUAL: u64 = 100;
const MOST: u64 = 1_000;

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only that of this key: its text or JSON; of several columns a JSON list.
    key: Option<String>,
    /// The first row, counted from 0: `next` of the page before.
    #[serde(default)]
    from: u64,
    /// At most so many rows; 100 by default, 1,000 at most. A page may have fewer.
    limit: Option<u64>,
}

/// What an operator remembers, as it was last written down: after which batch is said
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/topologies/{name}/operators/{part}/state", params(("namespace" = String, Path), ("name" = String, Path), ("part" = String, Path, description = "An operator"), Which),
    responses((status = 200, body = StateRows), (status = 400, body = super::ProblemBody), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody), (status = 422, body = super::ProblemBody)))]
pub(super) async fn state(
    Part { of: it, part }: Part,
    Asked(which): Asked<Which>,
    State(server): State<Arc<Server>>,
) -> Result<Json<StateRows>, Problem> {
    let limit = which.limit.unwrap_or(USUAL).min(MOST);
    // All of a state is in memory while it is read: one at a time.
    let turn = server.readers.turn(&it.owner.namespace).await;
    let there = server.clone();
    let read = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let (namespace, page) = (&it.owner.namespace, (which.from, limit));
        there
            .hosting
            .state(namespace, &it.name, (part, which.key), page)
    });
    let read = read.await.map_err(|_| Problem::bug())?;
    Ok(Json(read?))
}
