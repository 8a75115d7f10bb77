//! Nothing lost, nothing counted twice: what a topology writes down so that it can go on after a
//! crash.
//!
//! For each batch, in this order: its **claim** (what it takes from each source) becomes durable,
//! it is executed, the sinks get it, its **commit** becomes durable. At the checkpoint interval the
//! state after a batch is written, and what it covers is released. A run that finds a checkpoint
//! reads the state, makes the claimed batches behind it again from their claims, without giving
//! those that are committed to the sinks, and goes on.
//!
//! A program that takes over while a stream runs is a fact, too: [`Version`] says which batches are
//! whose, so that each is made again by the program that made it.
//!
//! All of it lies in one directory, or in one folder of an object store: `manifest` (what this is, and where the state is), `state-N`,
//! `data-…` (reference data by their digests), `journal-N` (blocks, claims, commits), `letters-…` (rows
//! on which functions fail), `lock`.

mod blocks;
mod chain;
mod error;
mod fact;
mod inside;
mod letters;
mod lock;
mod manifest;
mod needs;
mod opening;
mod program;
mod recovered;
mod references;
mod retained;
mod retry;
mod sealed;
mod shared;
mod shown_letters;
mod state_rows;
mod store;
mod taking_over;
mod version;
mod way_back;
mod written;

pub use error::CheckpointError;
pub use fact::{ClaimFact, Fact, SourceFact};
pub use inside::Inside;
pub use letters::{BatchLetters, DeadLetter};
pub use manifest::{Manifest, Program, StateEntry};
pub use program::{Pending, ProgramFiles};
pub use recovered::{Recovered, RecoveredClaim};
pub use references::Rows;
pub use retained::{Before, Line, Retained};
pub use shown_letters::{DamagedLetters, ShownLetter, ShownLetters, ShownRange, shown_range};
pub use state_rows::{AfterBatch, StateError, StateRow, StateRows, WhichRows};
pub use store::{Checkpoint, Left, NewClaim, Opened};
pub use taking_over::NewVersion;
pub use version::Version;
pub use written::Written;
