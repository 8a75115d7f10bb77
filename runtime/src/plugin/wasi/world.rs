//! What one instance has of the world.

use std::{io::Write as _, sync::Arc};

use wasmtime::component::{Resource, ResourceTable};

use super::{Refusal, grants::Grants, random::Random};
use crate::plugin::task::Task;

/// Files, streams and timers that one instance may hold at once.
const MOST_RESOURCES: usize = 10_000;

/// Files that one instance may have open at once: the process has few for all of them.
const MOST_FILES: usize = 64;

/// Bytes without an end of line that are kept.
const LONGEST_LINE: usize = 4_000;

/// What one instance has of the world. Only plugins that import WASI have one.
pub(in crate::plugin) struct World {
    pub(super) grants: Arc<Grants>,
    pub(super) table: ResourceTable,
    /// Nanoseconds since 1970: the batch time, and what was slept since.
    pub(super) now: u64,
    pub(super) random: Random,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Held once for each open file.
    files: Arc<()>,
}

/// The right to have one more file open.
#[derive(Debug, Clone)]
pub(super) struct Slot(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl World {
    /// The world of a task; while a plugin is asked who it is there is none, and nothing is
    /// granted.
    pub(in crate::plugin) fn new(task: Option<&Task>, grants: &Arc<Grants>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_RESOURCES);
        let millis = task.map_or(0, |task| task.batch_time.as_millis());
        Self {
            grants: task.map_or_else(Arc::default, |_| grants.clone()),
            table,
            now: u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000),
            random: Random::new(task.map_or(0, Task::digest)),
            stdout: Vec::new(),
            stderr: Vec::new(),
            files: Arc::default(),
        }
    }

    pub(super) fn push<T: Send + 'static>(&mut self, entry: T) -> Result<Resource<T>, Refusal> {
        self.table.push(entry).map_err(|_| Refusal::TooMany)
    }

    /// None if too many files are open.
    pub(super) fn slot(&self) -> Option<Slot> {
        (Arc::strong_count(&self.files) <= MOST_FILES).then(|| Slot(self.files.clone()))
    }

    /// Takes in what the plugin wrote; the lines that are complete, if they go to the log.
    pub(super) fn print(&mut self, bytes: &[u8]) -> Vec<String> {
        self.stdout.extend_from_slice(bytes);
        if !self.grants.stdout {
            return complete_lines(&mut self.stdout);
        }
        let end = self.stdout.iter().rposition(|byte| *byte == b'\n');
        if let Some(end) = end {
            put_out(&self.stdout[..=end]);
            self.stdout.drain(..=end);
        }
        if self.stdout.len() > LONGEST_LINE {
            put_out(&std::mem::take(&mut self.stdout));
        }
        Vec::new()
    }

    /// As [`World::print`], for standard error, which always goes to the log.
    pub(super) fn print_error(&mut self, bytes: &[u8]) -> Vec<String> {
        self.stderr.extend_from_slice(bytes);
        complete_lines(&mut self.stderr)
    }

    /// The last lines, which the plugin did not end: of standard output, of standard error.
    pub(in crate::plugin) fn ends(&mut self) -> [Option<String>; 2] {
        if self.grants.stdout {
            put_out(&std::mem::take(&mut self.stdout));
        }
        [&mut self.stdout, &mut self.stderr].map(|left| {
            let left = std::mem::take(left);
            (!left.is_empty()).then(|| String::from_utf8_lossy(&left).into_owned())
        })
    }
}

/// Nobody is left to tell that standard output is closed: sinks that print find out by themselves.
fn put_out(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Cuts off the lines that are complete, or longer than anyone reads.
fn complete_lines(text: &mut Vec<u8>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut start = 0;
    loop {
        let rest = &text[start..];
        let (length, taken) = match memchr::memchr(b'\n', rest) {
            Some(end) => (end, end + 1),
            None if rest.len() > LONGEST_LINE => (rest.len(), rest.len()),
            None => break,
        };
        lines.push(String::from_utf8_lossy(&rest[..length]).into_owned());
        start += taken;
    }
    text.drain(..start);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_when_they_are_complete() {
        let mut world = World::new(None, &Arc::default());
        assert_eq!(world.print(b"a"), Vec::<String>::new());
        assert_eq!(world.print(b"b\n\nc"), ["ab", ""]);
        assert_eq!(world.print_error(&[b'x'; 5_000]).len(), 1);
        assert_eq!(world.ends(), [Some("c".to_owned()), None]);
        assert_eq!(world.ends(), [None, None]);
    }

    #[test]
    fn few_files_are_open_at_once() {
        let world = World::new(None, &Arc::default());
        let mut slots: Vec<_> = (0..MOST_FILES).map(|_| world.slot().unwrap()).collect();
        assert!(world.slot().is_none());
        slots.pop();
        assert!(world.slot().is_some());
    }
}
