//! What people and programs are told of cases. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::output::counted;
use crate::cases::{Difference, Verdict};

/// Rows shown of a batch, at most.
const MOST_ROWS: usize = 50;

/// A case that was run.
pub(super) struct Judged {
    pub(super) name: String,
    /// That were run.
    pub(super) batches: usize,
    /// Names, by place in the topology.
    pub(super) sinks: Vec<String>,
    pub(super) verdict: Verdict,
}

impl Judged {
    pub(super) fn is_passed(&self) -> bool {
        self.verdict.is_passed()
    }

    fn sink(&self, at: usize) -> &str {
        self.sinks.get(at).map_or("", String::as_str)
    }
}

/// A line per case, what is wrong below those that failed, and how many there are of each.
pub(super) fn text(cases: &[Judged]) -> String {
    let mut text = String::new();
    for case in cases {
        let word = if case.is_passed() { "passed" } else { "FAILED" };
        let batches = counted(case.batches as u64, "batch", "batches");
        // Writing to memory does not fail.
        let _ = writeln!(text, "{word}  {} ({batches})", case.name);
        for difference in &case.verdict.differences {
            text.push_str(&describe(case, difference));
        }
    }
    let passed = cases.iter().filter(|case| case.is_passed()).count();
    let _ = writeln!(text, "\n{passed} passed, {} failed", cases.len() - passed);
    text
}

fn describe(case: &Judged, difference: &Difference) -> String {
    match difference {
        Difference::Batch {
            sink,
            number,
            time,
            expected,
            got,
        } => format!(
            "  sink {}, batch {number} ({time})\n    expected {}\n    got      {}\n",
            case.sink(*sink),
            rows(expected.as_deref()),
            rows(got.as_deref())
        ),
        Difference::NotListed { sink, ran, listed } => format!(
            "  sink {}: {ran} batches were run, but {listed} are listed in `expect`; write [] for an empty batch, null for none\n",
            case.sink(*sink)
        ),
        Difference::LeftOut {
            operator,
            number,
            time,
            expected,
            got,
        } => format!(
            "  operator {operator}, batch {number} ({time})\n    expected {} left out\n    got      {got}\n",
            counted(*expected, "row", "rows"),
        ),
        Difference::Error { expected, got } => {
            let expected = match expected {
                Some(expected) => format!("an error with {expected:?}"),
                None => "no error".to_owned(),
            };
            let got = got.replace('\n', "\n             ");
            format!("  expected {expected}\n    got      {got}\n")
        }
        Difference::NoError { expected } => {
            format!("  expected an error with {expected:?}\n    got      no error\n")
        }
    }
}

fn rows(rows: Option<&[Value]>) -> String {
    match rows {
        None => "no batch".to_owned(),
        Some([]) => "an empty batch".to_owned(),
        Some(rows) => {
            let shown = rows.iter().take(MOST_ROWS).map(Value::to_string);
            let shown = shown.collect::<Vec<_>>().join(" ");
            match rows.len().checked_sub(MOST_ROWS) {
                None | Some(0) => shown,
                Some(more) => format!("{shown} and {more} more"),
            }
        }
    }
}

/// `{"passed": n, "failed": n, "cases": [{"name", "passed", "batches", "differences"}]}`.
pub(super) fn json(cases: &[Judged]) -> Value {
    let passed = cases.iter().filter(|case| case.is_passed()).count();
    let each = cases.iter().map(|case| {
        let differences = case.verdict.differences.iter();
        json!({
            "name": case.name,
            "passed": case.is_passed(),
            "batches": case.batches,
            "differences": differences.map(|d| difference(case, d)).collect::<Vec<_>>(),
        })
    });
    json!({
        "passed": passed,
        "failed": cases.len() - passed,
        "cases": each.collect::<Vec<_>>(),
    })
}

fn difference(case: &Judged, difference: &Difference) -> Value {
    match difference {
        Difference::Batch {
            sink,
            number,
            time,
            expected,
            got,
        } => json!({
            "kind": "batch",
            "sink": case.sink(*sink),
            "batch": number,
            "time": time.as_millis(),
            "expected": expected,
            "got": got,
        }),
        Difference::NotListed { sink, ran, listed } => json!({
            "kind": "not-listed",
            "sink": case.sink(*sink),
            "expected": ran,
            "got": listed,
        }),
        Difference::LeftOut {
            operator,
            number,
            time,
            expected,
            got,
        } => json!({
            "kind": "left-out",
            "operator": operator,
            "batch": number,
            "time": time.as_millis(),
            "expected": expected,
            "got": got,
        }),
        Difference::Error { expected, got } => json!({
            "kind": "error",
            "expected": expected,
            "got": got,
        }),
        Difference::NoError { expected } => json!({
            "kind": "no-error",
            "expected": expected,
            "got": null,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BatchTime;

    #[test]
    fn what_failed_shows_expected_against_got() {
        let case = |name: &str, differences| Judged {
            name: name.to_owned(),
            batches: 2,
            sinks: vec!["out".to_owned()],
            verdict: Verdict { differences },
        };
        let batch = |expected: Value, got: Value| Difference::Batch {
            sink: 0,
            number: 1,
            time: BatchTime::from_millis(1_000),
            expected: serde_json::from_value(expected).unwrap(),
            got: serde_json::from_value(got).unwrap(),
        };
        let cases = [
            case("good", Vec::new()),
            case(
                "bad",
                vec![
                    batch(json!([["a", 1], ["b", 2]]), json!([])),
                    batch(Value::Null, json!([1.0])),
                    Difference::NotListed {
                        sink: 0,
                        ran: 2,
                        listed: 1,
                    },
                    Difference::Error {
                        expected: None,
                        got: "batch 1000 ms: it broke\nat f".into(),
                    },
                    Difference::NoError {
                        expected: "broke".into(),
                    },
                ],
            ),
        ];
        insta::assert_snapshot!(text(&cases));
        insta::assert_snapshot!(format!("{:#}", json(&cases)));
    }

    #[test]
    fn of_many_rows_some_are_shown() {
        let many: Vec<Value> = (0..60).map(Value::from).collect();
        assert!(rows(Some(&many)).ends_with(" 49 and 10 more"));
    }
}
