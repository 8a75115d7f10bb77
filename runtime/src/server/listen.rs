//! Connections: so many at once, and none that takes its time.

use std::{io, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Duration, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{
    Config, Limits, Server, addresses::Addresses, api, caller::Peer, patience::Patience,
    problem::Problem, tls,
};

/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 << 10;

/// How long to wait when the system has no connection to give, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The certificate or its key cannot be used.
    #[error("cannot use the certificate or key in {}: {why}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The address cannot be used.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        error: io::Error,
    },
}

pub(super) async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    config: &Config,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
    let limits = server.limits;
    let app = api::routes(server).layer(middleware::from_fn(move |request, next| {
        in_time(limits.request_timeout, request, next)
    }));
    let places = Arc::new(Semaphore::new(limits.connections.get()));
    let connections = TaskTracker::new();
    let addresses = Addresses::default();
    loop {
        // No semaphore is closed, so there is always a place at last.
        let Ok(place) = places.clone().acquire_owned().await else {
            return Ok(());
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok((stream, from)) => (stream, from.ip()),
            Err(error) => {
                tracing::warn!("a connection was not accepted: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Others wait for a place meanwhile, so whoever has many already is not asked what for.
        let most = limits.connections_per_address.get();
        let Some(seat) = addresses.seat(from, most) else {
            tracing::debug!("{from} has {most} connections already");
            continue;
        };
        let (app, tls, stop) = (app.clone(), tls.clone(), stop.clone());
        connections.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, tls, (app, Peer(from)), limits) => {}
            }
            drop((place, seat));
        });
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    app: (Router, Peer),
    limits: Limits,
) {
    match tls {
        None => speak(stream, app, limits).await,
        Some(tls) => match timeout(limits.header_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => speak(stream, app, limits).await,
            Ok(Err(error)) => tracing::debug!("no TLS: {error}"),
            Err(_) => tracing::debug!("no TLS in time"),
        },
    }
}

async fn speak<S>(stream: S, (app, peer): (Router, Peer), limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEAD_BYTES);
    let app = app.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    let service = TowerToHyperService::new(app);
    let stream = Patience::new(stream, limits.request_timeout);
    let served = http.serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!("a connection ended: {error}");
    }
}

/// An answer in time, whatever is asked.
async fn in_time(limit: Duration, request: Request, next: Next) -> Response {
    let answer = timeout(limit, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let what = "this took too long; what was begun may still be done: ask for the status";
        Problem::new(StatusCode::GATEWAY_TIMEOUT, what).into_response()
    })
}
