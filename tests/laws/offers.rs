//! What can be done with a stream, with arguments as chosen: as TOML, and as a verb of the reference.

use super::{
    flow::{Column, Flow, Kind},
    reference::{Reducer, Verb},
};
use crate::choices::Choices;

/// What an operator could be: its keys in TOML, what it means, what comes out.
pub(super) struct Offer {
    pub(super) toml: String,
    pub(super) verb: Verb,
    pub(super) inputs: Vec<usize>,
    pub(super) columns: Vec<Column>,
    pub(super) ordered: bool,
}

impl Flow {
    /// Everything that can be done with a stream, with arguments as chosen.
    pub(super) fn offers(&self, input: usize, choices: &mut Choices<'_>) -> Vec<Offer> {
        let stream = &self.streams[input];
        let (columns, ordered) = (&stream.columns, stream.ordered);
        let mut offers = Vec::new();
        let mut offer = |toml: String, verb, columns: &[Column], ordered| {
            offers.push(Offer {
                toml,
                verb,
                inputs: vec![input],
                columns: columns.to_vec(),
                ordered,
            });
        };
        let count = [Column::new("value", Kind::Int)];
        let (partitions, key) = self.partitions(choices);
        let by_key = ordered && partitions == 1;

        offer("count = true".into(), Verb::Count, &count, true);
        let n = choices.below(4) + 1;
        let kept = ordered;
        offer(
            format!("repartition = {n}"),
            Verb::Repartition(n),
            columns,
            kept,
        );
        offer(
            format!("distinct = true{key}"),
            Verb::Distinct,
            columns,
            by_key,
        );
        if let Some(counted) = counted(columns) {
            let verb = Verb::CountByValue;
            offer(
                format!("count-by-value = true{key}"),
                verb,
                &counted,
                by_key,
            );
        }
        let (by, text) = order(columns, choices);
        offer(
            format!("sort = [{text}]"),
            Verb::Sort(by.clone()),
            columns,
            true,
        );
        let n = choices.of(&[1, 2, 3, 7, 5_000, 1 << 62]);
        offer(
            format!("top = {n}\nby = [{text}]"),
            Verb::Top(n, by),
            columns,
            true,
        );
        if ordered {
            offer(format!("limit = {n}"), Verb::Limit(n), columns, true);
        }
        for (function, reducer, out) in reducers(columns, ordered) {
            let reduced = named(&[], columns, &out);
            offer(
                format!("reduce = \"{function}\""),
                Verb::Reduce(reducer),
                &reduced,
                true,
            );
        }
        if let Some((keys, names)) = keys(columns, choices) {
            let (of, values): (Vec<_>, Vec<_>) = (0..columns.len()).partition(|c| keys.contains(c));
            let pick = |at: &[usize]| at.iter().map(|c| columns[*c].clone()).collect::<Vec<_>>();
            let (of, values) = (pick(&of), pick(&values));
            for (function, reducer, out) in reducers(&values, ordered) {
                let verb = Verb::ReduceByKey {
                    keys: keys.clone(),
                    reducer,
                };
                let toml = format!("reduce-by-key = \"{function}\"{names}{key}");
                offer(toml, verb, &named(&of, &values, &out), by_key);
            }
        }
        if is_sum_and_count(columns) {
            let mean = [Column::new("value", Kind::Float)];
            offer("map = \"text:mean\"".into(), Verb::Mean, &mean, ordered);
        }
        self.texts(input, choices, &mut offers);
        self.unions(input, choices, &mut offers);
        offers
    }

