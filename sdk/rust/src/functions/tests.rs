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

#[test]
fn a_flat_map_tells_where_rows_came_from_and_takes_back_rejected_ones() {
    set("min-length", "1");
    let out = process("words", batch::<&str>(["a b", "c d! e", "", "f"]));
    let expected = counted(&[("a", 1), ("b", 1), ("f", 1)]);
    assert_eq!(rows::<(String, i64)>(&out.rows), expected);
    assert_eq!(out.origins, Some(indexes(&[0, 0, 3])));
    let [rejected] = &out.rejected[..] else {
        panic!("{:?}", out.rejected)
    };
    assert_eq!((rejected.row, &*rejected.reason), (1, "\"d!\" is too loud"));
}

#[test]
fn a_fused_function_combines_across_chunks_in_order_of_arrival() {
    set("stop", "x");
    let out = process("words+sum", batch::<&str>(["b a b", "a new! b x"]));
    assert_eq!(out.rows.rows, 0);
    assert_eq!(out.rows.columns.len(), 2);
    assert_eq!(out.rejected.len(), 1);
    process("words+sum", batch::<&str>(["c b"]));
    let all = finish("words+sum").unwrap();
    let expected = counted(&[("b", 3), ("a", 1), ("c", 1)]);
    assert_eq!(rows::<(String, i64)>(&all), expected);
    assert!(finish("words+sum").is_none());
}

#[test]
fn a_fused_function_says_what_it_stands_for() {
    let fusions = ["words+sum", "words+std-sum"].map(|name| described(name).fusion.unwrap());
    assert_eq!((&*fusions[0].first, &*fusions[0].combine), ("words", "sum"));
    assert_eq!(
        (&*fusions[1].first, &*fusions[1].combine),
        ("words", "std:sum")
    );
    assert_eq!(
        described("words").doc,
        "Words of a line, one at a time.\nLines with a `!` are rejected."
    );
}

#[test]
fn maps_and_filters_reject_rows() {
    let out = process("half", batch::<i64>([2, 3, 4]));
    assert_eq!(rows::<i64>(&out.rows), [1, 2]);
    assert_eq!(&*out.rejected[0].reason, "3 is odd");
    let input = batch::<i64>([2, 3, -1, 4]);
    let out = <P as filter::Guest>::select("even".into(), input).unwrap();
    assert_eq!(out.keep, [0b1001]);
    assert_eq!((out.rejected[0].row, out.rejected.len()), (2, 1));
}

#[test]
fn a_partition_keeps_what_it_needs_between_chunks() {
    set("separator", "+");
    let first = process("pairs", batch::<&str>(["a"]));
    assert_eq!(first.rows.rows, 0);
    let second = process("pairs", batch::<&str>(["b", "c"]));
    assert_eq!(rows::<String>(&second.rows), ["a+b"]);
    assert_eq!(rows::<String>(&finish("pairs").unwrap()), ["c"]);
    assert!(finish("pairs").is_none());
}

#[test]
fn a_transform_sees_its_side_first_and_finishes_in_pieces() {
    let side = batch::<(&str, i64)>([("ann", 1), ("bob", 2)]);
    assert_eq!(described("known").sides[0].name, "names");
    <P as transform::Guest>::feed("known".into(), 0, side).unwrap();
    let out = process("known", batch::<&str>(["bob", "eve"]));
    assert_eq!(rows::<(String, i64)>(&out.rows), counted(&[("bob", 2)]));
    assert_eq!(&*out.rejected[0].reason, "unknown name");
    let pieces: Vec<u32> = std::iter::from_fn(|| finish("known"))
        .map(|b| b.rows)
        .collect();
    assert_eq!(pieces, [4096, 904]);
}

#[test]
fn groups_are_reduced_each_for_itself() {
    let grouped = |groups: &[u32], keys: Batch, values: Batch| Grouped {
        keys,
        groups: indexes(groups),
        values,
    };
    let no_keys = Batch {
        rows: 2,
        columns: Vec::new(),
    };
    let input = grouped(&[0, 3, 4], no_keys, batch::<i64>([1, 2, 3, 4]));
    let out = <P as aggregate::Guest>::reduce("sum".into(), input.clone()).unwrap();
    assert_eq!(rows::<i64>(&out), [6, 4]);
    let out = <P as aggregate::Guest>::reduce("subtract".into(), input).unwrap();
    assert_eq!(rows::<i64>(&out), [-4, 4]);
    let keys = batch::<&str>(["zero", "one"]);
    let input = grouped(&[0, 1, 3], keys, batch::<&str>(["a", "b", "c"]));
    let out = <P as aggregate::Guest>::reduce("count".into(), input).unwrap();
    assert_eq!(rows::<i64>(&out), [0, 2]);
}

