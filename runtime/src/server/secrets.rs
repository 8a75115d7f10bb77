//! Secrets of a namespace, as they are asked for: names go out, values only come in.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Server,
    api::Answer,
    caller::{Named, Owner},
    problem::Problem,
};
use crate::{
    hosting::HostingError,
    model::{Namespace, Secret, SecretName},
    secrets::{StoreError, StoreFile},
};

/// Bytes of a body: a value of 64 KiB, however it is written in JSON.
pub(super) const BODY_BYTES: usize = 512 << 10;

/// Secrets of a namespace, at most.
const MOST: usize = 256;

/// A secret that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretEntry {
    /// Its name. There is no way to ask for its value.
    pub name: String,
}

/// What a secret is set to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretValue {
    /// At most 64 KiB.
    value: String,
}

/// The names of all secrets, sorted
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/secrets", params(("namespace" = String, Path)),
    responses((status = 200, body = Vec<SecretEntry>), (status = 401, body = super::ProblemBody), (status = 404, body = super::ProblemBody)))]
pub(super) async fn list(
    owner: Owner,
    State(server): State<Arc<Server>>,
) -> Answer<Json<Vec<SecretEntry>>> {
    let names = with_store(server, owner.namespace, |store| Ok(store.names()?)).await?;
    let entries = names
        .into_iter()
        .map(|name| SecretEntry { name: name.into() });
    Ok(Json(entries.collect()))
}

/// Whether there is a secret of this name
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/secrets/{name}", params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = SecretEntry), (status = 404, body = super::ProblemBody)))]
pub(super) async fn one(
    Named { owner, name }: Named<SecretName>,
    State(server): State<Arc<Server>>,
) -> Answer<Json<SecretEntry>> {
    let wanted = name.clone();
    let found = with_store(server, owner.namespace, move |store| {
        Ok(store.names()?.contains(&wanted))
    });
    match found.await? {
        true => Ok(Json(SecretEntry { name: name.into() })),
        false => Err(Problem::not_found()),
    }
}

/// Set a secret; topologies have the value when they start next
#[utoipa::path(put, path = "/v1/namespaces/{namespace}/secrets/{name}", params(("namespace" = String, Path), ("name" = String, Path)), request_body = SecretValue,
    responses((status = 204), (status = 404, body = super::ProblemBody), (status = 413, body = super::ProblemBody), (status = 422, body = super::ProblemBody)))]
pub(super) async fn set(
    Named { owner, name }: Named<SecretName>,
    State(server): State<Arc<Server>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<StatusCode> {
    let value = body
        .map_err(|rejected| Problem::new(rejected.status(), rejected.body_text()))
        .and_then(|body| value(&body));
    let kept = match value {
        Err(problem) => Err(problem),
        Ok(value) => {
            let name = name.clone();
            let keep = move |store: &StoreFile| {
                let names = store.names()?;
                if names.len() >= MOST && !names.contains(&name) {
                    let what = format!("there are {MOST} secrets already; remove one first");
                    return Err(HostingError::Upload(what).into());
                }
                Ok(store.set(&name, &value)?)
            };
            with_store(server.clone(), owner.namespace.clone(), keep).await
        }
    };
    let what = (owner.namespace.as_str(), Some(name.as_str()));
    server.note(&owner.id, what, "set-secret", &kept);
    kept.map(|()| StatusCode::NO_CONTENT)
}

/// The parser's own words may hold a part of the value, so they are not answered.
fn value(body: &[u8]) -> Answer<Secret> {
    let read: Result<SecretValue, _> = serde_json::from_slice(body);
    let wrong = "the body must be {\"value\": TEXT}";
    let read = read.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, wrong))?;
    Ok(Secret::new(read.value))
}

/// Forget a secret
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}/secrets/{name}", params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 204), (status = 404, body = super::ProblemBody)))]
pub(super) async fn remove(
    Named { owner, name }: Named<SecretName>,
    State(server): State<Arc<Server>>,
) -> Answer<StatusCode> {
    let gone = name.clone();
    let removed = with_store(server.clone(), owner.namespace.clone(), move |store| {
        Ok(store.remove(&gone)?)
    });
    let removed = removed.await.and_then(|was_there| match was_there {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    });
    let what = (owner.namespace.as_str(), Some(name.as_str()));
    server.note(&owner.id, what, "remove-secret", &removed);
    removed
}

/// Does it where it may block.
async fn with_store<T: Send + 'static>(
    server: Arc<Server>,
    namespace: Namespace,
    action: impl FnOnce(&StoreFile) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let done = tokio::task::spawn_blocking(move || action(&server.hosting.secrets(&namespace)));
    done.await.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server fell over this secret, which is a bug of rsrt",
        ))
    })
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadValue { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            other => Self::internal(&other),
        }
    }
}
