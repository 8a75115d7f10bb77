//! The journal: segments of frames.

use std::sync::Arc;

use super::{
    Disk, JournalError, Place,
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

/// Records on their way to be durable.
#[derive(Debug)]
pub struct Syncing {
    disk: Arc<dyn Disk>,
    segment: u64,
    names_too: bool,
    /// The last of them.
    until: u64,
}

impl Syncing {
    /// Waits for the disk.
    ///
    /// # Errors
    /// As of the system.
    pub fn run(&self) -> std::io::Result<()> {
        self.disk.sync(&name(self.segment))?;
        match self.names_too {
            true => self.disk.sync_directory(),
            false => Ok(()),
        }
    }
}

/// A record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where it lies.
    pub place: Place,
    /// What was appended.
    pub payload: &'a [u8],
}

impl Journal {
    /// Hands all records from segment `from` on to `each`, a segment in memory at a time, makes them
    /// durable, and goes on behind them in a new segment. A record cut off at the end is dropped;
    /// older segments are not looked at.
    ///
    /// # Errors
    /// When the disk fails, a record that was durable is damaged or missing, or `each` fails.
    pub fn open<E: From<JournalError>>(
        disk: Arc<dyn Disk>,
        from: u64,
        mut each: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut journal = Self::at(disk, from);
        let segments = journal.read_all(from, true, &mut each)?;
        journal.keep(&segments)?;
        journal.segment = segments.last().map_or(from, |last| last + 1);
        journal.durable = journal.next - 1;
        Ok(journal)
    }

    /// Hands all records from segment `from` on to `each`, as [`open`](Self::open) does, and changes
    /// nothing: whoever writes the journal may go on meanwhile. What he has begun to write is left out.
    ///
    /// # Errors
    /// As there.
    pub fn read<E: From<JournalError>>(
        disk: Arc<dyn Disk>,
        from: u64,
        mut each: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        Self::at(disk, from).read_all(from, false, &mut each)?;
        Ok(())
    }

    fn at(disk: Arc<dyn Disk>, segment: u64) -> Self {
        Self {
            disk,
            segment,
            bytes: 0,
            is_new: true,
            next: 1,
            durable: 0,
            roll_at: SEGMENT,
            broken: None,
        }
    }

