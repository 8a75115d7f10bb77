//! What a good engineer would write for each workload and nothing else: the yardstick.
//!
//! The same batches as the host makes of a `file`: text until `batch-bytes` are reached, up to the
//! end of that line, checked to be UTF-8. Each batch is computed whole, by the same number of
//! threads; results are kept until the batch is done, then dropped.

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    hint::black_box,
    io::{BufRead, BufReader, Read},
    thread,
};

use foldhash::fast::FixedState;
use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::workload::Workload;
use crate::command::Failed;

/// `native WORKLOAD FILE BATCH-BYTES THREADS NEEDLE`
pub(crate) fn run(arguments: &[&str]) -> Result<(), Failed> {
    let [workload, file, batch_bytes, threads, needle] = arguments else {
        let usage = "native WORKLOAD FILE BATCH-BYTES THREADS NEEDLE";
        return Err(Failed(usage.to_owned()));
    };
    let workload = Workload::named(workload).ok_or("no such workload")?;
    let (batch_bytes, threads) = (batch_bytes.parse()?, threads.parse()?);
    let mut batches = Batches {
        file: BufReader::with_capacity(64 << 10, File::open(file)?),
        bytes: batch_bytes,
        buffer: Vec::new(),
    };
    let mut history = History::default();
    while let Some(bytes) = batches.next()? {
        let parts = parts(bytes, threads);
        match workload {
            Workload::RunningCount => {
                let counts = each(&parts, |text| Ok(count_words(checked(text)?)))?;
                black_box(history.running(merged(counts)));
            }
            Workload::WindowInverse | Workload::Window => {
                let counts = each(&parts, |text| Ok(count_words(checked(text)?)))?;
                black_box(history.window(merged(counts)));
            }
            // Both sides are the same file, read as two.
            Workload::Join => {
                let pairs = |text| parsed(checked(text)?);
                let (left, right) = (each(&parts, pairs)?, each(&parts, pairs)?);
                black_box(joined(&left.concat(), &right.concat()));
            }
            Workload::WordCount | Workload::WordCountUncombined => {
                let counts = each(&parts, |text| Ok(count_words(checked(text)?)))?;
                black_box(merged(counts));
            }
            Workload::FilterField => {
                black_box(each(&parts, |text| third_fields(checked(text)?, needle))?);
            }
            Workload::Identity => {
                black_box(each(&parts, |text| copied(checked(text)?))?);
            }
            Workload::Neighbours => {
                let sums = each(&parts, |text| Ok(neighbours(checked(text)?)))?;
                black_box(merged(sums));
            }
        }
    }
    Ok(())
}

struct Batches {
    file: BufReader<File>,
    bytes: u64,
    buffer: Vec<u8>,
}

impl Batches {
    fn next(&mut self) -> Result<Option<&[u8]>, Failed> {
        self.buffer.clear();
        self.file
            .by_ref()
            .take(self.bytes)
            .read_to_end(&mut self.buffer)?;
        if !self.buffer.ends_with(b"\n") {
            self.file.read_until(b'\n', &mut self.buffer)?;
        }
        Ok((!self.buffer.is_empty()).then_some(&*self.buffer))
    }
}

/// As many parts as threads, about equal, cut at line ends.
fn parts(mut bytes: &[u8], threads: usize) -> Vec<&[u8]> {
    let mut parts = Vec::with_capacity(threads);
    for left in (2..=threads).rev() {
        let middle = bytes.len() / left;
        let end = memchr(b'\n', &bytes[middle..]).map_or(bytes.len(), |at| middle + at + 1);
        let (part, rest) = bytes.split_at(end);
        parts.push(part);
        bytes = rest;
    }
    parts.push(bytes);
    parts
}

