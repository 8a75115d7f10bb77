//! What can be asked.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use utoipa::{OpenApi as _, ToSchema};

use super::{
    Role, Server,
    audit::Change,
    caller::{Caller, Deployer, Named, Owner},
    letters, logs,
    openapi::Description,
    problem::Problem,
    replay, secrets, state, tap,
    upload::{self, Deploy},
    usage, versions,
};
use crate::hosting::Status;

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The token's id.
    pub id: String,
    /// It may use every namespace.
    pub admin: bool,
    /// The namespace it may use; none for an administrator's.
    pub namespace: Option<String>,
}

type App = State<Arc<Server>>;
pub(super) type Answer<T> = Result<T, Problem>;

/// Every route; each is in the description, too.
pub(super) fn routes(server: Arc<Server>) -> Router {
    let limit = DefaultBodyLimit::max(server.limits.body_bytes);
    let one = "/v1/namespaces/{namespace}/topologies/{name}";
    let secret = "/v1/namespaces/{namespace}/secrets/{name}";
    Router::new()
        .route("/openapi.json", get(openapi))
        .route("/v1/me", get(me))
        .route(
            "/v1/namespaces/{namespace}/topologies",
            get(list).post(deploy),
        )
        .route(one, get(status).delete(undeploy))
        .route(&format!("{one}/start"), axum::routing::post(start))
        .route(&format!("{one}/stop"), axum::routing::post(stop))
        .route(&format!("{one}/output"), get(output))
        .route(&format!("{one}/versions"), get(versions::versions))
        .route(
            &format!("{one}/replay"),
            axum::routing::post(replay::replay),
        )
        .route(&format!("{one}/diff"), axum::routing::post(versions::diff))
        .route(&format!("{one}/swap"), axum::routing::post(versions::swap))
        .route(
            &format!("{one}/rollback"),
            axum::routing::post(versions::rollback),
        )
        .route("/v1/namespaces/{namespace}/secrets", get(secrets::list))
        .route(secret, get(secrets::one).delete(secrets::remove))
        .route(
            secret,
            put(secrets::set).layer(DefaultBodyLimit::max(secrets::BODY_BYTES)),
        )
        .route(&format!("{one}/logs"), get(logs::logs))
        .route(&format!("{one}/streams/{{part}}/tap"), get(tap::tap))
        .route(
            &format!("{one}/operators/{{part}}/state"),
            get(state::state),
        )
        .route("/v1/usage", get(usage::of_all))
        .route("/v1/namespaces/{namespace}/usage", get(usage::of_namespace))
        .route(
            &format!("{one}/dead-letters"),
            get(letters::show).delete(letters::forget),
        )
        .route(
            &format!("{one}/dead-letters/retry"),
            axum::routing::post(letters::retry),
        )
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "nothing here has that method",
            )
        })
        .layer(limit)
        .with_state(server)
}

/// This description
#[utoipa::path(get, path = "/openapi.json", security(()), responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn openapi() -> Response {
    Json(Description::openapi()).into_response()
}

/// Whose token it is
#[utoipa::path(get, path = "/v1/me", responses((status = 200, body = Me), (status = 401, body = super::ProblemBody)))]
pub(super) async fn me(caller: Caller) -> Json<Me> {
    Json(Me {
        id: caller.id,
        admin: caller.role == Role::Admin,
        namespace: match caller.role {
            Role::Admin => None,
            Role::Tenant(namespace) => Some(namespace.to_string()),
        },
    })
}

/// What is deployed, by name
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/topologies", params(("namespace" = String, Path)),
    responses((status = 200, body = Vec<Status>), (status = 401, body = super::ProblemBody), (status = 404, body = super::ProblemBody)))]
pub(super) async fn list(owner: Owner, State(server): App) -> Json<Vec<Status>> {
    Json(server.hosting.list(&owner.namespace))
}

/// Check a topology with its plugins, keep it and start it
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/topologies", params(("namespace" = String, Path)), request_body = Deploy,
    responses((status = 201, body = Status), (status = 409, body = super::ProblemBody), (status = 413, body = super::ProblemBody), (status = 422, body = super::ProblemBody), (status = 429, body = super::ProblemBody)))]
