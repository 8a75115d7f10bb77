//! What was used, for whoever asks.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    Role, Server,
    caller::{Caller, Owner},
    problem::Problem,
};
use crate::hosting::{ServerUsage, Usage};

/// What a namespace and its topologies have used since the server began
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/usage", params(("namespace" = String, Path)),
    responses((status = 200, body = Usage), (status = 401, body = super::ProblemBody), (status = 404, body = super::ProblemBody)))]
pub(super) async fn of_namespace(
    owner: Owner,
    State(server): State<Arc<Server>>,
) -> Result<Json<Usage>, Problem> {
    Ok(Json(server.hosting.usage(&owner.namespace)?))
}

/// What all namespaces have used since the server began, for administrators
#[utoipa::path(get, path = "/v1/usage",
    responses((status = 200, body = ServerUsage), (status = 401, body = super::ProblemBody), (status = 404, body = super::ProblemBody)))]
pub(super) async fn of_all(
    caller: Caller,
    State(server): State<Arc<Server>>,
) -> Result<Json<ServerUsage>, Problem> {
    match caller.role {
        Role::Admin => Ok(Json(server.hosting.usage_of_all()?)),
        Role::Tenant(_) => Err(Problem::not_found()),
    }
}
