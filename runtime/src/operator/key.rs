//! The bytes of a key, and the partition they belong to.
//!
//! Routing and state outlive releases, so the encoding is ours and fixed: column after column, a
//! byte 0 for null, else a byte 1 and then
//!
//! | kind | bytes |
//! |---|---|
//! | boolean | 0 or 1 |
//! | int64, timestamp | eight, little-endian |
//! | float64 | eight, little-endian; -0.0 as 0.0, every NaN as one |
//! | utf8, binary | length in four bytes, little-endian, then the bytes |
//! | a list | number of items in four bytes, little-endian, then each item as above |
//!
//! The partition is XXH3-64 of that with seed 0, modulo the number of partitions.

use arrow_array::{
    Array, ArrayRef,
    cast::AsArray,
    types::{Float64Type, Int64Type, TimestampMillisecondType},
};
use arrow_schema::DataType;
use xxhash_rust::xxh3::xxh3_64;

/// Writes keys as bytes.
#[derive(Debug)]
pub struct KeyEncoder<'a> {
    columns: &'a [ArrayRef],
}

impl<'a> KeyEncoder<'a> {
    /// Encodes rows of these columns.
    pub fn new(columns: &'a [ArrayRef]) -> Self {
        Self { columns }
    }

    /// Puts the encoded key of `row` at the end of `to`.
    pub fn encode(&self, row: usize, to: &mut Vec<u8>) {
        for column in self.columns {
            encode_item(column, row, to);
        }
    }
}

fn encode_item(column: &ArrayRef, row: usize, to: &mut Vec<u8>) {
    if column.is_null(row) {
        to.push(0);
        return;
    }
    to.push(1);
    match column.data_type() {
        DataType::Boolean => to.push(u8::from(column.as_boolean().value(row))),
        DataType::Int64 => {
            to.extend_from_slice(&column.as_primitive::<Int64Type>().value(row).to_le_bytes());
        }
        DataType::Timestamp(..) => {
            let millis = column.as_primitive::<TimestampMillisecondType>().value(row);
            to.extend_from_slice(&millis.to_le_bytes());
        }
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            to.extend_from_slice(&canonical(value).to_le_bytes());
        }
        DataType::Utf8 => variable(column.as_string::<i32>().value(row).as_bytes(), to),
        DataType::Binary => variable(column.as_binary::<i32>().value(row), to),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            length(items.len(), to);
            for item in 0..items.len() {
                encode_item(&items, item, to);
            }
        }
        // No stream has columns of another type.
        _ => {}
    }
}

/// One bit pattern for each value that counts as one key.
fn canonical(value: f64) -> f64 {
    if value == 0.0 {
        0.0
    } else if value.is_nan() {
        f64::NAN
    } else {
        value
    }
}

fn variable(bytes: &[u8], to: &mut Vec<u8>) {
    length(bytes.len(), to);
    to.extend_from_slice(bytes);
}

fn length(length: usize, to: &mut Vec<u8>) {
    // Arrow's offsets are below 2^31.
    to.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// The partition of an encoded key.
pub fn partition_of(key: &[u8], partitions: usize) -> usize {
    let partitions = partitions.max(1) as u64;
    usize::try_from(xxh3_64(key) % partitions).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray, types::Int64Type,
    };

    use super::*;

    fn encoded(column: ArrayRef, row: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        KeyEncoder::new(&[column]).encode(row, &mut bytes);
        bytes
    }

    #[test]
    fn keys_have_the_bytes_that_state_was_written_with() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("the"), Some(""), None]));
        assert_eq!(encoded(text.clone(), 0), b"\x01\x03\0\0\0the");
        assert_eq!(encoded(text.clone(), 1), b"\x01\0\0\0\0");
        assert_eq!(encoded(text, 2), b"\0");
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![-2]));
        assert_eq!(encoded(ints, 0), b"\x01\xfe\xff\xff\xff\xff\xff\xff\xff");
        let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\xff"]));
        assert_eq!(encoded(bytes, 0), b"\x01\x01\0\0\0\xff");
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        assert_eq!(encoded(flags, 0), b"\x01\x01");
        let list =
            arrow_array::ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None])]);
        assert_eq!(
            encoded(Arc::new(list), 0),
            b"\x01\x02\0\0\0\x01\x01\0\0\0\0\0\0\0\0"
        );
    }

    #[test]
    fn floats_that_are_one_key_have_one_encoding() {
        let odd_nan = f64::from_bits(0xfff8_0000_0000_0001);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, odd_nan]));
        assert_eq!(encoded(floats.clone(), 0), encoded(floats.clone(), 1));
        assert_eq!(encoded(floats.clone(), 2), encoded(floats, 3));
    }

    #[test]
    fn keys_go_where_they_went_before() {
        // Golden: state that was written lies by these.
        let text: ArrayRef = Arc::new(StringArray::from(vec!["", "a", "the", "rsrt", "ß"]));
        let partitions: Vec<usize> = (0..5)
            .map(|row| partition_of(&encoded(text.clone(), row), 7))
            .collect();
        assert_eq!(partitions, GOLDEN);
        assert_eq!(partition_of(b"anything", 1), 0);
    }

    const GOLDEN: [usize; 5] = [6, 1, 4, 5, 0];
}
