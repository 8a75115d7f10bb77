//! The journal: segments of frames.

use std::sync::Arc;

use super::{
    Disk, JournalError,
    frame::{Frame, vouches},
};

/// A segment begins so; the last byte is the version.
const MAGIC: [u8; 8] = *b"rsrtjnl\x01";
/// A segment ends with the record in which it reaches so many bytes.
const SEGMENT: u64 = 64 << 20;

/// Appends records and makes them durable.
///
/// **Invariant:** after a failed step nothing more is written, as what is on the disk is not known.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    /// Of the segment that is written.
    segment: u64,
    /// Bytes in it; 0: it is not there yet.
    bytes: u64,
    /// Its name may not be durable.
    is_new: bool,
    /// Of the next record.
    next: u64,
    /// The last record that is durable.
    durable: u64,
    roll_at: u64,
    /// Why nothing more is written.
    broken: Option<String>,
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The segment it lies in.
    pub segment: u64,
    /// What was appended.
    pub payload: Vec<u8>,
}

impl Journal {
    /// Reads all records from segment `from` on, makes them durable, and goes on behind them in a
    /// new segment. A record cut off at the end is dropped; older segments are not looked at.
    ///
    /// # Errors
    /// When the disk fails, or a record that was durable is damaged or missing.
    pub fn open(disk: Arc<dyn Disk>, from: u64) -> Result<(Self, Vec<Entry>), JournalError> {
        let mut journal = Self {
            disk,
            segment: from,
            bytes: 0,
            is_new: true,
            next: 1,
            durable: 0,
            roll_at: SEGMENT,
            broken: None,
        };
        let names = journal.disk.list();
        let names = names.map_err(|error| journal.failed("list", "files", error))?;
        let mut segments: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
        segments.retain(|segment| *segment >= from);
        segments.sort_unstable();
        if let Some(first) = segments.first().filter(|first| **first != from) {
            return Err(JournalError::NoStart {
                missing: name(from),
                name: name(*first),
                place: journal.disk.place(),
            });
        }
        let mut entries = Vec::new();
        let mut read = Vec::new();
        for segment in &segments {
            let bytes = journal.disk.read(&name(*segment));
            let bytes = bytes.map_err(|error| journal.failed("read", &name(*segment), error))?;
            read.push((*segment, bytes));
        }
        for at in 0..read.len() {
            let (segment, bytes) = &read[at];
            let later: Vec<&[u8]> = read[at + 1..].iter().map(|(_, b)| b.as_slice()).collect();
            journal.read_segment(*segment, bytes, &later, &mut entries)?;
        }
        journal.keep(&segments)?;
        journal.segment = segments.last().map_or(from, |last| last + 1);
        journal.durable = journal.next - 1;
        Ok((journal, entries))
    }

    /// The same, with segments of so many bytes.
    #[must_use]
    pub fn with_segments_of(mut self, bytes: u64) -> Self {
        self.roll_at = bytes;
        self
    }

    fn read_segment(
        &mut self,
        segment: u64,
        bytes: &[u8],
        later: &[&[u8]],
        entries: &mut Vec<Entry>,
    ) -> Result<(), JournalError> {
        let file = name(segment);
        let mut rest = match bytes.strip_prefix(&MAGIC) {
            Some(rest) => rest,
            None if MAGIC.starts_with(bytes) => &[],
            None if must_have(self.next, bytes, later) => {
                return Err(self.damaged(file, 0));
            }
            // Not even its head became durable.
            None if bytes.iter().take(MAGIC.len()).all(|byte| *byte == 0) => &[],
            None => {
                let place = self.disk.place();
                return Err(JournalError::Foreign { name: file, place });
            }
        };
        while !rest.is_empty() {
            let frame = Frame::read(rest);
            let is_first = entries.is_empty();
            match frame {
                Some(frame) if is_first || frame.number == self.next => {
                    self.next = frame.number + 1;
                    entries.push(Entry {
                        segment,
                        payload: frame.payload.to_vec(),
                    });
                    rest = &rest[frame.length()..];
                }
                Some(frame) if frame.durable >= self.next => {
                    return Err(JournalError::Gap {
                        from: self.next,
                        to: frame.durable,
                        name: file,
                        place: self.disk.place(),
                    });
                }
                _ => {
                    let offset = bytes.len() - rest.len();
                    if must_have(self.next, rest, later) {
                        return Err(self.damaged(file, offset));
                    }
                    return self.cut(&file, offset);
                }
            }
        }
        Ok(())
    }

