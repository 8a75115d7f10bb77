//! `wasi:sockets`: there is no network. Whoever wants a socket is told so in the interface's own
//! words, because programs try and go on without.

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource};

use super::{Absent, Store, world};
use crate::plugin::host::Host;

/// `network.error-code`.
#[expect(
    dead_code,
    reason = "the interface has more of them than this host uses"
)]
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum ErrorCode {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "not-supported")]
    NotSupported,
    #[component(name = "invalid-argument")]
    InvalidArgument,
    #[component(name = "out-of-memory")]
    OutOfMemory,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "concurrency-conflict")]
    ConcurrencyConflict,
    #[component(name = "not-in-progress")]
    NotInProgress,
    #[component(name = "would-block")]
    WouldBlock,
    #[component(name = "invalid-state")]
    InvalidState,
    #[component(name = "new-socket-limit")]
    NewSocketLimit,
    #[component(name = "address-not-bindable")]
    AddressNotBindable,
    #[component(name = "address-in-use")]
    AddressInUse,
    #[component(name = "remote-unreachable")]
    RemoteUnreachable,
    #[component(name = "connection-refused")]
    ConnectionRefused,
    #[component(name = "connection-reset")]
    ConnectionReset,
    #[component(name = "connection-aborted")]
    ConnectionAborted,
    #[component(name = "datagram-too-large")]
    DatagramTooLarge,
    #[component(name = "name-unresolvable")]
    NameUnresolvable,
    #[component(name = "temporary-resolver-failure")]
    TemporaryResolverFailure,
    #[component(name = "permanent-resolver-failure")]
    PermanentResolverFailure,
}

/// `network.ip-address-family`.
#[expect(dead_code, reason = "variants are made by lifting")]
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum Family {
    #[component(name = "ipv4")]
    V4,
    #[component(name = "ipv6")]
    V6,
}

type Denied = (Result<Resource<Absent>, ErrorCode>,);

const DENIED: Denied = (Err(ErrorCode::AccessDenied),);

/// Defines a function of the package; false if there is none of this name.
pub(super) fn define(linker: &mut LinkerInstance<'_, Host>, name: &str) -> wasmtime::Result<bool> {
    match name {
        "instance-network" => linker.func_wrap(name, |mut store: Store<'_>, (): ()| {
            Ok((world(&mut store)?.push(Absent)?,))
        })?,
        "create-tcp-socket" | "create-udp-socket" => {
            linker.func_wrap(name, |_: Store<'_>, (_,): (Family,)| Ok(DENIED))?;
        }
        "resolve-addresses" => {
            linker.func_wrap(name, |_: Store<'_>, _: (Resource<Absent>, String)| {
                Ok(DENIED)
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
