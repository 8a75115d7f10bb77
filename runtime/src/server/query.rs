//! What stands behind the question mark.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Query},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{Server, problem::Problem};

/// What stands behind the question mark; what is not known there is refused.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Server>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Server>) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        let Query(asked) = query
            .map_err(|rejected| Problem::new(StatusCode::BAD_REQUEST, rejected.body_text()))?;
        Ok(Self(asked))
    }
}
