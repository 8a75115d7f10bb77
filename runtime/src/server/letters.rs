//! Dead letters: rows on which functions failed.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Server, api::detached, caller::Named, problem::Problem, query::Asked};
use crate::checkpoint::ShownLetters;

/// Dead letters of a page, if it is not said how many; and at most.
const USUAL: u64 = 100;
const MOST: u64 = 1_000;

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those of this operator.
    operator: Option<String>,
    /// The first, counted from 0: `next` of the page before.
    #[serde(default)]
    from: u64,
    /// At most so many; 100 by default, 1,000 at most. A page may have fewer.
    limit: Option<u64>,
}

/// Whose dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// Only those of this operator.
    operator: Option<String>,
}

/// What was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedLetters {
    /// How many dead letters.
    pub dropped: u64,
}

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetriedLetters {
    /// How many dead letters the next batches take.
    pub retried: u64,
}

/// Rows on which functions failed, and why
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/topologies/{name}/dead-letters", params(("namespace" = String, Path), ("name" = String, Path), Which),
    responses((status = 200, body = ShownLetters), (status = 400, body = super::ProblemBody), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody)))]
pub(super) async fn show(
    it: Named,
    Asked(which): Asked<Which>,
    State(server): State<Arc<Server>>,
) -> Result<Json<ShownLetters>, Problem> {
    let page = (which.from, which.limit.unwrap_or(USUAL).min(MOST));
    // All of them are in memory while they are read: one at a time.
    let turn = server.readers.turn(&it.owner.namespace).await;
    let there = server.clone();
    let read = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let namespace = &it.owner.namespace;
        there
            .hosting
            .letters(namespace, &it.name, which.operator, page)
    });
    let read = read.await.map_err(|_| Problem::bug())?;
    Ok(Json(read?))
}

/// Remove dead letters
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}/topologies/{name}/dead-letters", params(("namespace" = String, Path), ("name" = String, Path), Whose),
    responses((status = 200, body = DroppedLetters), (status = 400, body = super::ProblemBody), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody)))]
pub(super) async fn forget(
    it: Named,
    Asked(whose): Asked<Whose>,
    State(server): State<Arc<Server>>,
) -> Result<Json<DroppedLetters>, Problem> {
    let turn = server.readers.turn(&it.owner.namespace).await;
    let going_on = detached(async move {
        let there = server.clone();
        let (namespace, name) = (it.owner.namespace.clone(), it.name.clone());
        let dropped = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let operator = whose.operator.as_deref();
            there.hosting.drop_letters(&namespace, &name, operator)
        });
        let dropped = dropped.await.map_err(|_| Problem::bug())?;
        server.changed(&it, "drop-dead-letters", dropped)
    });
    let dropped = going_on.await?;
    Ok(Json(DroppedLetters { dropped }))
}

/// Have the next batches of a topology that runs take dead letters once more
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/topologies/{name}/dead-letters/retry", params(("namespace" = String, Path), ("name" = String, Path), Whose),
    responses((status = 200, body = RetriedLetters), (status = 400, body = super::ProblemBody), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody)))]
pub(super) async fn retry(
    it: Named,
    Asked(whose): Asked<Whose>,
    State(server): State<Arc<Server>>,
) -> Result<Json<RetriedLetters>, Problem> {
    let turn = server.readers.turn(&it.owner.namespace).await;
    let going_on = detached(async move {
        let there = server.clone();
        let (namespace, name) = (it.owner.namespace.clone(), it.name.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let operator = whose.operator.as_deref();
            there.hosting.retry_letters(&namespace, &name, operator)
        });
        let asked = asked.await.map_err(|_| Problem::bug())?;
        server.changed(&it, "retry-dead-letters", asked)
    });
    let retried = going_on.await?;
    Ok(Json(RetriedLetters { retried }))
}
