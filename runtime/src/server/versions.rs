//! Versions of a topology: planned, taken over, gone back from.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Server,
    api::{Answer, detached},
    caller::{Named, Replacer},
    problem::Problem,
    upload::{self, DataFile, PluginFile},
};
use crate::hosting::{HostingError, NextVersion, ShownChange, ShownVersion, SwapTerms, Upload};
use crate::stream::Shadow;

/// Whoever asks for another version waits so long for it to take over; then it may still do so.
const PATIENCE: Duration = Duration::from_secs(30);

/// Another version of a topology.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Swap {
    /// What the topology's file is called, for messages.
    #[serde(default)]
    pub file: Option<String>,
    /// The topology's text; none: as it is, with other plugins.
    #[serde(default)]
    pub topology: Option<String>,
    /// The plugins that it calls; without `topology` only those that are others.
    #[serde(default)]
    pub plugins: Vec<PluginFile>,
    /// The files that it reads; with `topology` only.
    #[serde(default)]
    pub files: Vec<DataFile>,
    /// The one plugin that is given is for this operator alone; without `topology` only.
    #[serde(default)]
    pub operator: Option<String>,
    /// It makes so many batches beside the running version first, without effect; what both put out is compared.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub shadow: Option<NonZeroU64>,
    /// So many rows may differ then.
    #[serde(default)]
    pub max_diff: u64,
    /// State that would be lost may be.
    #[serde(default)]
    pub accept_state_loss: bool,
    /// If it does not run, it is started with this version.
    #[serde(default)]
    pub start: bool,
}

/// Which version is wanted back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rollback {
    /// Its number; none: the one that ran before.
    #[serde(default)]
    pub version: Option<u64>,
    /// State that would be lost may be.
    #[serde(default)]
    pub accept_state_loss: bool,
}

fn read(body: Result<Bytes, BytesRejection>) -> Answer<(NextVersion, SwapTerms)> {
    let body = body.map_err(|rejected| Problem::new(rejected.status(), rejected.body_text()))?;
    let swap: Swap = serde_json::from_slice(&body)
        .map_err(|error| upload::wrong(format!("the body is no version: {error}")))?;
    let terms = SwapTerms {
        accepts_loss: swap.accept_state_loss,
        starts: swap.start,
        shadow: swap.shadow.map(|batches| Shadow {
            batches: batches.get(),
            max_diff: swap.max_diff,
        }),
    };
    let plugins = upload::plugins(swap.plugins)?;
    let next = match swap.topology {
        Some(_) if swap.operator.is_some() => {
            let what = "`operator` goes with a plugin, not with a topology, which says itself what its operators call";
            return Err(upload::wrong(what.to_owned()));
        }
        Some(text) => NextVersion::Upload(Upload {
            file: swap.file.unwrap_or_else(upload::topo_toml),
            files: upload::files(swap.files)?,
            text,
            plugins,
        }),
        None if !swap.files.is_empty() => {
            let what = "files go with a topology, which reads them";
            return Err(upload::wrong(what.to_owned()));
        }
        None if plugins.is_empty() => {
            let what = "there is neither a topology nor a plugin";
            return Err(upload::wrong(what.to_owned()));
        }
        None => NextVersion::Plugins {
            operator: swap.operator,
            plugins,
        },
    };
    Ok((next, terms))
}

/// What another version would change
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/topologies/{name}/diff", params(("namespace" = String, Path), ("name" = String, Path)), request_body = Swap,
    responses((status = 200, body = Vec<ShownChange>), (status = 404, body = super::ProblemBody), (status = 422, body = super::ProblemBody), (status = 429, body = super::ProblemBody)))]