/// The result of each part; the first one is computed on this thread.
fn each<'a, R: Send>(
    parts: &[&'a [u8]],
    compute: impl Fn(&'a [u8]) -> Result<R, Failed> + Sync,
) -> Result<Vec<R>, Failed> {
    let Some((first, others)) = parts.split_first() else {
        return Ok(Vec::new());
    };
    thread::scope(|scope| {
        let compute = &compute;
        let others: Vec<_> = others
            .iter()
            .map(|part| scope.spawn(move || compute(part)))
            .collect();
        let mut results = vec![compute(first)?];
        for other in others {
            let result = other.join().map_err(|_| "a thread panicked")?;
            results.push(result?);
        }
        Ok(results)
    })
}

fn checked(bytes: &[u8]) -> Result<&str, Failed> {
    Ok(str::from_utf8(bytes)?)
}

type Table<K, V> = HashMap<K, V, FixedState>;

fn merged<K: Eq + std::hash::Hash, V: Copy + std::ops::AddAssign>(
    tables: Vec<Table<K, V>>,
) -> Option<Table<K, V>> {
    let mut tables = tables.into_iter();
    let mut all = tables.next()?;
    for (key, value) in tables.flatten() {
        all.entry(key)
            .and_modify(|sum| *sum += value)
            .or_insert(value);
    }
    Some(all)
}

/// What goes over several batches.
#[derive(Default)]
struct History {
    sums: Table<String, i64>,
    panes: VecDeque<Vec<(String, i64)>>,
}

/// Keys one after another, where each ends, and their values.
type Columns = (Vec<u8>, Vec<u32>, Vec<i64>);

impl History {
    /// Counts since the beginning.
    fn running(&mut self, counts: Option<Table<&str, i64>>) -> Columns {
        for (word, count) in counts.into_iter().flatten() {
            self.add(word, count);
        }
        self.columns()
    }

    /// Counts over the last ten batches.
    fn window(&mut self, counts: Option<Table<&str, i64>>) -> Columns {
        if self.panes.len() == 10 {
            for (word, count) in self.panes.pop_front().into_iter().flatten() {
                self.add(&word, -count);
            }
        }
        let mut pane = Vec::new();
        for (word, count) in counts.into_iter().flatten() {
            self.add(word, count);
            pane.push((word.to_owned(), count));
        }
        self.panes.push_back(pane);
        self.columns()
    }

    fn add(&mut self, word: &str, count: i64) {
        match self.sums.get_mut(word) {
            Some(sum) => *sum += count,
            None => {
                self.sums.insert(word.to_owned(), count);
            }
        }
    }

    fn columns(&self) -> Columns {
        let mut columns: Columns = (Vec::new(), vec![0], Vec::with_capacity(self.sums.len()));
        for (word, count) in &self.sums {
            columns.0.extend_from_slice(word.as_bytes());
            columns
                .1
                .push(u32::try_from(columns.0.len()).unwrap_or(u32::MAX));
            columns.2.push(*count);
        }
        columns
    }
}

/// Lines of two numbers.
fn parsed(text: &str) -> Result<Vec<(i64, i64)>, Failed> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(',').ok_or("a line has no comma")?;
        Ok((key.parse()?, value.parse()?))
    };
    text.lines().map(pair).collect()
}

/// Key, left and right of every pair of rows with equal keys.
fn joined(left: &[(i64, i64)], right: &[(i64, i64)]) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let mut index: Table<i64, Vec<i64>> = Table::default();
    for (key, value) in right {
        index.entry(*key).or_default().push(*value);
    }
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in left {
        for other in index.get(key).into_iter().flatten() {
            columns.0.push(*key);
            columns.1.push(*value);
            columns.2.push(*other);
        }
    }
    columns
}

fn count_words(text: &str) -> Table<&str, i64> {
    let mut counts = Table::with_capacity_and_hasher(text.len() / 64, FixedState::default());
    let mut count = |word| *counts.entry(word).or_insert(0) += 1;
    if text.is_ascii() {
        text.split_ascii_whitespace().for_each(&mut count);
    } else {
        text.split_whitespace().for_each(&mut count);
    }
    counts
}

