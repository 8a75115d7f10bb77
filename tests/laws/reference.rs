//! What every verb means, over lists of rows: a partition is a list, a batch is a list of
//! partitions. Written from the rules (`runtime/TOPOLOGY.md`, spec 5) and not from the runtime; slow
//! and plain on purpose.

use std::{cmp::Ordering, iter};

use super::cell::{Cell, Row, key};

/// The partitions of a batch, in order.
pub(super) type Rows = Vec<Vec<Row>>;

/// What an operator does. Numbers of columns are places in a row.
#[derive(Debug, Clone)]
pub(super) enum Verb {
    /// `text:uppercase` of a column.
    Uppercase(usize),
    /// `text:trim` of a column.
    Trim(usize),
    /// `text:matching` of a column.
    Matching {
        column: usize,
        pattern: &'static str,
        invert: bool,
    },
    /// `text:cut` of a column; a row without the field is rejected.
    Cut {
        column: usize,
        separator: &'static str,
        field: usize,
    },
    /// `split` of `word-count`.
    Split(usize),
    /// `text:runs`, over each partition.
    Runs(usize),
    /// `text:mean` of the first column, a sum, and the second, a number.
    Mean,
    Reduce(Reducer),
    ReduceByKey {
        keys: Vec<usize>,
        reducer: Reducer,
    },
    Count,
    CountByValue,
    Union,
    Repartition(usize),
    Distinct,
    /// Columns, and whether the greatest comes first.
    Sort(Vec<(usize, bool)>),
    Top(usize, Vec<(usize, bool)>),
    Limit(usize),
}

/// How the values of a key become one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reducer {
    StdSum,
    StdMin,
    StdMax,
    StdCount,
    StdFirst,
    StdLast,
    /// `sum` of `word-count`.
    Sum,
    /// `subtract` of `word-count`: not associative, so it must see all values in order.
    Subtract,
    /// `text:longest`.
    Longest,
    /// `text:sum-and-count`.
    SumAndCount,
    /// `text:add-sums`.
    AddSums,
}

/// The rows that come out, and those that are rejected.
pub(super) fn apply(verb: &Verb, inputs: &[&Rows]) -> (Rows, Rows) {
    let input = inputs[0];
    let none = || vec![Vec::new(); input.len()];
    let out = match verb {
        Verb::Uppercase(c) => each(input, |row| {
            vec![text(row, *c).to_uppercase().as_str().into()]
        }),
        Verb::Trim(c) => each(input, |row| vec![text(row, *c).trim().into()]),
        Verb::Matching {
            column,
            pattern,
            invert,
        } => {
            let keeps = |row: &&Row| text(row, *column).contains(pattern) != *invert;
            let kept = input.iter().map(|rows| rows.iter().filter(keeps));
            kept.map(|rows| rows.cloned().collect()).collect()
        }
        Verb::Cut {
            column,
            separator,
            field,
        } => return cut(input, *column, separator, *field),
        Verb::Split(c) => {
            let words = |row: &Row| -> Vec<Row> {
                let words = text(row, *c).split_whitespace();
                words.map(|w| vec![w.into(), Cell::Int(1)]).collect()
            };
            let rows = input.iter();
            rows.map(|rows| rows.iter().flat_map(words).collect())
                .collect()
        }
        Verb::Runs(c) => input.iter().map(|rows| runs(rows, *c)).collect(),
        #[expect(clippy::cast_precision_loss, reason = "as the plugin does")]
        Verb::Mean => each(input, |row| match &row[0] {
            Cell::Float(sum) => vec![Cell::float(sum / row[1].int() as f64)],
            other => panic!("{other:?} is no sum"),
        }),
        Verb::Reduce(reducer) => {
            let rows: Vec<&Row> = input.iter().flatten().collect();
            match rows.is_empty() {
                true => vec![Vec::new()],
                false => vec![vec![reduce(*reducer, &rows)]],
            }
        }
        Verb::ReduceByKey { keys, reducer } => vec![reduce_by_key(input, keys, *reducer)],
        Verb::Count => {
            let rows = input.iter().flatten().count();
            vec![vec![vec![Cell::Int(i64::try_from(rows).unwrap())]]]
        }
        Verb::CountByValue => {
            let groups = grouped(input, std::clone::Clone::clone);
            let count = |(row, all): (Row, Vec<&Row>)| {
                let n = Cell::Int(i64::try_from(all.len()).unwrap());
                row.into_iter().chain([n]).collect()
            };
            vec![groups.into_iter().map(count).collect()]
        }
        Verb::Union => inputs.iter().flat_map(|rows| (*rows).clone()).collect(),
        Verb::Repartition(n) => {
            let mut dealt = vec![Vec::new(); *n];
            for (p, rows) in input.iter().enumerate() {
                for (i, row) in rows.iter().enumerate() {
                    dealt[(p + i) % n].push(row.clone());
                }
            }
            dealt
        }
        Verb::Distinct => {
            let groups = grouped(input, std::clone::Clone::clone).into_iter();
            vec![groups.map(|(row, _)| row).collect()]
        }
        Verb::Sort(by) => vec![sorted(input, by)],
        Verb::Top(n, by) => vec![sorted(input, by).into_iter().take(*n).collect()],
        Verb::Limit(n) => vec![input.iter().flatten().take(*n).cloned().collect()],
    };
    (out, none())
}

