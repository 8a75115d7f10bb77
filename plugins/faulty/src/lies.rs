//! Functions whose results break the interface's rules: made by hand, as the SDK cannot.
//!
//! Each takes lines and says that it returns one column `value`. What it returns is an honest result
//! (a row `ab` for each line), changed in one way.

use rsrt::{
    abi::{
        columns::{Batch, Column, Field, Kind, Nesting},
        exports::{
            filter::{self, Selection},
            transform::{self, Outcome, Verb},
        },
        faults::{Fault, Rejected},
    },
    functions::{Entry, Exported, FilterEntry, TransformEntry},
};

/// Stands for this module's functions in the plugin's list.
#[expect(non_camel_case_types, reason = "the list looks for this name")]
pub(crate) enum __rsrt_lies {}

impl Exported for __rsrt_lies {
    const ENTRIES: &'static [Entry] = LIES;
}

/// A function that does to an honest result what `$lie` says.
macro_rules! lie {
    ($verb:ident, $kind:ident, $name:literal, $doc:literal, |$out:ident| $lie:expr) => {
        lie!($verb, $kind, $name, $doc, || Ok(None), |input| {
            let mut outcome = Outcome {
                rows: honest(input.rows),
                origins: None,
                rejected: Vec::new(),
            };
            let $out = &mut outcome;
            $lie;
            Ok(outcome)
        })
    };
    ($verb:ident, $kind:ident, $name:literal, $doc:literal, $finish:expr, $process:expr) => {
        Entry::Transform(TransformEntry {
            name: $name,
            describe: || transform::Function {
                name: $name.into(),
                verb: Verb::$verb,
                input: Some(vec![field(Kind::Utf8)]),
                sides: Vec::new(),
                output: vec![field(Kind::$kind)],
                fusion: None,
                doc: $doc.into(),
            },
            feed: |_, _| Ok(()),
            process: $process,
            finish: $finish,
            resolve: |_| Ok(vec![field(Kind::$kind)]),
        })
    };
}

#[rustfmt::skip]
const LIES: &[Entry] = &[
    lie!(Map, Utf8, "loses-a-row", "A map that returns a row too few.", |out| out.rows = honest(out.rows.rows - 1)),
    lie!(Map, Utf8, "miscounts-rows", "Says one row more than its column has.", |out| out.rows.rows += 1),
    lie!(Map, Utf8, "falling-offsets", "Offsets that decrease.", |out| set_offset(out, 1, 1 << 20)),
    lie!(Map, Utf8, "offsets-past-the-data", "A last offset past the data.", |out| set_offset(out, out.rows.rows, 1 << 30)),
    lie!(Map, Utf8, "late-first-offset", "A first offset that is not 0.", |out| set_offset(out, 0, 1)),
    lie!(Map, Utf8, "missing-offset", "One offset too few.", |out| drop(column(out).offsets.drain(..4))),
    lie!(Map, Utf8, "odd-offsets", "Offsets of a length that is no multiple of 4.", |out| column(out).offsets.push(0)),
    lie!(Map, Utf8, "invalid-utf8", "Text that is not UTF-8.", |out| column(out).data.fill(0xff)),
    lie!(Map, Utf8, "split-characters", "UTF-8 as a whole, but not row by row.", |out| split_characters(out)),
    lie!(Map, Utf8, "unexpected-nulls", "Nulls where none may be.", |out| column(out).validity = Some(vec![0; out.rows.rows.div_ceil(8) as usize])),
    lie!(Map, Utf8, "short-bitmap", "A validity bitmap that is too short.", |out| column(out).validity = Some(Vec::new())),
    lie!(Map, Utf8, "long-bitmap", "A validity bitmap that is too long.", |out| column(out).validity = Some(vec![0xff; out.rows.rows as usize + 9])),
    lie!(Map, Int64, "wrong-kind", "Says int64 and returns text.", |out| column(out).kind = Kind::Utf8),
    lie!(Map, Int64, "short-numbers", "Numbers of seven bytes.", |out| short_numbers(out)),
    lie!(Map, Utf8, "extra-column", "One column more than it says.", |out| out.rows.columns.extend(honest(out.rows.rows).columns)),
    lie!(Map, Utf8, "no-columns", "Rows without columns.", |out| out.rows.columns.clear()),
    lie!(Map, Utf8, "unexpected-lists", "Lists where plain values should be.", |out| lists(out)),
    lie!(FlatMap, Utf8, "gigantic-output", "A row of 64 MiB.", |out| gigantic(out)),
    lie!(FlatMap, Utf8, "origins-past-the-input", "Rows that came from no row.", |out| out.origins = Some(vec![0xff; out.rows.rows as usize * 4])),
    lie!(FlatMap, Utf8, "missing-origins", "Fewer origins than rows.", |out| out.origins = Some(Vec::new())),
    lie!(FlatMap, Utf8, "rejects-no-row", "Rejects a row that it was not given.", |out| reject(out, &[u32::MAX])),
    lie!(FlatMap, Utf8, "rejects-twice", "Rejects the same row twice.", |out| reject(out, &[0, 0])),
    lie!(Map, Utf8, "fails", "Returns a fault and blames the first row.", || Ok(None), |_| Err(Fault {
        message: "this function always fails".into(),
        row: Some(0),
        detail: "in lies.rs".into(),
    })),
    lie!(Map, Utf8, "blames-no-row", "Returns a fault and blames a row that is not there.", || Ok(None), |_| Err(Fault {
        message: "this function always fails".into(),
        row: Some(u32::MAX),
        detail: String::new(),
    })),
    lie!(MapPartitions, Utf8, "never-finishes", "Finishing goes on for ever.", || Ok(Some(honest(1))), |input| Ok(Outcome {
        rows: honest(input.rows),
        origins: None,
        rejected: Vec::new(),
    })),
    Entry::Filter(FilterEntry {
        name: "short-selection",
        describe: || filter::Function {
            name: "short-selection".into(),
            input: Some(vec![field(Kind::Utf8)]),
            doc: "A filter that says nothing of its rows.".into(),
        },
        select: |_| Ok(Selection { keep: Vec::new(), rejected: Vec::new() }),
        resolve: |_| Ok(Vec::new()),
    }),
];