#[test]
fn reductions_name_their_helpers() {
    let all = <P as aggregate::Guest>::functions();
    let sum = &all[0];
    assert!(sum.associative && sum.keys.is_none());
    assert_eq!(sum.inverse.as_deref(), Some("subtract"));
    assert_eq!(sum.merge.as_deref(), Some("sum"));
    let count = &all[2];
    assert_eq!(count.keys.as_ref().unwrap()[0].name, "key");
    assert_eq!(
        (&*count.output[0].name, count.merge.as_deref()),
        ("value", Some("sum"))
    );
}

fn update(name: &str, input: stateful::Input) -> stateful::Outcome {
    <P as stateful::Guest>::update(name.into(), input).unwrap()
}

#[test]
fn states_are_updated_made_and_forgotten() {
    let out = update(
        "running",
        stateful::Input {
            rows: Grouped {
                keys: Batch {
                    rows: 3,
                    columns: Vec::new(),
                },
                groups: indexes(&[0, 2, 3, 3]),
                values: batch::<i64>([1, 2, -5]),
            },
            states: batch::<i64>([10, 5, 99]),
            present: Some(vec![0b011]),
            expired: None,
        },
    );
    assert_eq!(rows::<i64>(&out.states)[0], 13);
    assert_eq!(out.states.rows, 3);
    assert_eq!(out.keep, Some(vec![0b001]));
    assert!(out.output.columns.is_empty() && out.origins.is_none());
}

/// The example of the interface's README.
#[test]
fn map_with_state_answers_values_in_order_and_says_good_bye() {
    let out = update(
        "numbered",
        stateful::Input {
            rows: Grouped {
                keys: batch::<&str>(["ann", "bob", "cy"]),
                groups: indexes(&[0, 2, 4, 4]),
                values: batch::<&str>(["x", "y", "z", "forget"]),
            },
            states: batch::<i64>([20, 0, 9]),
            present: Some(vec![0b101]),
            expired: Some(vec![0b100]),
        },
    );
    assert_eq!(
        rows::<String>(&out.output),
        ["ann:x:21", "ann:y:22", "bob:z:1", "cy leaves after 9"]
    );
    assert_eq!(out.origins, Some(indexes(&[0, 1, 2, 4 + 2])));
    assert_eq!(rows::<i64>(&out.states)[0], 22);
    assert_eq!(out.keep, Some(vec![0b001]));
}

#[test]
fn old_states_become_new_ones_or_say_which_does_not() {
    let migrate = |since, states| {
        <P as migration::Guest>::migrate("running".into(), since, batch::<&str>(states))
    };
    assert_eq!(rows::<i64>(&migrate(1, ["7", "8"]).unwrap()), [7, 8]);
    let Fault { message, row, .. } = migrate(1, ["7", "x"]).unwrap_err();
    assert_eq!((&*message, row), ("invalid digit found in string", Some(1)));
    let message = migrate(3, ["7", "8"]).unwrap_err().message;
    assert!(
        message.ends_with("no migration of the state of running since version 3"),
        "{message}"
    );
}

#[test]
fn a_sink_function_rejects_rows_and_can_fail_at_the_end() {
    let accept = |rows| <P as foreach::Guest>::accept("out".into(), batch::<i64>(rows));
    let finish = || <P as foreach::Guest>::finish("out".into());
    let rejected = accept([1, 13]).unwrap();
    assert_eq!((rejected[0].row, &*rejected[0].reason), (1, "unlucky"));
    assert!(finish().is_ok());
    accept([2, 3]).unwrap();
    assert_eq!(finish().unwrap_err().message, "too many");
}

#[test]
fn settings_are_checked_before_anything_runs() {
    let resolve = |name: &str, settings: &[(&str, &str)]| {
        let setting = |(name, value): &(&str, &str)| Setting {
            name: (*name).into(),
            value: (*value).into(),
        };
        let settings = settings.iter().map(setting).collect();
        <P as resolution::Guest>::resolve(name.into(), settings, Vec::new())
            .map(|schema| schema.len())
    };
    assert_eq!(
        resolve("words", &[("min-length", "3"), ("stop", "a")]),
        Ok(2)
    );
    assert_eq!(
        resolve("words+sum", &[("min-length", "x")]),
        Err("setting `min-length` is \"x\": invalid digit found in string".into())
    );
    assert_eq!(
        resolve("words", &[("max", "3")]),
        Err("unknown setting `max`: the function takes min-length, stop".into())
    );
    assert_eq!(
        resolve("sum", &[("max", "3")]),
        Err("unknown setting `max`: the function takes none".into())
    );
    assert_eq!(resolve("running", &[]), Ok(1));
    assert_eq!(resolve("even", &[]), Ok(0));
    assert_eq!(
        resolve("none", &[]),
        Err(format!("plugin {} has no such function: none", P::NAME))
    );
}
