//! Who asks, before anything else of a request is looked at.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
};

use super::{Role, Server, Tokens, gate::Turn, problem::Problem};
use crate::model::{Namespace, TopologyName};

/// Who asks.
pub(super) struct Caller {
    /// The token's id.
    pub(super) id: String,
    pub(super) role: Role,
}

/// Who asks for a namespace that is theirs.
pub(super) struct Owner {
    /// The token's id.
    pub(super) id: String,
    pub(super) namespace: Namespace,
}

/// Who deploys. Their turn has come before the body is read, so that bodies do not wait in memory.
pub(super) struct Deployer {
    pub(super) owner: Owner,
    pub(super) turn: Turn,
}

/// Who has another version of a topology checked. Their turn has come before the body is read, too.
pub(super) struct Replacer {
    pub(super) it: Named,
    pub(super) turn: Turn,
}

/// Who asks for something of this name in a namespace that is theirs.
pub(super) struct Named<N = TopologyName> {
    pub(super) owner: Owner,
    pub(super) name: N,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

impl FromRequestParts<Arc<Server>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let header = parts.headers.get(AUTHORIZATION);
        let token = header
            .and_then(|header| header.to_str().ok())
            .and_then(|text| text.strip_prefix("Bearer "));
        let unknown = || {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "a token is needed that this server knows: `Authorization: Bearer TOKEN`",
            )
        };
        let token = token.ok_or_else(unknown)?;
        let peer = parts.extensions.get::<Peer>().copied();
        let from = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(from)| from);
        let (id, now) = (Tokens::id(token), server.clock.monotonic());
        server.attempts.may_try(from, id, now)?;
        if let Some((id, role)) = server.tokens.find(token)? {
            return Ok(Self { id, role });
        }
        let known = server.tokens.know(id)?.then_some(id);
        server.attempts.failed(from, known, now)?;
        Err(unknown())
    }
}

impl FromRequestParts<Arc<Server>> for Owner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, server).await?;
        let namespace: Namespace = parameter(parts, server, "namespace").await?;
        if !caller.role.may_use(&namespace) {
            return Err(Problem::not_found());
        }
        // Who runs the server can always put things in order.
        if !parts.method.is_safe() && caller.role != Role::Admin {
            server.gate.change(&namespace, server.clock.monotonic())?;
        }
        Ok(Self {
            id: caller.id,
            namespace,
        })
    }
}

impl<N: std::str::FromStr> FromRequestParts<Arc<Server>> for Named<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let owner = Owner::from_request_parts(parts, server).await?;
        let name = parameter(parts, server, "name").await?;
        Ok(Self { owner, name })
    }
}

/// Who asks for a part of something of this name: a stream or an operator.
pub(super) struct Part {
    pub(super) of: Named,
    pub(super) part: String,
}

impl FromRequestParts<Arc<Server>> for Part {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let of = Named::from_request_parts(parts, server).await?;
        let part = parameter(parts, server, "part").await?;
        Ok(Self { of, part })
    }
}

impl FromRequestParts<Arc<Server>> for Deployer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let owner = Owner::from_request_parts(parts, server).await?;
        let turn = server.gate.turn(&owner.namespace).await?;
        Ok(Self { owner, turn })
    }
}

impl FromRequestParts<Arc<Server>> for Replacer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let it = Named::from_request_parts(parts, server).await?;
        let turn = server.gate.turn(&it.owner.namespace).await?;
        Ok(Self { it, turn })
    }
}

/// A part of the path. One that is no name is the name of nothing.
async fn parameter<T: std::str::FromStr>(
    parts: &mut Parts,
    server: &Arc<Server>,
    key: &str,
) -> Result<T, Problem> {
    let parameters = RawPathParams::from_request_parts(parts, server).await;
    let parameters = parameters.map_err(|_| Problem::not_found())?;
    let found = parameters.iter().find(|(name, _)| *name == key);
    let found = found.and_then(|(_, value)| value.parse().ok());
    found.ok_or_else(Problem::not_found)
}