fn field(kind: Kind) -> Field {
    Field {
        name: "value".into(),
        kind,
        nullable: false,
        listed: false,
    }
}

/// This many rows `ab`, without a lie.
fn honest(rows: u32) -> Batch {
    let column = Column {
        kind: Kind::Utf8,
        offsets: (0..=rows).flat_map(|row| (row * 2).to_le_bytes()).collect(),
        data: b"ab".repeat(rows as usize),
        validity: None,
        lists: None,
    };
    Batch {
        rows,
        columns: vec![column],
    }
}

fn column(out: &mut Outcome) -> &mut Column {
    &mut out.rows.columns[0]
}

fn set_offset(out: &mut Outcome, at: u32, offset: u32) {
    let start = at as usize * 4;
    column(out).offsets[start..start + 4].copy_from_slice(&offset.to_le_bytes());
}

/// Each character of two bytes lies half in one row and half in the next.
fn split_characters(out: &mut Outcome) {
    let data = &mut column(out).data;
    let inner = data.len() - 1;
    for character in data[1..inner].chunks_exact_mut(2) {
        character.copy_from_slice("é".as_bytes());
    }
}

fn short_numbers(out: &mut Outcome) {
    let data = vec![1; out.rows.rows as usize * 7];
    *column(out) = Column {
        kind: Kind::Int64,
        offsets: Vec::new(),
        data,
        validity: None,
        lists: None,
    };
}

fn lists(out: &mut Outcome) {
    column(out).lists = Some(Nesting {
        offsets: (0..=out.rows.rows).flat_map(u32::to_le_bytes).collect(),
        validity: None,
    });
}

fn gigantic(out: &mut Outcome) {
    const SIZE: u32 = 64 << 20;
    out.rows = honest(1);
    column(out).data = vec![b'x'; SIZE as usize];
    set_offset(out, 1, SIZE);
}

fn reject(out: &mut Outcome, rows: &[u32]) {
    let rejected = |row: &u32| Rejected {
        row: *row,
        reason: "no reason".into(),
    };
    out.rejected = rows.iter().map(rejected).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(rows: u32) -> Outcome {
        Outcome {
            rows: honest(rows),
            origins: None,
            rejected: Vec::new(),
        }
    }

    #[test]
    fn split_characters_are_utf8_only_as_a_whole() {
        let mut out = outcome(3);
        split_characters(&mut out);
        let data = &column(&mut out).data;
        assert!(str::from_utf8(data).is_ok());
        assert!(str::from_utf8(&data[..2]).is_err());
    }

    #[test]
    fn every_lie_differs_from_an_honest_result() {
        for lie in LIES {
            let Entry::Transform(entry) = lie else {
                continue;
            };
            let input = honest(3);
            let same = (entry.process)(input).is_ok_and(|out| {
                out.rows.rows == 3 && format!("{out:?}") == format!("{:?}", outcome(3))
            });
            let declared = (entry.describe)().output[0].kind;
            let lies = !same || declared != Kind::Utf8 || entry.name == "never-finishes";
            assert!(lies, "{}", entry.name);
        }
    }
}
