//! Bytes to chunks and back. Pure: no I/O, no clock.
//!
//! What one row looks like, by its kind and by the shape that its columns' names spell:
//!
//! | | text (`print`, `text-files`) | JSON (`json-files`; `queue` and cases) |
//! |---|---|---|
//! | boolean | `true` | `true` |
//! | int64 | `-5` | `-5`, exact |
//! | float64 | as Scala: `1.0`, `1.0E10`, `NaN`, `-Infinity` | number, or `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | utf8 | as it is, without quotes | string |
//! | binary | `00ff`: hexadecimal, lower case | `"00ff"` |
//! | timestamp | `2026-01-01T00:00:00.000Z` (outside of the years 0-9999: milliseconds) | written as in text by `json-files`, as milliseconds by cases; read as either |
//! | null | `null` | `null` |
//! | plain `T` | `T` | `T` |
//! | pair | `(k,v)` | `[k, v]` |
//! | tuple (names are numbers) | `(a,b)` | `[a, b]` |
//! | record (names are words) | `{user: ann, amount: 1.5}` | `{"user": "ann", "amount": 1.5}` |
//! | list | `[a, b]` | `[a, b]` |
//! | list of tuples | `[(a,1), (b,2)]` | `[["a", 1], ["b", 2]]` |
//! | listed columns of one group | `[{user: ann, amount: 1.5}]` | `[{"user": "ann", "amount": 1.5}]` |
//! | join | `(k,(l,r))`; a side that may be absent is `Some(l)` or `None` | `[k, [l, r]]`; an absent side is `null` |
//!
//! Text escapes nothing, as in Spark: a newline inside a value is a newline in the output.

mod cells;
mod columns;
mod decode;
mod ipc;
mod ipc_frames;
mod ipc_rows;
mod json;
mod layout;
mod number;
mod text;
mod timestamp;

pub use cells::WrongColumns;
pub(crate) use cells::{Cell, Cells};
pub use decode::{DecodeError, Decoded, InvalidLine, LineDecoder, LineSplitter, Lines};
pub use ipc::{IpcError, read_rows, rows_as_text, rows_from_bytes, rows_to_bytes, rows_to_ipc};
pub use ipc_rows::IpcRows;
pub use json::{RowError, RowJson, rows_from_json, rows_to_json};
pub use text::RowText;
pub(crate) use timestamp::write_timestamp;
pub(crate) use timestamp::{civil, parse_timestamp};

#[cfg(test)]
mod tests;