pub(super) async fn deploy(
    Deployer { owner, turn }: Deployer,
    State(server): App,
    body: Result<Bytes, BytesRejection>,
) -> Answer<(StatusCode, Json<Status>)> {
    let upload = body
        .map_err(|rejected| Problem::new(rejected.status(), rejected.body_text()))
        .and_then(|body| upload::read(&body));
    let deployed = match upload {
        Ok(upload) => {
            let (there, by) = (server.clone(), owner.id.clone());
            let namespace = owner.namespace.clone();
            let place = server.gate.check().await;
            let deployed = tokio::task::spawn_blocking(move || {
                // They are held as long as it takes, also if nobody waits any more.
                let _held = (turn, place);
                let deployed = there.hosting.deploy(&namespace, upload, &by);
                let deployed = deployed.map_err(Problem::from);
                // Whoever asked may have gone: what was done is written down here.
                let name = deployed.as_ref().ok().map(|status| status.name.clone());
                there.note(
                    &by,
                    (namespace.as_str(), name.as_deref()),
                    "deploy",
                    &deployed,
                );
                deployed
            });
            deployed.await
        }
        Err(problem) => {
            let refused: Answer<()> = Err(problem);
            server.note(
                &owner.id,
                (owner.namespace.as_str(), None),
                "deploy",
                &refused,
            );
            return Err(refused.err().unwrap_or_else(Problem::not_found));
        }
    };
    let deployed = deployed.map_err(|_| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server fell over this topology, which is a bug of rsrt",
        )
    })??;
    Ok((StatusCode::CREATED, Json(deployed)))
}

/// What a topology is and does
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/topologies/{name}", params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Status), (status = 404, body = super::ProblemBody)))]
pub(super) async fn status(it: Named, State(server): App) -> Answer<Json<Status>> {
    let status = server.hosting.status(&it.owner.namespace, &it.name)?;
    Ok(Json(status))
}

/// The last 64 KiB that its `print` sinks put out
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/topologies/{name}/output", params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = String), (status = 404, body = super::ProblemBody)))]
pub(super) async fn output(it: Named, State(server): App) -> Answer<String> {
    let output = server.hosting.output(&it.owner.namespace, &it.name)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Start what is stopped, failed or quarantined
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/topologies/{name}/start", params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Status), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody)))]
pub(super) async fn start(it: Named, State(server): App) -> Answer<Json<Status>> {
    let Named { owner, name } = &it;
    let started = server.hosting.start(&owner.namespace, name, &owner.id);
    server.changed(&it, "start", started).map(Json)
}

/// Stop a topology after the batches in flight
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/topologies/{name}/stop", params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Status), (status = 404, body = super::ProblemBody)))]
pub(super) async fn stop(it: Named, State(server): App) -> Answer<Json<Status>> {
    let going_on = detached(async move {
        let Named { owner, name } = &it;
        let stopped = server.hosting.stop(&owner.namespace, name, &owner.id).await;
        server.changed(&it, "stop", stopped)
    });
    going_on.await.map(Json)
}

/// Stop a topology, and remove it with what it kept
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}/topologies/{name}", params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 204), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody)))]
pub(super) async fn undeploy(it: Named, State(server): App) -> Answer<StatusCode> {
    let going_on = detached(async move {
        let Named { owner, name } = &it;
        let gone = server
            .hosting
            .undeploy(&owner.namespace, name, &owner.id)
            .await;
        server.changed(&it, "undeploy", gone)
    });
    going_on.await.map(|()| StatusCode::NO_CONTENT)
}

/// Goes on when whoever asked does not wait for it.
pub(super) async fn detached<T: Send + 'static>(
    change: impl Future<Output = Answer<T>> + Send + 'static,
) -> Answer<T> {
    Handle::current().spawn(change).await.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server fell over this, which is a bug of rsrt",
        ))
    })
}

impl Server {
    pub(super) fn changed<T>(
        &self,
        it: &Named,
        action: &'static str,
        outcome: Result<T, crate::hosting::HostingError>,
    ) -> Answer<T> {
        let outcome = outcome.map_err(Problem::from);
        let what = (it.owner.namespace.as_str(), Some(it.name.as_str()));
        self.note(&it.owner.id, what, action, &outcome);
        outcome
    }

    pub(super) fn note<T>(
        &self,
        by: &str,
        (namespace, name): (&str, Option<&str>),
        action: &'static str,
        outcome: &Answer<T>,
    ) {
        self.audit.write(&Change {
            at: self.clock.wall_millis(),
            by,
            namespace,
            action,
            name,
            outcome: outcome.as_ref().err().map_or("done", Problem::error),
        });
    }
}