pub(super) async fn diff(
    Replacer { it, turn }: Replacer,
    State(server): State<Arc<Server>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Vec<ShownChange>>> {
    let (next, _) = read(body)?;
    let place = server.gate.check().await;
    let planned = tokio::task::spawn_blocking(move || {
        let _held = (turn, place);
        server.hosting.plan(&it.owner.namespace, &it.name, next)
    });
    let planned = planned.await.map_err(|_| Problem::bug())?;
    Ok(Json(planned?))
}

/// Have another version take over at the next batch
///
/// Answers when that is decided, or after half a minute with `waiting`. What does not run has it at once.
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/topologies/{name}/swap", params(("namespace" = String, Path), ("name" = String, Path)), request_body = Swap,
    responses((status = 200, body = ShownVersion), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody), (status = 413, body = super::ProblemBody), (status = 422, body = super::ProblemBody), (status = 429, body = super::ProblemBody)))]
pub(super) async fn swap(
    Replacer { it, turn }: Replacer,
    State(server): State<Arc<Server>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<ShownVersion>> {
    let asked = match read(body) {
        Ok(asked) => asked,
        Err(problem) => {
            let what = (it.owner.namespace.as_str(), Some(it.name.as_str()));
            let refused: Answer<()> = Err(problem);
            server.note(&it.owner.id, what, "swap", &refused);
            return Err(refused.err().unwrap_or_else(Problem::bug));
        }
    };
    let place = server.gate.check().await;
    detached(async move {
        let (there, it) = (server.clone(), Arc::new(it));
        let that = it.clone();
        let number = tokio::task::spawn_blocking(move || {
            let _held = (turn, place);
            let Named { owner, name } = &*that;
            there
                .hosting
                .swap((&owner.namespace, name), asked, &owner.id)
        });
        let number = number.await.map_err(|_| Problem::bug())?;
        decided(&server, &it, "swap", number).await
    })
    .await
}

/// Have a version that ran before take over again
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/topologies/{name}/rollback", params(("namespace" = String, Path), ("name" = String, Path)), request_body = Rollback,
    responses((status = 200, body = ShownVersion), (status = 404, body = super::ProblemBody), (status = 409, body = super::ProblemBody), (status = 422, body = super::ProblemBody), (status = 429, body = super::ProblemBody)))]
pub(super) async fn rollback(
    Replacer { it, turn }: Replacer,
    State(server): State<Arc<Server>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<ShownVersion>> {
    let body = body.map_err(|rejected| Problem::new(rejected.status(), rejected.body_text()))?;
    let asked: Rollback = match body.is_empty() {
        true => Rollback::default(),
        false => serde_json::from_slice(&body)
            .map_err(|error| upload::wrong(format!("the body names no version: {error}")))?,
    };
    let place = server.gate.check().await;
    detached(async move {
        let (there, it) = (server.clone(), Arc::new(it));
        let that = it.clone();
        let number = tokio::task::spawn_blocking(move || {
            let _held = (turn, place);
            let Named { owner, name } = &*that;
            let of = (&owner.namespace, name);
            there
                .hosting
                .roll_back(of, (asked.version, asked.accept_state_loss), &owner.id)
        });
        let number = number.await.map_err(|_| Problem::bug())?;
        decided(&server, &it, "rollback", number).await
    })
    .await
}

/// Waits for what becomes of a version, and writes it to the audit log.
async fn decided(
    server: &Server,
    it: &Named,
    action: &'static str,
    number: Result<u64, HostingError>,
) -> Answer<Json<ShownVersion>> {
    let Named { owner, name } = it;
    let number = match number {
        Ok(number) => number,
        Err(error) => return server.changed(it, action, Err(error)),
    };
    let waiting = server.hosting.decided(&owner.namespace, name, number);
    let version = match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(decided) => decided,
        Err(_) => server.hosting.version(&owner.namespace, name, number),
    };
    let version = version.map(Json).map_err(Problem::from);
    let what = (owner.namespace.as_str(), Some(name.as_str()));
    server.note(&owner.id, what, action, &version);
    version
}

/// The versions of a topology
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/topologies/{name}/versions", params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Vec<ShownVersion>), (status = 404, body = super::ProblemBody)))]
pub(super) async fn versions(
    it: Named,
    State(server): State<Arc<Server>>,
) -> Answer<Json<Vec<ShownVersion>>> {
    let versions = server.hosting.versions(&it.owner.namespace, &it.name)?;
    Ok(Json(versions))
}