/// The third field of each line that holds the needle. Looks at no other line.
fn third_fields(text: &str, needle: &str) -> Result<(Vec<u8>, Vec<u32>), Failed> {
    let bytes = text.as_bytes();
    let finder = memmem::Finder::new(needle);
    let (mut data, mut offsets, mut at) = (Vec::new(), vec![0], 0);
    while let Some(found) = finder.find(&bytes[at..]) {
        let found = at + found;
        let start = memrchr(b'\n', &bytes[..found]).map_or(0, |end| end + 1);
        let end = memchr(b'\n', &bytes[found..]).map_or(bytes.len(), |end| found + end);
        let field = text[start..end].split(' ').nth(2).unwrap_or("");
        data.extend_from_slice(field.as_bytes());
        offsets.push(u32::try_from(data.len())?);
        at = end;
    }
    Ok((data, offsets))
}

/// The lines as a column.
fn copied(text: &str) -> Result<(Vec<u8>, Vec<u32>), Failed> {
    let bytes = text.as_bytes();
    let mut data = Vec::with_capacity(bytes.len());
    let mut offsets = Vec::with_capacity(bytes.len() / 32);
    offsets.push(0);
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes).chain((!bytes.ends_with(b"\n")).then_some(bytes.len())) {
        data.extend_from_slice(&bytes[start..end]);
        offsets.push(u32::try_from(data.len())?);
        start = end + 1;
    }
    Ok((data, offsets))
}

/// For each two neighbouring words of a line: their first letters as a key, and how their lengths
/// compare; summed by key. As `plugins/bench` has it.
#[expect(clippy::cast_precision_loss, reason = "lengths of words")]
fn neighbours(text: &str) -> Table<i64, f64> {
    let mut sums = Table::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(mut left) = words.next() else {
            continue;
        };
        for right in words {
            let letters = |word: &str, most| {
                let letters = word.bytes().take(most);
                letters.fold(0, |all, letter| all << 8 | i64::from(letter))
            };
            let ratio = left.len() as f64 / (right.len() as f64 + 1.0);
            *sums
                .entry(letters(left, 2) << 8 | letters(right, 1))
                .or_insert(0.0) += ratio;
            left = right;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a b a\nbb a c\n\nb needle-x third\n";

    #[test]
    fn words_are_counted_the_same_with_any_number_of_threads() {
        let mut expected = Table::default();
        for (word, count) in [
            ("a", 3),
            ("b", 2),
            ("bb", 1),
            ("c", 1),
            ("needle-x", 1),
            ("third", 1),
        ] {
            expected.insert(word, count);
        }
        for threads in 1..5 {
            let parts = parts(TEXT.as_bytes(), threads);
            assert_eq!(parts.len(), threads);
            assert_eq!(parts.concat(), TEXT.as_bytes());
            let counts = each(&parts, |text| Ok(count_words(checked(text)?))).unwrap();
            assert_eq!(merged(counts), Some(expected.clone()));
        }
    }

    #[test]
    fn a_window_forgets_and_a_running_count_does_not() {
        let (mut running, mut window) = (History::default(), History::default());
        for _ in 0..12 {
            running.running(Some(count_words("a b a")));
            window.window(Some(count_words("a b a")));
        }
        assert_eq!(running.sums.get("a"), Some(&24));
        assert_eq!(window.sums.get("a"), Some(&20));
        let pairs = parsed("000001,00000002\n").unwrap();
        assert_eq!(joined(&pairs, &pairs), (vec![1], vec![2], vec![2]));
    }

    #[test]
    fn each_loop_gives_what_its_workload_says() {
        assert_eq!(
            third_fields(TEXT, "needle").unwrap(),
            (b"third".to_vec(), vec![0, 5])
        );
        assert_eq!(
            copied("ab\n\nc").unwrap(),
            (b"abc".to_vec(), vec![0, 2, 2, 3])
        );
        let sums = neighbours("ab c\n\nabx cde\n");
        let key = 0x61_6263; // "ab" and "c"
        assert_eq!(sums.into_iter().collect::<Vec<_>>(), [(key, 1.0 + 0.75)]);
    }
}
