//! Functions run as the host runs them: through the plugin's exports, chunk by chunk.

use crate::{
    abi::{
        Exports as _,
        columns::{Batch, Grouped},
        exports::{aggregate, filter, foreach, migration, resolution, stateful, transform},
        faults::Fault,
        settings::Setting,
    },
    emitter::{Collect, Sink as _},
    prelude::*,
    row::{Columns, Room, Row},
    session::set_test_settings,
};

mod keyed;
mod rows;

/// What `words` is set to.
#[derive(Settings)]
struct Words {
    #[setting(default = 1)]
    min_length: usize,
    stop: Option<String>,
}

/// Words of a line, one at a time.
/// Lines with a `!` are rejected.
#[rsrt::flat_map(combine = [sum, "std:sum"])]
fn words(
    #[settings] set: &Words,
    line: &str,
    out: &mut Emitter<(&str, i64)>,
) -> Result<(), Reject> {
    for word in line.split(' ') {
        if word.contains('!') {
            return Err(reject(format!("{word:?} is too loud")));
        }
        if word.len() >= set.min_length && set.stop.as_deref() != Some(word) {
            out.emit((word, 1));
        }
    }
    Ok(())
}

#[rsrt::reduce(associative, inverse = subtract, merge = sum)]
fn sum(a: i64, b: i64) -> i64 {
    a + b
}

#[rsrt::reduce]
fn subtract(a: i64, b: i64) -> i64 {
    a - b
}

#[rsrt::map]
fn half(n: i64) -> Result<i64, String> {
    (n % 2 == 0).then_some(n / 2).ok_or(format!("{n} is odd"))
}

#[rsrt::filter]
fn even(n: i64) -> Result<bool, Reject> {
    if n < 0 {
        return Err(reject("below zero"));
    }
    Ok(n % 2 == 0)
}

/// Numbers rows and keeps those that are left over.
struct Pairs {
    waiting: Option<String>,
    separator: String,
}

#[derive(Settings)]
struct PairSettings {
    #[setting(default = "-")]
    separator: String,
}

/// Two rows as one.
#[rsrt::map_partitions]
impl Pairs {
    fn start(settings: &PairSettings) -> Self {
        Self {
            waiting: None,
            separator: settings.separator.clone(),
        }
    }

    fn process(&mut self, row: &str, out: &mut Emitter<String>) {
        match self.waiting.take() {
            Some(first) => out.emit(format!("{first}{}{row}", self.separator)),
            None => self.waiting = Some(row.to_owned()),
        }
    }

    fn finish(&mut self, out: &mut Emitter<String>) {
        if let Some(row) = self.waiting.take() {
            out.emit(row);
        }
    }
}

#[derive(Default)]
struct Known {
    names: Vec<(String, i64)>,
}

/// Numbers of names, from a side; and the whole side again at the end, many times.
#[rsrt::transform]
impl Known {
    #[side]
    fn names(&mut self, (name, number): (&str, i64)) {
        self.names.push((name.to_owned(), number));
    }

    fn process(&mut self, name: &str, out: &mut Emitter<(&str, i64)>) -> Result<(), Reject> {
        let found = self.names.iter().find(|(known, _)| known == name);
        let (_, number) = found.ok_or("unknown name")?;
        out.emit((name, *number));
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "the form of `finish`")]
    fn finish(&mut self, out: &mut Emitter<(&str, i64)>) {
        for n in 0..5000 {
            out.emit(("end", n));
        }
    }
}

#[rsrt::aggregate(merge = sum)]
fn count(key: &str, values: &[&str]) -> i64 {
    let len = i64::try_from(values.len()).unwrap();
    if key == "zero" { 0 } else { len }
}

#[rsrt::update_state(version = 2)]
fn running(new: &[i64], state: Option<i64>) -> Option<i64> {
    let total = state.unwrap_or(0) + new.iter().sum::<i64>();
    (total != 0).then_some(total)
}

#[rsrt::migrate(function = running, since = 1)]
fn running_from_text(old: &str) -> Result<i64, std::num::ParseIntError> {
    old.parse()
}

#[rsrt::map_with_state]
fn numbered(key: &str, value: Option<&str>, seen: &mut State<i64>) -> Option<String> {
    let before = *seen.get().unwrap_or(&0);
    let Some(value) = value else {
        assert!(seen.is_timing_out());
        return Some(format!("{key} leaves after {before}"));
    };
    if value == "forget" {
        seen.remove();
        return None;
    }
    seen.update(before + 1);
    Some(format!("{key}:{value}:{}", before + 1))
}

#[derive(Default)]
struct Out {
    rows: i64,
}

#[rsrt::foreach]
impl Out {
    fn accept(&mut self, row: i64) -> Result<(), Reject> {
        self.rows += 1;
        if row == 13 {
            Err(reject("unlucky"))
        } else {
            Ok(())
        }
    }
    fn finish(&mut self) -> Result<(), Reject> {
        if self.rows > 3 {
            Err(reject("too many"))
        } else {
            Ok(())
        }
    }
}

rsrt::plugin! {
    words, sum, subtract, half, even, Pairs, Known, count, running, running_from_text, numbered, Out
}

type P = __RsrtPlugin;

fn batch<'a, T: Row>(rows: impl IntoIterator<Item = T::Ref<'a>>) -> Batch {
    let mut out = Collect::<T>::whole(Room::default());
    rows.into_iter().for_each(|row| out.put(row));
    out.close()
}

/// The rows of a batch.
fn rows<T: for<'a> Row<Ref<'a> = T>>(batch: &Batch) -> Vec<T> {
    let reader = T::read(&mut Columns::of(batch)).unwrap();
    (0..batch.rows as usize)
        .map(|at| T::get(&reader, at))
        .collect()
}

fn indexes(of: &[u32]) -> Vec<u8> {
    of.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn set(name: &str, value: &str) {
    set_test_settings(vec![(name.into(), value.into())]);
}

fn process(name: &str, input: Batch) -> transform::Outcome {
    <P as transform::Guest>::process(name.into(), input).unwrap()
}

fn finish(name: &str) -> Option<Batch> {
    <P as transform::Guest>::finish(name.into()).unwrap()
}

fn described(name: &str) -> transform::Function {
    let all = <P as transform::Guest>::functions();
    all.into_iter()
        .find(|function| function.name == name)
        .unwrap()
}

fn counted(words: &[(&str, i64)]) -> Vec<(String, i64)> {
    words
        .iter()
        .map(|(word, n)| ((*word).to_owned(), *n))
        .collect()
}
