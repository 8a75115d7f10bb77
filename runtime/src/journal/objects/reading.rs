//! Bytes of a file, whichever objects they lie in.

use std::{io, ops::Range};

use super::{ObjectDisk, entry_name, files::Source, missing};

impl ObjectDisk {
    /// The bytes of a file in this range, as far as it has them. Nothing else is fetched.
    pub(super) fn read_range(&self, name: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        let (pieces, unsynced) = {
            let state = self.lock();
            let unsynced = state.unsynced.get(name).cloned();
            let pieces = state.files.pieces(name);
            if pieces.is_none() && unsynced.is_none() {
                return Err(missing(name));
            }
            (pieces.unwrap_or_default(), unsynced.unwrap_or_default())
        };
        let mut at = 0;
        let mut wanted = Vec::new();
        for piece in pieces {
            let here = at..at + piece.length;
            at = here.end;
            wanted.extend(piece.part(within(&here, &range)));
        }
        let asked = wanted.iter().filter_map(|piece| match &piece.from {
            Source::Entry { number, from } => {
                Some((entry_name(*number), *from..from + piece.length))
            }
            Source::Object { name, from } => Some((name.clone(), *from..from + piece.length)),
            Source::Known(_) => None,
        });
        let mut read = self.requests.read(asked.collect())?.into_iter();
        let mut bytes = Vec::new();
        for piece in wanted {
            match piece.from {
                Source::Known(known) => bytes.extend_from_slice(&known),
                Source::Entry { .. } | Source::Object { .. } => {
                    let part = read.next().flatten().ok_or_else(|| missing(name))?;
                    bytes.extend_from_slice(&part);
                }
            }
        }
        let rest = within(&(at..at + unsynced.len() as u64), &range);
        let in_memory = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let rest = unsynced.get(in_memory(rest.start)..in_memory(rest.end));
        bytes.extend_from_slice(rest.unwrap_or_default());
        Ok(bytes)
    }
}

/// What of a piece lies in a range, counted from the piece's first byte.
fn within(piece: &Range<u64>, range: &Range<u64>) -> Range<u64> {
    let start = range.start.clamp(piece.start, piece.end);
    let end = range.end.clamp(start, piece.end);
    start - piece.start..end - piece.start
}