    /// What functions do with a column of text.
    fn texts(&self, input: usize, choices: &mut Choices<'_>, offers: &mut Vec<Offer>) {
        let stream = &self.streams[input];
        let is_text = |c: &Column| c.name == "value" && c.kind == Kind::Text && !c.nullable;
        let Some(column) = stream.columns.iter().position(is_text) else {
            return;
        };
        let mut offer = |toml: String, verb, columns: &[Column]| {
            offers.push(Offer {
                toml,
                verb,
                inputs: vec![input],
                columns: columns.to_vec(),
                ordered: stream.ordered,
            });
        };
        let plain = [Column::new("value", Kind::Text)];
        let pair = [
            Column::new("key", Kind::Text),
            Column::new("value", Kind::Int),
        ];
        offer(
            "map = \"text:uppercase\"".into(),
            Verb::Uppercase(column),
            &plain,
        );
        offer("map = \"text:trim\"".into(), Verb::Trim(column), &plain);
        let (pattern, invert) = (choices.of(&["a", "ä", " ", "", "日"]), choices.yes());
        let settings = format!("settings = {{ pattern = \"{pattern}\", invert = {invert} }}");
        let matching = Verb::Matching {
            column,
            pattern,
            invert,
        };
        offer(
            format!("filter = \"text:matching\"\n{settings}"),
            matching,
            &stream.columns,
        );
        if !stream.columns.iter().any(|c| c.name == "reason") {
            let (separator, field) = (choices.of(&[",", " ", "ä"]), choices.below(4));
            let settings = format!("settings = {{ separator = \"{separator}\", field = {field} }}");
            let cut = Verb::Cut {
                column,
                separator,
                field,
            };
            offer(format!("map = \"text:cut\"\n{settings}"), cut, &plain);
        }
        // Twice, as it is what combines early.
        offer("flat-map = \"split\"".into(), Verb::Split(column), &pair);
        offer("flat-map = \"split\"".into(), Verb::Split(column), &pair);
        if stream.ordered {
            offer(
                "map-partitions = \"text:runs\"".into(),
                Verb::Runs(column),
                &pair,
            );
        }
    }

    fn unions(&self, input: usize, choices: &mut Choices<'_>, offers: &mut Vec<Offer>) {
        let columns = &self.streams[input].columns;
        let same = |at: &usize| self.streams[*at].columns == *columns;
        let others: Vec<usize> = (0..self.streams.len()).filter(same).collect();
        let mut inputs = vec![input, choices.of(&others)];
        if choices.yes() {
            inputs.insert(0, choices.of(&others));
        }
        let names = inputs
            .iter()
            .map(|at| format!("\"{}\"", self.streams[*at].name));
        let names = names.collect::<Vec<_>>().join(", ");
        offers.push(Offer {
            toml: format!("union = true\ninput = [{names}]"),
            verb: Verb::Union,
            columns: columns.clone(),
            ordered: inputs.iter().all(|at| self.streams[*at].ordered),
            inputs,
        });
    }

    /// How many partitions come after a shuffle by key, and the line that says so.
    fn partitions(&self, choices: &mut Choices<'_>) -> (usize, String) {
        match choices.below(5) {
            0 => (self.parallelism, String::new()),
            n => (n, format!("\npartitions = {n}")),
        }
    }
}

/// The columns of `count-by-value`.
fn counted(columns: &[Column]) -> Option<Vec<Column>> {
    if columns.iter().any(|c| c.name.contains('.')) {
        return None;
    }
    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    let name = |at: usize| match &names[..] {
        ["value"] => "key".to_owned(),
        ["key", "value"] => format!("key.{at}"),
        _ => format!("key.{}", names[at]),
    };
    let keys = columns.iter().enumerate().map(|(at, column)| Column {
        name: name(at),
        ..column.clone()
    });
    Some(keys.chain([Column::new("value", Kind::Int)]).collect())
}

/// Some columns to sort by.
fn order(columns: &[Column], choices: &mut Choices<'_>) -> (Vec<(usize, bool)>, String) {
    let first = choices.below(columns.len());
    let count = choices.below(columns.len()) + 1;
    let by = (0..count).map(|n| ((first + n) % columns.len(), choices.yes()));
    let by: Vec<_> = by.collect();
    let text = by.iter().map(|(column, descending)| {
        let direction = ["", " desc"][usize::from(*descending)];
        format!("\"{}{direction}\"", columns[*column].name)
    });
    let text = text.collect::<Vec<_>>().join(", ");
    (by, text)
}

