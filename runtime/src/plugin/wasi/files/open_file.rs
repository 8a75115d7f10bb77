//! A file that a plugin has open, and its bytes.

use std::sync::Arc;

use cap_std::fs::File;
use rustix::io::{Errno, pread, pwrite};

use super::ErrorCode;
use crate::plugin::wasi::world::Slot;

/// A file of a granted directory, shared by its descriptor and its streams.
#[derive(Debug, Clone)]
pub(in super::super) struct OpenFile {
    pub(super) file: Arc<File>,
    pub(super) _slot: Slot,
}

/// Up to so many bytes from a place on; none at the end.
pub(in super::super) fn read_at(
    file: &OpenFile,
    length: u64,
    position: u64,
) -> Result<Vec<u8>, ErrorCode> {
    let length = usize::try_from(length).map_err(|_| ErrorCode::Overflow)?;
    let mut bytes = vec![0; length];
    let read = uninterrupted(|| pread(&*file.file, &mut bytes[..], position))?;
    bytes.truncate(read);
    Ok(bytes)
}

/// All of the bytes, from a place on.
pub(in super::super) fn write_at(
    file: &OpenFile,
    mut bytes: &[u8],
    mut position: u64,
) -> Result<(), ErrorCode> {
    while !bytes.is_empty() {
        let written = uninterrupted(|| pwrite(&*file.file, bytes, position))?;
        bytes = &bytes[written..];
        position += written as u64;
    }
    Ok(())
}

/// All of the bytes, at the end. Where the system can, in one piece, so that tasks that append to
/// the same file do not write over each other.
pub(in super::super) fn append(file: &OpenFile, mut bytes: &[u8]) -> Result<(), ErrorCode> {
    while !bytes.is_empty() {
        let written = uninterrupted(|| append_some(file, bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn append_some(file: &OpenFile, bytes: &[u8]) -> Result<usize, Errno> {
    use rustix::io::{ReadWriteFlags, pwritev2};
    use std::io::IoSlice;
    pwritev2(
        &*file.file,
        &[IoSlice::new(bytes)],
        0,
        ReadWriteFlags::APPEND,
    )
}

#[cfg(not(target_os = "linux"))]
fn append_some(file: &OpenFile, bytes: &[u8]) -> Result<usize, Errno> {
    let end = rustix::fs::seek(&*file.file, rustix::fs::SeekFrom::End(0))?;
    pwrite(&*file.file, bytes, end)
}

fn uninterrupted(mut work: impl FnMut() -> Result<usize, Errno>) -> Result<usize, ErrorCode> {
    loop {
        match work() {
            Err(Errno::INTR) => {}
            done => return done.map_err(ErrorCode::from),
        }
    }
}
