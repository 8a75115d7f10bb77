//! `format` and the keys that go with it: how a line becomes a row.

use std::num::NonZeroUsize;

use super::{schema, table::Table};
use crate::{
    model::{Kind, Schema},
    topology::{
        Decoder, Format, OnInvalid,
        problem::{ProblemKind, Problems},
    },
};

/// `max-line`: a longer line is more likely a file without lines.
pub(super) const MAX_LINE: NonZeroUsize = NonZeroUsize::MIN.saturating_add((1 << 20) - 1);
/// `separator` of csv.
pub(super) const SEPARATOR: u8 = b',';
/// `header` of csv.
pub(super) const HEADER: bool = false;
/// `on-invalid` of text: what Spark's readers do with broken UTF-8.
const ON_INVALID_TEXT: OnInvalid = OnInvalid::Replace;
/// `on-invalid` of other formats.
const ON_INVALID: OnInvalid = OnInvalid::Reject;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Text,
    Json,
    Csv,
    Binary,
}

const NAMES: [(&str, Name); 4] = [
    ("text", Name::Text),
    ("json", Name::Json),
    ("csv", Name::Csv),
    ("binary", Name::Binary),
];

/// Reads the format's keys. Each part is none if it could not be read.
pub(super) fn read(
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> (Option<Decoder>, Option<Schema>) {
    let before = table.has("format");
    let name = table.choice("format", &NAMES, problems);
    let Some(name) = name.or((!before).then_some(Name::Text)) else {
        // Whether the other keys fit is not known.
        for key in ["schema", "separator", "header", "on-invalid", "max-line"] {
            table.take(key);
        }
        return (None, None);
    };
    let schema = match name {
        Name::Text => Some(Schema::plain(Kind::Utf8)),
        Name::Binary => Some(Schema::plain(Kind::Binary)),
        Name::Json | Name::Csv => table
            .require("schema", problems)
            .and_then(|value| schema::read_columns(&value, problems)),
    };
    let format = match name {
        Name::Text => Format::Text,
        Name::Binary => Format::Binary,
        Name::Json => Format::Json,
        Name::Csv => {
            if let Some(schema) = &schema {
                refuse_what_csv_cannot_hold(schema, table, problems);
            }
            Format::Csv {
                separator: read_separator(table, problems),
                header: table.boolean("header", problems).unwrap_or(HEADER),
            }
        }
    };
    let decoder = Decoder {
        format,
        on_invalid: read_on_invalid(name, table, problems),
        max_line: table.bytes("max-line", problems).unwrap_or(MAX_LINE),
    };
    (Some(decoder), schema)
}

fn read_on_invalid(name: Name, table: &mut Table<'_>, problems: &mut Problems) -> OnInvalid {
    let text: &[_] = &[
        ("replace", OnInvalid::Replace),
        ("reject", OnInvalid::Reject),
        ("fail", OnInvalid::Fail),
    ];
    let (choices, default) = match name {
        Name::Text => (text, ON_INVALID_TEXT),
        // Only broken UTF-8 can be replaced.
        Name::Json | Name::Csv | Name::Binary => (&text[1..], ON_INVALID),
    };
    table
        .choice("on-invalid", choices, problems)
        .unwrap_or(default)
}

fn read_separator(table: &mut Table<'_>, problems: &mut Problems) -> u8 {
    const WANTED: &str = "one ASCII character such as \",\" or \"\\t\"";
    let Some(value) = table.take("separator") else {
        return SEPARATOR;
    };
    let Some(text) = value.text(WANTED, problems) else {
        return SEPARATOR;
    };
    match text.value.as_bytes() {
        [separator] if separator.is_ascii() && !b"\"\r\n".contains(separator) => *separator,
        _ => {
            value.is_bad(
                format!("must be {WANTED}, and no quote or line end"),
                problems,
            );
            SEPARATOR
        }
    }
}

fn refuse_what_csv_cannot_hold(schema: &Schema, table: &Table<'_>, problems: &mut Problems) {
    let mut fields = schema.fields().iter();
    if let Some(field) = fields.find(|field| field.listed || field.kind == Kind::Binary) {
        let key = field.name.clone();
        let why = format!("is {}, which a csv field cannot hold", field.type_text());
        let problem = problems.report(ProblemKind::BadValue { key, why }, table.at);
        problem.help("read it as utf8, or use the format json");
    }
}