/// Columns that can be a key, and the line that names them.
fn keys(columns: &[Column], choices: &mut Choices<'_>) -> Option<(Vec<usize>, String)> {
    let at = |head: &str| -> Vec<usize> {
        let under = |c: &Column| c.name.split('.').next() == Some(head);
        (0..columns.len())
            .filter(|at| under(&columns[*at]))
            .collect()
    };
    let (keys, values) = (at("key"), at("value"));
    if !keys.is_empty() && keys.len() + values.len() == columns.len() {
        let named = choices.yes();
        return Some((
            keys,
            ["", "\nkey = [\"key\"]"][usize::from(named)].to_owned(),
        ));
    }
    if columns.len() < 2 {
        return None;
    }
    let one = choices.below(columns.len());
    Some((vec![one], format!("\nkey = [\"{}\"]", columns[one].name)))
}

type Offered = (&'static str, Reducer, Vec<Column>);

/// What values can be reduced with, and what comes out.
fn reducers(values: &[Column], ordered: bool) -> Vec<Offered> {
    let count = vec![Column::new("value", Kind::Int)];
    let mut offers = vec![("std:count", Reducer::StdCount, count.clone())];
    if ordered {
        offers.push(("std:first", Reducer::StdFirst, values.to_vec()));
        offers.push(("std:last", Reducer::StdLast, values.to_vec()));
    }
    if let [value] = values {
        let same = vec![value.clone()];
        offers.push(("std:min", Reducer::StdMin, same.clone()));
        offers.push(("std:max", Reducer::StdMax, same.clone()));
        if matches!(value.kind, Kind::Int | Kind::Float) {
            offers.push(("std:sum", Reducer::StdSum, same.clone()));
        }
        match (value.kind, value.nullable) {
            (Kind::Int, false) => {
                offers.push(("sum", Reducer::Sum, count.clone()));
                offers.push(("sum", Reducer::Sum, count.clone()));
                if ordered {
                    offers.push(("subtract", Reducer::Subtract, count));
                }
            }
            (Kind::Text, false) if ordered => {
                offers.push(("text:longest", Reducer::Longest, same));
            }
            (Kind::Float, false) => {
                let out = ["value.0", "value.1"]
                    .into_iter()
                    .zip([Kind::Float, Kind::Int]);
                let out = out.map(|(name, kind)| Column::new(name, kind)).collect();
                offers.push(("text:sum-and-count", Reducer::SumAndCount, out));
            }
            _ => {}
        }
    }
    if is_sum_and_count(values) {
        offers.push(("text:add-sums", Reducer::AddSums, values.to_vec()));
    }
    offers
}

fn is_sum_and_count(columns: &[Column]) -> bool {
    let kinds: Vec<_> = columns.iter().map(|c| (c.kind, c.nullable)).collect();
    kinds == [(Kind::Float, false), (Kind::Int, false)]
}

/// What comes out of a reduction, named as the values if they are as many and of the same kinds,
/// else as the function has it.
fn named(keys: &[Column], values: &[Column], out: &[Column]) -> Vec<Column> {
    let kinds = |columns: &[Column]| columns.iter().map(|c| c.kind).collect::<Vec<_>>();
    let agree = kinds(values) == kinds(out);
    let clash = keys.iter().any(|key| key.name == "value");
    let out = out.iter().enumerate().map(|(at, column)| Column {
        name: match (agree, clash) {
            (true, _) => values[at].name.clone(),
            (false, true) => column.name.replacen("value", "result", 1),
            (false, false) => column.name.clone(),
        },
        ..column.clone()
    });
    keys.iter().cloned().chain(out).collect()
}
