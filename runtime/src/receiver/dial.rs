//! Connecting to a server.

use std::io;

use tokio::net::{TcpStream, lookup_host};

use crate::confine::Address;

/// Connects. The name of a confined address is resolved here, and only here.
pub(super) async fn connect(address: &Address) -> io::Result<TcpStream> {
    let text = address.expose().map_err(io::Error::other)?;
    if !address.is_confined() {
        return TcpStream::connect(text).await;
    }
    let resolved = lookup_host(text).await?;
    let allowed = address.allowed(resolved);
    let allowed = allowed.map_err(|why| io::Error::new(io::ErrorKind::PermissionDenied, why))?;
    TcpStream::connect(&*allowed).await
}
