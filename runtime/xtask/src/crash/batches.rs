//! What is in place, batch by batch, and whether it is what should be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use super::flow::{LINES, Table, line};
use crate::command::Failed;

/// What each sink has of each batch, by the batch's time.
pub(super) type Batches = BTreeMap<(String, i64), String>;

/// What a look found.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Look {
    pub(super) batches: u64,
    /// Some sinks had the newest batch, and some did not.
    pub(super) partial: bool,
}

/// What files hold: parts in their order, each behind its name.
pub(super) fn files(place: &Path) -> Result<Batches, Failed> {
    let mut batches = Batches::new();
    let Ok(directories) = fs::read_dir(place.join("out")) else {
        return Ok(batches);
    };
    for directory in directories {
        let path = directory?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What begins with a dot is not in place yet.
        let Some((sink, time)) = name.rsplit_once('-').filter(|_| !name.starts_with('.')) else {
            continue;
        };
        let mut parts = Vec::new();
        for part in fs::read_dir(&path)? {
            parts.push(part?.path());
        }
        parts.sort();
        let mut content = String::new();
        for part in parts {
            let name = part.file_name().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(&part)?;
            write!(content, "{PART}{name}\n{text}")?;
        }
        batches.insert((sink.to_owned(), time.parse()?), content);
    }
    Ok(batches)
}

const PART: &str = "== ";

fn rows(content: &str) -> impl Iterator<Item = &str> {
    content.lines().filter(|line| !line.starts_with(PART))
}

/// The same with times from 0, one a batch.
pub(super) fn numbered(batches: Batches) -> Batches {
    let zero = batches.keys().map(|(_, time)| *time).min().unwrap_or(0);
    let batches = batches.into_iter();
    let batches = batches.map(|((sink, time), content)| ((sink, (time - zero) / 1_000), content));
    batches.collect()
}

/// Cuts a table's rows into batches, which are as long as those of the files that have the same.
pub(super) fn add_table(
    batches: &mut Batches,
    twins: &Batches,
    table: &[String],
) -> Result<(), Failed> {
    let mut rest = table;
    for ((sink, number), twin) in twins {
        if sink != Table::TWIN || rest.is_empty() {
            continue;
        }
        let length = rows(twin).count();
        let Some((batch, others)) = rest.split_at_checked(length).filter(|_| length > 0) else {
            let there = rest.len();
            return Err(Failed(format!(
                "{there} of {length} rows of batch {number}: a transaction is there in part"
            )));
        };
        batches.insert((Table::NAME.to_owned(), *number), batch.join("\n"));
        rest = others;
    }
    match rest.is_empty() {
        true => Ok(()),
        false => Err(Failed(format!("{} rows too many in the table", rest.len()))),
    }
}

/// Each batch that is there is as expected, and only of the newest some sinks may lack theirs.
pub(super) fn compare(found: &Batches, expected: &Batches) -> Result<Look, Failed> {
    for ((sink, number), content) in found {
        match expected.get(&(sink.clone(), *number)) {
            Some(expected) if expected == content => {}
            Some(_) => return Err(Failed(format!("batch {number} of {sink} is another"))),
            None => return Err(Failed(format!("nobody expects batch {number} of {sink}"))),
        }
    }
    let newest = found.keys().map(|(_, number)| *number).max();
    let missing = |number: i64| {
        let of = expected.keys().filter(move |(_, at)| *at == number);
        of.filter(|key| !found.contains_key(*key))
    };
    for (sink, number) in expected.keys() {
        let is_older = newest.is_some_and(|newest| *number < newest);
        if is_older && !found.contains_key(&(sink.clone(), *number)) {
            return Err(Failed(format!("batch {number} of {sink} is lost")));
        }
    }
    Ok(Look {
        batches: found
            .keys()
            .map(|(_, number)| number)
            .collect::<BTreeSet<_>>()
            .len() as u64,
        partial: newest.is_some_and(|newest| missing(newest).next().is_some()),
    })
}

