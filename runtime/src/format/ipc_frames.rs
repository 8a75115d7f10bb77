//! Whether bytes are an Arrow IPC stream whose parts lie inside of it. The reader of the crate takes
//! that for granted: lengths that lie make it panic, or ask for memory without end.

use arrow_ipc::{MessageHeader, RecordBatch, Type, root_as_message};

/// What stands before the length of a message.
const CONTINUES: [u8; 4] = [0xff; 4];

/// Checks every message up to the end of the stream; answers with what is wrong.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    let mut items = Vec::new();
    while !rest.is_empty() {
        let length = number(&mut rest)?;
        let length = match length == CONTINUES {
            true => number(&mut rest)?,
            false => length,
        };
        let length = i32::from_le_bytes(length);
        if length == 0 {
            return Ok(()); // the end of the stream
        }
        let message = take(&mut rest, i64::from(length), "a message")?;
        let message = root_as_message(message).map_err(|error| error.to_string())?;
        let body = take(&mut rest, message.bodyLength(), "the body of a message")?;
        match message.header_type() {
            MessageHeader::Schema => {
                let schema = message.header_as_schema();
                let schema = schema.ok_or("a message has no header")?;
                items.clear();
                for field in schema.fields().into_iter().flatten() {
                    items_of(field, &mut items)?;
                }
            }
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch();
                check_batch(batch.ok_or("a message has no header")?, &items, body.len())?;
            }
            other => return Err(format!("a message is {other:?}, and no rows")),
        }
    }
    Ok(())
}

/// Bytes of an item in each buffer of a column of the kinds that rsrt writes.
fn items_of(field: arrow_ipc::Field<'_>, items: &mut Vec<i64>) -> Result<(), String> {
    const VALIDITY: i64 = 1;
    if field.dictionary().is_some() {
        return Err("a column has a dictionary, which no row has".to_owned());
    }
    match field.type_type() {
        Type::Bool => items.extend([VALIDITY, 1]),
        Type::Int | Type::FloatingPoint | Type::Timestamp => items.extend([VALIDITY, 8]),
        Type::Utf8 | Type::Binary => items.extend([VALIDITY, 4, 1]),
        Type::List => {
            items.extend([VALIDITY, 4]);
            let mut inner = field.children().into_iter().flatten();
            match (inner.next(), inner.next()) {
                // Lists are lists of plain values.
                (Some(inner), None) if inner.type_type() != Type::List => {
                    items_of(inner, items)?;
                }
                _ => return Err("a list is not one of plain values".to_owned()),
            }
        }
        other => return Err(format!("a column is {other:?}, which no row has")),
    }
    Ok(())
}

/// Everything that a batch speaks of lies in its body, in whole items, and has no more rows than
/// bytes can hold.
fn check_batch(batch: RecordBatch<'_>, items: &[i64], body: usize) -> Result<(), String> {
    if batch.compression().is_some() {
        return Err("rows are compressed".to_owned());
    }
    for buffer in batch.buffers().into_iter().flatten() {
        let end = buffer.offset().checked_add(buffer.length());
        let end = end.and_then(|end| usize::try_from(end).ok());
        if buffer.offset() < 0 || buffer.length() < 0 || end.is_none_or(|end| end > body) {
            return Err("a buffer lies outside of its message".to_owned());
        }
    }
    let buffers = batch.buffers().into_iter().flatten();
    if buffers.zip(items).any(|(it, item)| it.length() % item != 0) {
        return Err("a buffer ends in the middle of an item".to_owned());
    }
    // A bit is the least that a row of any column has.
    let most = i64::try_from(body.saturating_mul(8)).unwrap_or(i64::MAX);
    let nodes = batch.nodes().into_iter().flatten();
    let mut counts = nodes.flat_map(|node| [node.length(), node.null_count()]);
    if counts.any(|count| !(0..=most).contains(&count)) || !(0..=most).contains(&batch.length()) {
        return Err("a batch has more rows than bytes".to_owned());
    }
    Ok(())
}

fn number(rest: &mut &[u8]) -> Result<[u8; 4], String> {
    let (number, behind) = rest.split_first_chunk().ok_or("the bytes end early")?;
    *rest = behind;
    Ok(*number)
}

fn take<'b>(rest: &mut &'b [u8], length: i64, what: &str) -> Result<&'b [u8], String> {
    let length = usize::try_from(length).ok();
    let parts = length.and_then(|length| rest.split_at_checked(length));
    let (part, behind) = parts.ok_or_else(|| format!("{what} is longer than the bytes"))?;
    *rest = behind;
    Ok(part)
}
