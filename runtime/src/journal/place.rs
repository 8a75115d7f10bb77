//! Where a record lies.

use super::{Disk, JournalError, frame::Frame, segments::name};

/// Where a record of a journal lies, so that it can be read by itself. It is there until its segment
/// is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The segment.
    pub segment: u64,
    /// The record's first byte in it.
    pub(super) offset: u64,
    /// With its head.
    pub(super) length: usize,
    /// Its number.
    pub(super) record: u64,
}

impl Place {
    /// Bytes that the record takes up.
    pub fn length(&self) -> usize {
        self.length
    }

    /// What was appended.
    ///
    /// # Errors
    /// When the disk fails, or the record is not there as it was written.
    pub fn read(&self, disk: &dyn Disk) -> Result<Vec<u8>, JournalError> {
        let file = name(self.segment);
        let mut bytes = match disk.read_at(&file, self.offset, self.length) {
            Ok(bytes) => bytes,
            Err(error) => {
                return Err(JournalError::Disk {
                    action: "read",
                    name: file,
                    place: disk.place(),
                    error,
                });
            }
        };
        let frame = Frame::read(&bytes).filter(|frame| frame.number == self.record);
        let Some(length) = frame.map(|frame| frame.payload.len()) else {
            return Err(JournalError::Damaged {
                name: file,
                place: disk.place(),
                offset: self.offset,
                record: self.record,
            });
        };
        Ok(bytes.split_off(bytes.len() - length))
    }
}
