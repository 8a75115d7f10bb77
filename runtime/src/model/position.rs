//! Where a reliable receiver stands in its source.

use serde::{Deserialize, Serialize};

/// A receiver's own mark in its source (an offset, a sequence number), opaque to everyone else.
/// It is stored with the block it belongs to; after a restart the receiver is given the last one
/// that became durable, so that what is sent again is not stored twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position(pub Vec<u8>);