    /// Makes durable what was read: a process may have died before it synced, and nothing may build
    /// on a record that the next crash takes away. The names, too, when no segment was read: those of
    /// other files came with them.
    fn keep(&self, segments: &[u64]) -> Result<(), JournalError> {
        for segment in segments {
            let file = name(*segment);
            let synced = self.disk.sync(&file);
            synced.map_err(|error| self.failed("sync", &file, error))?;
        }
        let synced = self.disk.sync_directory();
        synced.map_err(|error| self.failed("sync", "files", error))
    }

    fn damaged(&self, name: String, offset: usize) -> JournalError {
        JournalError::Damaged {
            name,
            place: self.disk.place(),
            offset: offset as u64,
            record: self.next,
        }
    }

    /// Drops the torn end of a segment, so that the next reader does not meet it in the middle. It
    /// is synced with all that was read.
    fn cut(&self, file: &str, length: usize) -> Result<(), JournalError> {
        let cut = self.disk.truncate(file, length as u64);
        cut.map_err(|error| self.failed("cut", file, error))
    }

    /// Adds a record, given in parts. It is durable after the next [`sync`](Self::sync), not before.
    ///
    /// # Errors
    /// When the disk fails; then, and when it has failed before, nothing more is written.
    pub fn append(&mut self, payload: &[&[u8]]) -> Result<(), JournalError> {
        self.check()?;
        if self.bytes >= self.roll_at {
            self.sync()?;
            self.segment += 1;
            self.bytes = 0;
            self.is_new = true;
        }
        let file = name(self.segment);
        let Some(head) = Frame::head(self.next, self.durable, payload) else {
            let error = std::io::Error::other("a record of 4 GiB or more");
            return Err(self.failed("write", &file, error));
        };
        let magic: &[u8] = if self.bytes == 0 { &MAGIC } else { &[] };
        let parts = [&[magic, &head], payload].concat();
        if let Err(error) = self.disk.append(&file, &parts) {
            self.broken = Some(error.to_string());
            return Err(self.failed("write", &file, error));
        }
        self.bytes += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        self.next += 1;
        Ok(())
    }

    /// Makes all records durable.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.check()?;
        if self.durable + 1 == self.next {
            return Ok(());
        }
        let file = name(self.segment);
        let mut synced = self.disk.sync(&file);
        if self.is_new && synced.is_ok() {
            synced = self.disk.sync_directory();
        }
        if let Err(error) = synced {
            self.broken = Some(error.to_string());
            return Err(self.failed("sync", &file, error));
        }
        self.is_new = false;
        self.durable = self.next - 1;
        Ok(())
    }

    /// The segment that the next record goes to.
    pub fn segment(&self) -> u64 {
        match self.bytes >= self.roll_at {
            true => self.segment + 1,
            false => self.segment,
        }
    }

    /// Ends the current segment, so that the next record begins another.
    pub fn roll(&mut self) {
        if self.bytes > 0 {
            self.bytes = self.bytes.max(self.roll_at);
        }
    }

    /// Removes segments before this one. Those that cannot be removed do no harm.
    pub fn release(&self, before: u64) {
        for file in self.disk.list().unwrap_or_default() {
            if number(&file).is_some_and(|segment| segment < before)
                && let Err(error) = self.disk.remove(&file)
            {
                tracing::warn!("cannot remove {file} in {}: {error}", self.disk.place());
            }
        }
    }

    fn check(&self) -> Result<(), JournalError> {
        match &self.broken {
            None => Ok(()),
            Some(why) => Err(JournalError::Broken {
                place: self.disk.place(),
                why: why.clone(),
            }),
        }
    }

    fn failed(&self, action: &'static str, name: &str, error: std::io::Error) -> JournalError {
        JournalError::Disk {
            action,
            name: name.to_owned(),
            place: self.disk.place(),
            error,
        }
    }
}

/// Something in `rest` or behind it was written when this record was durable.
fn must_have(record: u64, rest: &[u8], later: &[&[u8]]) -> bool {
    vouches(rest, record) || later.iter().any(|bytes| vouches(bytes, record))
}

fn name(segment: u64) -> String {
    format!("journal-{segment:012}")
}

fn number(name: &str) -> Option<u64> {
    name.strip_prefix("journal-")?.parse().ok()
}

#[cfg(test)]
mod tests;
