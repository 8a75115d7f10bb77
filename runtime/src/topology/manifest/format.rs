//! `format` and the keys that go with it: how a line becomes a row.

use std::num::NonZeroUsize;

use miette::SourceSpan;

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

/// A format, as topologies name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormatName {
    Text,
    Json,
    Csv,
    Binary,
}

const NAMES: [(&str, FormatName); 4] = [
    ("text", FormatName::Text),
    ("json", FormatName::Json),
    ("csv", FormatName::Csv),
    ("binary", FormatName::Binary),
];

/// The columns of a format that has no others.
pub(super) fn own_schema(name: FormatName) -> Option<Schema> {
    match name {
        FormatName::Text => Some(Schema::plain(Kind::Utf8)),
        FormatName::Binary => Some(Schema::plain(Kind::Binary)),
        FormatName::Json | FormatName::Csv => None,
    }
}

/// What reads a data set whose format is only known by the file's name. A line that is no row
/// fails: data that are there in part would be wrong in silence.
pub(super) fn decoder_of(name: FormatName) -> Decoder {
    Decoder {
        format: match name {
            FormatName::Text => Format::Text,
            FormatName::Binary => Format::Binary,
            FormatName::Json => Format::Json,
            FormatName::Csv => Format::Csv {
                separator: SEPARATOR,
                header: HEADER,
            },
        },
        on_invalid: on_invalid_of_data_sets(name),
        max_line: MAX_LINE,
    }
}

fn on_invalid_of_data_sets(name: FormatName) -> OnInvalid {
    match name {
        FormatName::Text => ON_INVALID_TEXT,
        FormatName::Json | FormatName::Csv | FormatName::Binary => OnInvalid::Fail,
    }
}

/// Reads the keys of the format of a data set. The decoder is none if it could not be read, the
/// schema also if it is not said.
pub(super) fn read_data_set(
    table: &mut Table<'_>,
    usual: FormatName,
    problems: &mut Problems,
) -> (Option<Decoder>, Option<Schema>) {
    let Some(name) = read_name(table, usual, problems) else {
        return (None, None);
    };
    let schema = own_schema(name).or_else(|| {
        let value = table.take("schema")?;
        schema::read_type_or_columns(&value, problems)
    });
    let on_invalid = on_invalid_of_data_sets(name);
    let decoder = read_decoder(name, on_invalid, table, problems);
    (Some(decoder), schema)
}

/// Reads the format's keys. Each part is none if it could not be read.
pub(super) fn read(
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> (Option<Decoder>, Option<Schema>) {
    let Some(name) = read_name(table, FormatName::Text, problems) else {
        return (None, None);
    };
    let schema = own_schema(name).or_else(|| {
        let value = table.require("schema", problems)?;
        schema::read_columns(&value, problems)
    });
    let on_invalid = match name {
        FormatName::Text => ON_INVALID_TEXT,
        FormatName::Json | FormatName::Csv | FormatName::Binary => ON_INVALID,
    };
    if let (FormatName::Csv, Some(schema)) = (name, &schema) {
        fits_csv(schema, table.at, problems);
    }
    let decoder = read_decoder(name, on_invalid, table, problems);
    (Some(decoder), schema)
}

fn read_name(
    table: &mut Table<'_>,
    usual: FormatName,
    problems: &mut Problems,
) -> Option<FormatName> {
    let is_there = table.has("format");
    let name = table.choice("format", &NAMES, problems);
    let name = name.or((!is_there).then_some(usual));
    if name.is_none() {
        // Whether the other keys fit is not known.
        for key in ["schema", "separator", "header", "on-invalid", "max-line"] {
            table.take(key);
        }
    }
    name
}

fn read_decoder(
    name: FormatName,
    on_invalid: OnInvalid,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Decoder {
    let format = match name {
        FormatName::Text => Format::Text,
        FormatName::Binary => Format::Binary,
        FormatName::Json => Format::Json,
        FormatName::Csv => Format::Csv {
            separator: read_separator(table, problems),
            header: table.boolean("header", problems).unwrap_or(HEADER),
        },
    };
    Decoder {
        format,
        on_invalid: read_on_invalid(name, on_invalid, table, problems),
        max_line: table.bytes("max-line", problems).unwrap_or(MAX_LINE),
    }
}

fn read_on_invalid(
    name: FormatName,
    default: OnInvalid,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> OnInvalid {
    let text: &[_] = &[
        ("replace", OnInvalid::Replace),
        ("reject", OnInvalid::Reject),
        ("fail", OnInvalid::Fail),
    ];
    let choices = match name {
        FormatName::Text => text,
        // Only broken UTF-8 can be replaced.
        FormatName::Json | FormatName::Csv | FormatName::Binary => &text[1..],
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

/// Reports a column that a csv field cannot hold.
pub(super) fn fits_csv(schema: &Schema, at: SourceSpan, problems: &mut Problems) -> bool {
    let mut fields = schema.fields().iter();
    let misfit = fields.find(|field| field.listed || field.kind == Kind::Binary);
    if let Some(field) = misfit {
        let key = field.name.clone();
        let why = format!("is {}, which a csv field cannot hold", field.type_text());
        let problem = problems.report(ProblemKind::BadValue { key, why }, at);
        problem.help("read it as utf8, or use the format json");
    }
    misfit.is_none()
}
