//! Whether a case came out as it was to. Pure.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::{Captured, Case};
use crate::model::BatchTime;

/// What came of a case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Got {
    /// What each sink got, in the order of the topology.
    pub sinks: Vec<Captured>,
    /// Batches that were run, in order, with the errors of those that failed.
    pub batches: Vec<(BatchTime, Vec<String>)>,
    /// How many rows operators left out of each batch, by their names.
    pub left_out: Vec<BTreeMap<String, u64>>,
    /// Nothing could be run.
    pub load_error: Option<String>,
}

/// What is wrong with a case's outcome; nothing, if it passed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// In order of batch, then sink.
    pub differences: Vec<Difference>,
}

impl Verdict {
    /// It came out as it was to.
    pub fn is_passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Something that came out otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// A sink got another batch.
    Batch {
        /// Which sink, by its place in the topology.
        sink: usize,
        /// From 1.
        number: usize,
        /// When.
        time: BatchTime,
        /// None: no batch.
        expected: Option<Vec<Value>>,
        /// None: no batch.
        got: Option<Vec<Value>>,
    },
    /// The list of a sink ends before the batches do.
    NotListed {
        /// Which sink, by its place in the topology.
        sink: usize,
        /// Batches that were run.
        ran: usize,
        /// Batches in the list.
        listed: usize,
    },
    /// An operator left out another number of rows.
    LeftOut {
        /// The operator.
        operator: String,
        /// From 1.
        number: usize,
        /// When.
        time: BatchTime,
        /// Rows.
        expected: u64,
        /// Rows.
        got: u64,
    },
    /// An error came that was not expected, or another than expected.
    Error {
        /// What the case expects; none: no error.
        expected: Option<String>,
        /// What came.
        got: String,
    },
    /// The error that was expected did not come.
    NoError {
        /// What the case expects.
        expected: String,
    },
}

/// Compares what a case expects with what came of it. Batches that failed are not compared.
pub fn judge(case: &Case, got: &Got) -> Verdict {
    let mut differences = Vec::new();
    let errors = got.batches.iter().flat_map(|(_, errors)| errors);
    let errors: Vec<&String> = got.load_error.iter().chain(errors).collect();
    for (at, (time, errors)) in got.batches.iter().enumerate() {
        if errors.is_empty() {
            compare(case, at, *time, got, &mut differences);
        }
    }
    if case.expect_error.is_none() && errors.is_empty() {
        let ran = got.batches.len();
        for (sink, listed) in case.expect.iter().enumerate() {
            if let Some(listed) = listed
                && listed.len() < ran
            {
                let listed = listed.len();
                differences.push(Difference::NotListed { sink, ran, listed });
            }
        }
    }
    match &case.expect_error {
        Some(expected) if errors.is_empty() => differences.push(Difference::NoError {
            expected: expected.clone(),
        }),
        expected => {
            let is_expected = |error: &&&String| {
                expected
                    .as_ref()
                    .is_some_and(|e| error.contains(e.as_str()))
            };
            let others = errors.iter().filter(|error| !is_expected(error));
            differences.extend(others.map(|error| Difference::Error {
                expected: expected.clone(),
                got: (*error).clone(),
            }));
        }
    }
    Verdict { differences }
}

fn compare(case: &Case, at: usize, time: BatchTime, got: &Got, differences: &mut Vec<Difference>) {
    for (operator, expected) in &case.left_out {
        let expected = expected.get(at).copied().unwrap_or(0);
        let got = got.left_out.get(at).and_then(|counts| counts.get(operator));
        let got = got.copied().unwrap_or(0);
        if got != expected {
            differences.push(Difference::LeftOut {
                operator: operator.clone(),
                number: at + 1,
                time,
                expected,
                got,
            });
        }
    }
    for (sink, (expect, captured)) in case.expect.iter().zip(&got.sinks).enumerate() {
        let Some(expected) = expect.as_ref().and_then(|batches| batches.get(at)) else {
            continue;
        };
        let got = captured.get(&time);
        if !is_same(expected.as_deref(), got.map(Vec::as_slice), case.ordered) {
            differences.push(Difference::Batch {
                sink,
                number: at + 1,
                time,
                expected: expected.clone(),
                got: got.cloned(),
            });
        }
    }
}

fn is_same(expected: Option<&[Value]>, got: Option<&[Value]>, ordered: bool) -> bool {
    match (expected, got) {
        (None, None) => true,
        (Some(expected), Some(got)) => {
            let (mut expected, mut got) = (keys(expected), keys(got));
            if !ordered {
                expected.sort_unstable();
                got.sort_unstable();
            }
            expected == got
        }
        _ => false,
    }
}

/// Rows as text that is equal if and only if they are.
fn keys(rows: &[Value]) -> Vec<String> {
    rows.iter()
        .map(|row| without_signs(row).to_string())
        .collect()
}

