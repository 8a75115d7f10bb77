//! The binary interface to the host: generated bindings and what they stand on.
//!
//! The only module with `unsafe` code. Its invariant is the host's promise: whatever comes in was
//! checked, so text is UTF-8 and offsets rise.

#![allow(
    unsafe_code,
    reason = "memory crosses the sandbox here, and nowhere else"
)]

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod bindings;
mod guest;
#[doc(hidden)]
pub mod rt;

pub use guest::Exports;

pub use bindings::{
    exports::rsrt::plugin as exports,
    rsrt::plugin::{columns, faults, host, settings},
};

/// Text of an incoming column.
///
/// In the sandbox the host has checked it; natively (tests) it is checked here.
#[inline]
pub(crate) fn incoming_text(bytes: &[u8]) -> &str {
    if cfg!(target_arch = "wasm32") {
        // SAFETY: every utf8 column that the host passes is valid UTF-8 item by item: it is part of
        // the interface, and the host checked it when the column was made. Checking again costs
        // more than most functions do.
        unsafe { str::from_utf8_unchecked(bytes) }
    } else {
        str::from_utf8(bytes).unwrap_or_default()
    }
}
