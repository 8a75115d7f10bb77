//! What is answered when something is wrong.

use axum::{
    Json,
    http::StatusCode,
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
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let body = ProblemBody {
            error: error.into(),
            report: None,
        };
        Self { status, body }
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
    fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("{error}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server could not do it; its log says why",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::internal(&error)
    }
}

impl From<HostingError> for Problem {
    fn from(error: HostingError) -> Self {
        match error {
            HostingError::NotFound => Self::not_found(),
            HostingError::Exists(_)
            | HostingError::Stopping(_)
            | HostingError::NotRunning(_)
            | HostingError::NeverRan(_)
            | HostingError::NothingKept(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            HostingError::Tap(_)
            | HostingError::State(StateError::None { .. } | StateError::Rows { .. }) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            HostingError::Upload(what) | HostingError::Launch(LaunchError::Input(what)) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, what)
            }
            HostingError::Launch(LaunchError::Topology(invalid)) => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                body: ProblemBody {
                    error: invalid.to_string(),
                    report: Some(report(invalid.as_ref(), Colors::Off)),
                },
            },
            HostingError::Launch(LaunchError::Run(_))
            | HostingError::State(StateError::Checkpoint(_))
            | HostingError::Checkpoint(_)
            | HostingError::Letters(_)
            | HostingError::Fell(_)
            | HostingError::Journal(_)
            | HostingError::Disk { .. }
            | HostingError::Record { .. }
            | HostingError::InUse(_) => Self::internal(&error),
        }
    }
}
