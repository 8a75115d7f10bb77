//! Records that outlive the process: appended, made durable together, read again in their order.
//!
//! A [`Journal`] is a sequence of segment files on a [`Disk`]. What was appended before a
//! [`Journal::sync`] that returned is there after any crash; what came later may be, in part. A
//! record cut off at the end is normal; one that was durable and is damaged is an error that says
//! where. A [`Place`] reads one record by itself.

mod directory;
mod disk;
mod error;
mod frame;
mod memory_disk;
mod objects;
mod place;
mod segments;
mod whole_file;

pub use directory::{DirectoryDisk, make_directories};
pub use disk::Disk;
pub use error::JournalError;
pub use memory_disk::{Ignored, MemoryDisk};
pub use objects::{Holder, ObjectDisk};
pub use place::Place;
pub use segments::{Entry, Journal, Syncing};
pub use whole_file::{read_whole, write_whole};