    /// Answers with the segments that there are. `cuts` drops a torn end.
    fn read_all<E: From<JournalError>>(
        &mut self,
        from: u64,
        cuts: bool,
        each: &mut impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Vec<u64>, E> {
        let names = self.disk.list();
        let names = names.map_err(|error| self.failed("list", "files", error))?;
        let mut segments: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
        segments.retain(|segment| *segment >= from);
        segments.sort_unstable();
        if let Some(first) = segments.first().filter(|first| **first != from) {
            let error = JournalError::NoStart {
                missing: name(from),
                name: name(*first),
                place: self.disk.place(),
            };
            return Err(error.into());
        }
        let mut is_first = true;
        for (at, segment) in segments.iter().enumerate() {
            let bytes = self.read_file(*segment)?;
            let later = &segments[at + 1..];
            let torn = self.read_segment(*segment, &bytes, later, &mut is_first, each)?;
            if let Some(torn) = torn.filter(|_| cuts) {
                self.cut(&name(*segment), torn)?;
            }
        }
        Ok(segments)
    }

    /// The same, with segments of so many bytes.
    #[must_use]
    pub fn with_segments_of(mut self, bytes: u64) -> Self {
        self.roll_at = bytes;
        self
    }

    fn read_file(&self, segment: u64) -> Result<Vec<u8>, JournalError> {
        let file = name(segment);
        let bytes = self.disk.read(&file);
        bytes.map_err(|error| self.failed("read", &file, error))
    }

    /// Answers with where it is torn, if it is.
    fn read_segment<E: From<JournalError>>(
        &mut self,
        segment: u64,
        bytes: &[u8],
        later: &[u64],
        is_first: &mut bool,
        each: &mut impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        let file = name(segment);
        let mut rest = match bytes.strip_prefix(&MAGIC) {
            Some(rest) => rest,
            None if MAGIC.starts_with(bytes) => &[],
            None if self.must_have(bytes, later)? => {
                return Err(self.damaged(file, 0).into());
            }
            // Not even its head became durable.
            None if bytes.iter().take(MAGIC.len()).all(|byte| *byte == 0) => &[],
            None => {
                let place = self.disk.place();
                return Err(JournalError::Foreign { name: file, place }.into());
            }
        };
        while !rest.is_empty() {
            let offset = bytes.len() - rest.len();
            match Frame::read(rest) {
                Some(frame) if *is_first || frame.number == self.next => {
                    self.next = frame.number + 1;
                    *is_first = false;
                    let place = Place {
                        segment,
                        offset: offset as u64,
                        length: frame.length(),
                        record: frame.number,
                    };
                    let payload = frame.payload;
                    each(Entry { place, payload })?;
                    rest = &rest[frame.length()..];
                }
                Some(frame) if frame.durable >= self.next => {
                    let gap = JournalError::Gap {
                        from: self.next,
                        to: frame.durable,
                        name: file,
                        place: self.disk.place(),
                    };
                    return Err(gap.into());
                }
                _ => {
                    if self.must_have(rest, later)? {
                        return Err(self.damaged(file, offset).into());
                    }
                    return Ok(Some(offset));
                }
            }
        }
        Ok(None)
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

    /// Something in `rest`, or in segments behind it, was written when the next record was durable.
    fn must_have(&self, rest: &[u8], later: &[u64]) -> Result<bool, JournalError> {
        let mut vouched = vouches(rest, self.next);
        for segment in later {
            vouched = vouched || vouches(&self.read_file(*segment)?, self.next);
        }
        Ok(vouched)
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

    /// Adds a record, given in parts, and says where it lies. It is durable after the next
    /// [`sync`](Self::sync), not before.
    ///
    /// # Errors
    /// When the disk fails; then, and when it has failed before, nothing more is written.
    pub fn append(&mut self, payload: &[&[u8]]) -> Result<Place, JournalError> {
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
        let place = Place {
            segment: self.segment,
            offset: self.bytes + magic.len() as u64,
            length: head.len() + payload.iter().map(|part| part.len()).sum::<usize>(),
            record: self.next,
        };
        self.bytes = place.offset + place.length as u64;
        self.next += 1;
        Ok(place)
    }

    /// Makes all records durable.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn sync(&mut self) -> Result<(), JournalError> {
        match self.begin_sync()? {
            None => Ok(()),
            Some(syncing) => {
                let synced = syncing.run();
                self.end_sync(&syncing, synced)
            }
        }
    }

    /// What must be done to make all records durable, so that it can be done while others append;
    /// none if they are.
    ///
    /// # Errors
    /// When it has failed before.
    pub fn begin_sync(&self) -> Result<Option<Syncing>, JournalError> {
        self.check()?;
        Ok((self.durable + 1 != self.next).then(|| Syncing {
            disk: self.disk.clone(),
            segment: self.segment,
            names_too: self.is_new,
            until: self.next - 1,
        }))
    }

    /// It was done, and this came of it.
    ///
    /// # Errors
    /// If it failed; then nothing more is written.
    pub fn end_sync(
        &mut self,
        syncing: &Syncing,
        synced: std::io::Result<()>,
    ) -> Result<(), JournalError> {
        if let Err(error) = synced {
            self.broken = Some(error.to_string());
            return Err(self.failed("sync", &name(syncing.segment), error));
        }
        if syncing.segment == self.segment {
            self.is_new = false;
        }
        self.durable = self.durable.max(syncing.until);
        Ok(())
    }

    /// The record that was appended last, or read; 0: there is none.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// This record, and all before it, are durable.
    pub fn is_durable(&self, record: u64) -> bool {
        record <= self.durable
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

pub(super) fn name(segment: u64) -> String {
    format!("journal-{segment:012}")
}

fn number(name: &str) -> Option<u64> {
    name.strip_prefix("journal-")?.parse().ok()
}

#[cfg(test)]
mod tests;
