//! What is answered when something is wrong.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TokenError;
use crate::{
    checkpoint::StateError,
    hosting::HostingError,
    launch::{LaunchError, report},
    telemetry::Colors,
};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// In a sentence or two.
    pub error: String,
    /// Of a wrong topology: every problem with its place and help, as people read it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub report: Option<String>,
}

/// What is wrong, and how it is answered.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    body: ProblemBody,
    /// When to ask again.
    after: Option<Duration>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let body = ProblemBody {
            error: error.into(),
            report: None,
        };
        Self {
            status,
            body,
            after: None,
        }
    }

    /// Too much of something; to be asked again after so long.
    pub(super) fn too_many(what: &str, after: Duration) -> Self {
        let seconds = after.as_secs().max(1);
        let what = format!("{what}; try again in {seconds} s");
        Self {
            after: Some(Duration::from_secs(seconds)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, what)
        }
    }

    /// What is not there and what is another's look alike.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }

    pub(super) fn error(&self) -> &str {
        &self.body.error
    }

    /// The server fell over what was asked.
    pub(super) fn bug() -> Self {
        let what = "the server fell over this, which is a bug of rsrt";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, what)
    }

    /// What is wrong with the server is told to who runs it, not to who asks.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("{error}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server could not do it; its log says why",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(after) = self.after {
            let seconds = HeaderValue::from(after.as_secs());
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::internal(&error)
    }
}

impl From<HostingError> for Problem {
    fn from(error: HostingError) -> Self {
        if error.is_of_server() {
            return Self::internal(&error);
        }
        match error {
            HostingError::NotFound => Self::not_found(),
            HostingError::Exists(_)
            | HostingError::Stopping(_)
            | HostingError::NotRunning(_)
            | HostingError::NeverRan(_)
            | HostingError::NotTaken(_)
            | HostingError::Swapping(_)
            | HostingError::NothingBefore(_)
            | HostingError::IsLive(..)
            | HostingError::Unsettled(_)
            | HostingError::LosesAtRest(..)
            | HostingError::Swap(_)
            | HostingError::NothingKept(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            HostingError::Tap(_)
            | HostingError::State(StateError::None { .. } | StateError::Rows { .. }) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            HostingError::Quota(_) | HostingError::StateFull(_) => {
                Self::new(StatusCode::FORBIDDEN, error.to_string())
            }
            HostingError::Launch(LaunchError::Topology(invalid)) => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                body: ProblemBody {
                    error: invalid.to_string(),
                    report: Some(report(invalid.as_ref(), Colors::Off)),
                },
                after: None,
            },
            other => Self::new(StatusCode::UNPROCESSABLE_ENTITY, other.to_string()),
        }
    }
}