/// What must hold of batches by the wall clock, which no two runs make alike: those that were there
/// stay as they were, the sinks agree, and of the newest only some may lack theirs.
pub(super) fn agree(found: &Batches, before: &Batches) -> Result<Look, Failed> {
    let sinks: BTreeSet<&String> = found.keys().map(|(sink, _)| sink).collect();
    let times: BTreeSet<i64> = found.keys().map(|(_, time)| *time).collect();
    let newest = times.last().copied();
    let newest_before = before.keys().map(|(_, time)| *time).max();
    for ((sink, time), content) in before {
        let now = found.get(&(sink.clone(), *time));
        // What was not committed is replaced by the same, and may be under way.
        let may_lack = newest_before == Some(*time) && now.is_none();
        if now != Some(content) && !may_lack {
            return Err(Failed(format!("batch {time} of {sink} is not what it was")));
        }
    }
    let (mut counts, mut pieces) = (BTreeMap::<&str, u64>::new(), Vec::new());
    let mut partial = false;
    let first = times.first().copied().unwrap_or(0);
    for (at, time) in (0..).zip(&times) {
        if first + at * 100 != *time {
            return Err(Failed(format!("there is no batch {}", first + at * 100)));
        }
        let of = |sink: &str| found.get(&(sink.to_owned(), *time));
        let lacks = sinks.iter().any(|sink| of(sink).is_none());
        if lacks && newest != Some(*time) {
            return Err(Failed(format!("a sink has no batch {time}")));
        }
        partial |= lacks;
        let Some(lines) = of("lines") else {
            continue;
        };
        let lines: Vec<&str> = rows(lines).collect();
        for word in lines.iter().flat_map(|line| line.split(' ')) {
            *counts.entry(word).or_default() += 1;
        }
        pieces.push(lines);
        if let Some(totals) = of("totals") {
            let totals: BTreeSet<_> = rows(totals).map(str::to_owned).collect();
            let counts = counts
                .iter()
                .map(|(word, count)| format!("({word},{count})"));
            if totals != counts.collect() {
                return Err(Failed(format!("the totals of {time} are others")));
            }
        }
        if let Some(window) = of("windows") {
            let last = pieces[pieces.len().saturating_sub(3)..].concat();
            if rows(window).collect::<Vec<_>>() != last {
                return Err(Failed(format!("the window of {time} is another")));
            }
        }
    }
    let batches = times.len() as u64;
    Ok(Look { batches, partial })
}

/// The numbers of the lines that batches have, in order.
pub(super) fn received(found: &Batches) -> Result<Vec<usize>, Failed> {
    let mut numbers = Vec::new();
    for (_, content) in found.iter().filter(|((sink, _), _)| sink == "lines") {
        for row in rows(content) {
            let number = row.rsplit_once('n').map(|(_, number)| number.parse());
            let Some(Ok(number)) = number.filter(|_| !row.is_empty()) else {
                return Err(Failed(format!("nobody sent {row:?}")));
            };
            if row != line(number) {
                return Err(Failed(format!("nobody sent {row:?}")));
            }
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// Each line is there once, in order.
pub(super) fn are_all_there_once(numbers: &[usize]) -> Result<(), Failed> {
    let distinct: BTreeSet<_> = numbers.iter().collect();
    let (twice, lost) = (numbers.len() - distinct.len(), LINES - distinct.len());
    match (twice, lost, numbers.is_sorted()) {
        (0, 0, true) => Ok(()),
        (0, 0, false) => Err(Failed("lines are in another order".to_owned())),
        _ => Err(Failed(format!(
            "{lost} lines are lost, {twice} are there twice"
        ))),
    }
}

/// Lines come once and in order, and of each connection only the last may be missing: those that no
/// block held when the process died. Answers with how many.
pub(super) fn are_prefixes(
    numbers: &[usize],
    connections: &[(usize, usize)],
) -> Result<u64, Failed> {
    if !numbers.is_sorted_by(|a, b| a < b) {
        return Err(Failed("a line is there twice, or out of order".to_owned()));
    }
    let mut lost = 0;
    for (from, to) in connections {
        let got = numbers
            .iter()
            .filter(|number| (*from..*to).contains(*number));
        let got: Vec<usize> = got.copied().collect();
        if got != (*from..*from + got.len()).collect::<Vec<_>>() {
            return Err(Failed(format!(
                "of lines {from} to {to} some in the middle are lost"
            )));
        }
        lost += to - from - got.len();
    }
    Ok(lost as u64)
}