fn text(row: &Row, column: usize) -> &str {
    match &row[column] {
        Cell::Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn each(input: &Rows, f: impl Fn(&Row) -> Row) -> Rows {
    let rows = input.iter();
    rows.map(|rows| rows.iter().map(&f).collect()).collect()
}

fn cut(input: &Rows, column: usize, separator: &str, field: usize) -> (Rows, Rows) {
    let (mut out, mut rejected) = (Vec::new(), Vec::new());
    for rows in input {
        let (mut kept, mut bad) = (Vec::new(), Vec::new());
        for row in rows {
            let mut fields = text(row, column).split(separator);
            let found = match field {
                0 => Err("fields count from 1".to_owned()),
                _ => fields
                    .nth(field - 1)
                    .ok_or(format!("there is no field {field}")),
            };
            match found {
                Ok(found) => kept.push(vec![found.into()]),
                Err(reason) => {
                    bad.push(
                        row.iter()
                            .cloned()
                            .chain([reason.as_str().into()])
                            .collect(),
                    );
                }
            }
        }
        out.push(kept);
        rejected.push(bad);
    }
    (out, rejected)
}

fn runs(rows: &[Row], column: usize) -> Vec<Row> {
    let same = |a: &Row, b: &Row| text(a, column) == text(b, column);
    let runs = rows.chunk_by(same);
    runs.map(|run| {
        let n = i64::try_from(run.len()).unwrap();
        vec![text(&run[0], column).into(), Cell::Int(n)]
    })
    .collect()
}

/// Rows with the same key, keys in the order of their first arrival.
fn grouped(input: &Rows, of: impl Fn(&Row) -> Row) -> Vec<(Row, Vec<&Row>)> {
    let mut groups: Vec<(Row, Vec<&Row>)> = Vec::new();
    let mut at = std::collections::HashMap::new();
    for row in input.iter().flatten() {
        let cells = of(row);
        let group = *at.entry(key(&cells)).or_insert_with(|| {
            groups.push((cells, Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(row);
    }
    groups
}

fn reduce_by_key(input: &Rows, keys: &[usize], reducer: Reducer) -> Vec<Row> {
    let pick = |row: &Row| keys.iter().map(|k| row[*k].clone()).collect();
    let groups = grouped(input, pick).into_iter();
    groups
        .map(|(key, rows)| {
            let values: Vec<Row> = rows
                .iter()
                .map(|row| {
                    let cells = row.iter().enumerate();
                    let rest = cells.filter(|(at, _)| !keys.contains(at));
                    rest.map(|(_, cell)| cell.clone()).collect()
                })
                .collect();
            let values: Vec<&Row> = values.iter().collect();
            key.into_iter().chain(reduce(reducer, &values)).collect()
        })
        .collect()
}

/// One row of at least one, which stand in batch order.
fn reduce(reducer: Reducer, rows: &[&Row]) -> Row {
    let cells = || rows.iter().map(|row| &row[0]);
    let ints = || cells().map(Cell::int);
    let present = || cells().filter(|cell| **cell != Cell::Null);
    let one = |cell: Cell| vec![cell];
    match reducer {
        Reducer::StdSum => one(present()
            .cloned()
            .reduce(|a, b| a + b)
            .unwrap_or(Cell::Null)),
        Reducer::StdMin => one(present()
            .min_by(|a, b| a.order(b))
            .cloned()
            .unwrap_or(Cell::Null)),
        Reducer::StdMax => one(present()
            .max_by(|a, b| a.order(b))
            .cloned()
            .unwrap_or(Cell::Null)),
        Reducer::StdCount => one(Cell::Int(i64::try_from(rows.len()).unwrap())),
        Reducer::StdFirst => rows[0].clone(),
        Reducer::StdLast => rows[rows.len() - 1].clone(),
        Reducer::Sum => one(Cell::Int(ints().sum())),
        Reducer::Subtract => one(Cell::Int(ints().reduce(|a, b| a - b).unwrap())),
        Reducer::Longest => {
            let texts = rows.iter().map(|row| text(row, 0));
            let length = |text: &str| text.chars().count();
            let texts = texts.reduce(|a, b| if length(b) > length(a) { b } else { a });
            one(texts.unwrap().into())
        }
        Reducer::SumAndCount => {
            let sum = cells().cloned().fold(Cell::Float(0.0), |a, b| a + b);
            vec![sum, Cell::Int(i64::try_from(rows.len()).unwrap())]
        }
        Reducer::AddSums => {
            let sum = cells().cloned().reduce(|a, b| a + b).unwrap();
            vec![sum, Cell::Int(rows.iter().map(|row| row[1].int()).sum())]
        }
    }
}

fn sorted(input: &Rows, by: &[(usize, bool)]) -> Vec<Row> {
    let mut rows: Vec<Row> = input.iter().flatten().cloned().collect();
    let width = rows.first().map_or(0, Vec::len);
    let unnamed = (0..width).filter(|c| by.iter().all(|(named, _)| named != c));
    let columns: Vec<(usize, bool)> = by
        .iter()
        .copied()
        .chain(unnamed.zip(iter::repeat(false)))
        .collect();
    rows.sort_by(|a, b| {
        let orders = columns
            .iter()
            .map(|(c, descending)| match (&a[*c], &b[*c]) {
                (Cell::Null, Cell::Null) => Ordering::Equal,
                (Cell::Null, _) => Ordering::Greater, // last in either direction
                (_, Cell::Null) => Ordering::Less,
                (a, b) if *descending => b.order(a),
                (a, b) => a.order(b),
            });
        orders.fold(Ordering::Equal, Ordering::then)
    });
    rows
}
