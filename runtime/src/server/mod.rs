//! The HTTP door of hosted topologies: who may do what, and what is written down about it.

mod addresses;
mod api;
mod attempts;
mod audit;
mod caller;
mod config;
mod gate;
mod letters;
mod listen;
mod logs;
mod openapi;
mod patience;
mod problem;
mod query;
mod quotas;
mod replay;
mod secrets;
mod state;
mod stream;
mod tap;
mod tls;
mod token;
mod upload;
mod usage;
mod versions;

use std::{net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use api::Me;
pub use audit::Audit;
pub use config::{Config, ConfigError, Limits};
pub use letters::{DroppedLetters, RetriedLetters};
pub use listen::ServeError;
pub use problem::ProblemBody;
pub use quotas::QuotaTable;
pub use replay::ReplayOf;
pub use secrets::SecretEntry;
pub use tap::TappedRow;
pub use token::{Role, TokenError, Tokens};
pub use upload::{DataFile, Deploy, PluginFile};
pub use versions::{Rollback, Swap};

use attempts::Attempts;
use gate::Gate;

use crate::{clock::Clock, hosting::Hosting};

/// What requests are answered with.
pub struct Server {
    pub(self) hosting: Arc<Hosting>,
    pub(self) tokens: Tokens,
    pub(self) audit: Audit,
    pub(self) clock: Arc<dyn Clock>,
    pub(self) limits: Limits,
    pub(self) streams: stream::Streams,
    pub(self) readers: stream::Readers,
    pub(self) gate: Gate,
    pub(self) attempts: Attempts,
}

impl Server {
    /// Answers for these topologies to who has one of these tokens.
    pub fn new(
        hosting: Arc<Hosting>,
        (tokens, audit): (Tokens, Audit),
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Self {
        Self {
            gate: Gate::new(limits.changes_per_minute, limits.deploys.get()),
            attempts: Attempts::default(),
            hosting,
            tokens,
            audit,
            clock,
            limits,
            streams: stream::Streams::default(),
            readers: stream::Readers::default(),
        }
    }

    /// Answers until it is told to stop.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub async fn serve(
        self,
        listener: TcpListener,
        config: &Config,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        listen::serve(Arc::new(self), listener, config, stop).await
    }
}

/// Whether an address can be reached from this machine alone.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}