/// Both sides were written by schema, so numbers of equal value are equal text, but for -0.0, which
/// is 0.0.
fn without_signs(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.as_str() == "-0.0" => {
            Number::from_f64(0.0).map_or(Value::Null, Value::Number)
        }
        Value::Array(values) => values.iter().map(without_signs).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| (name.clone(), without_signs(value)))
                .collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn time(number: usize) -> BatchTime {
        BatchTime::from_millis(i64::try_from(number).unwrap() * 1_000)
    }

    fn case(expect: Value, ordered: bool, expect_error: Option<&str>) -> Case {
        let expect: Vec<_> = serde_json::from_value(json!([expect])).unwrap();
        Case {
            name: "c".into(),
            sources: Vec::new(),
            batches: 3,
            expect,
            ordered,
            restart_after: Vec::new(),
            left_out: BTreeMap::new(),
            expect_error: expect_error.map(Into::into),
        }
    }

    /// Batches as the one sink got them; an object's `error` is why that batch failed.
    fn got(batches: Value) -> Got {
        let mut got = Got {
            sinks: vec![Captured::new()],
            ..Got::default()
        };
        for (at, batch) in batches.as_array().unwrap().iter().enumerate() {
            let time = time(at + 1);
            let mut errors = Vec::new();
            match batch {
                Value::Array(rows) => drop(got.sinks[0].insert(time, rows.clone())),
                Value::Object(failed) => errors.push(failed["error"].as_str().unwrap().to_owned()),
                _ => {}
            }
            got.batches.push((time, errors));
        }
        got
    }

    fn passes(case: &Case, batches: Value) -> bool {
        judge(case, &got(batches)).is_passed()
    }

    #[test]
    fn a_batch_is_compared_as_a_multiset_unless_its_order_counts() {
        let rows = json!([[["a", 1], ["b", 2], ["a", 1]]]);
        // got, ordered, passes
        let cases = [
            (json!([[["a", 1], ["b", 2], ["a", 1]]]), true, true),
            (json!([[["a", 1], ["a", 1], ["b", 2]]]), true, false),
            (json!([[["a", 1], ["a", 1], ["b", 2]]]), false, true),
            (json!([[["a", 1], ["b", 2], ["b", 2]]]), false, false),
            (json!([[["a", 1], ["b", 2]]]), false, false),
            (json!([[]]), false, false),
            (json!([null]), false, false),
        ];
        for (batches, ordered, expected) in cases {
            let case = case(rows.clone(), ordered, None);
            assert_eq!(
                passes(&case, batches.clone()),
                expected,
                "{batches} {ordered}"
            );
        }
    }

    #[test]
    fn no_batch_is_not_an_empty_batch() {
        let case = case(json!([null, []]), false, None);
        assert!(passes(&case, json!([null, []])));
        assert!(!passes(&case, json!([[], null])));
    }

    #[test]
    fn minus_zero_is_zero_and_the_order_of_fields_does_not_count() {
        let case = case(json!([[{"a": 0.0, "b": 1}]]), false, None);
        assert!(passes(&case, json!([[{"b": 1, "a": -0.0}]])));
        assert!(!passes(&case, json!([[{"b": 1, "a": 0.5}]])));
    }

    #[test]
    fn a_sink_that_is_not_named_is_not_compared() {
        let case = case(Value::Null, false, None);
        assert!(passes(&case, json!([[1], null])));
    }

    #[test]
    fn every_batch_that_was_run_must_be_listed() {
        let case = case(json!([[1]]), false, None);
        assert!(passes(&case, json!([[1]])));
        assert_eq!(
            judge(&case, &got(json!([[1], []]))).differences,
            [Difference::NotListed {
                sink: 0,
                ran: 2,
                listed: 1
            }]
        );
    }

    #[test]
    fn an_expected_error_must_come_and_what_did_not_fail_is_compared() {
        let failed = json!({"error": "batch 2000 ms: it broke"});
        let expecting = |expect| case(expect, false, Some("it broke"));
        let rows = expecting(json!([[1], null, [3]]));
        // The run stopped at the failed batch, or went on behind it.
        assert!(passes(&rows, json!([[1], failed])));
        assert!(passes(&rows, json!([[1], failed, [3]])));
        assert!(!passes(&rows, json!([[1], failed, [4]])));
        assert!(!passes(&rows, json!([[2], failed])));
        assert_eq!(
            judge(&expecting(Value::Null), &got(json!([[1]]))).differences,
            [Difference::NoError {
                expected: "it broke".into()
            }]
        );
        let other = json!([{"error": "batch 1000 ms: something else"}]);
        assert!(!passes(&expecting(Value::Null), other.clone()));
        assert!(!passes(&case(Value::Null, false, None), other));
    }

    #[test]
    fn an_error_at_load_is_an_error() {
        let got = Got {
            load_error: Some("no plugin is called `text`".into()),
            ..Got::default()
        };
        assert!(judge(&case(Value::Null, false, Some("is called `text`")), &got).is_passed());
        assert!(!judge(&case(json!([[1]]), false, None), &got).is_passed());
    }
}
