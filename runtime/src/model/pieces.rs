//! Chunks cut to the size that functions are promised; steps before may have made more of them.

use std::{iter, ops::Range};

use arrow_array::{Array, RecordBatch, cast::AsArray};

use super::{CHUNK_BYTES, CHUNK_ROWS};

/// A chunk in pieces, each with as many rows as a chunk may have. Slices, not copies. A chunk
/// without rows is one piece; of any other no piece is empty.
pub fn pieces(chunk: &RecordBatch) -> impl Iterator<Item = RecordBatch> + '_ {
    let mut next = Some(0);
    iter::from_fn(move || {
        let start = next?;
        let end = end(chunk, start);
        next = (end < chunk.num_rows()).then_some(end);
        Some(chunk.slice(start, end - start))
    })
}

/// Behind the row with which the piece that begins at `start` is full, as sources count.
fn end(chunk: &RecordBatch, start: usize) -> usize {
    let last = chunk.num_rows().min(start + CHUNK_ROWS);
    let bytes = |end| -> usize {
        let columns = chunk.columns().iter();
        columns.map(|column| text_bytes(column, start..end)).sum()
    };
    if bytes(last) <= CHUNK_BYTES {
        return last;
    }
    let (mut low, mut high) = (start + 1, last);
    while low < high {
        let middle = usize::midpoint(low, high);
        if bytes(middle) < CHUNK_BYTES {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// What an item of a list takes besides its text: a number, or where the text ends.
const NUMBER: usize = 8;

/// Bytes of text and binary values and of lists, which is what makes rows long: a number cannot.
fn text_bytes(column: &dyn Array, rows: Range<usize>) -> usize {
    let between = |offsets: &[i32]| {
        let at = |row: usize| usize::try_from(offsets[row]).unwrap_or(0);
        at(rows.start)..at(rows.end)
    };
    if let Some(text) = column.as_string_opt::<i32>() {
        between(text.value_offsets()).len()
    } else if let Some(binary) = column.as_binary_opt::<i32>() {
        between(binary.value_offsets()).len()
    } else if let Some(lists) = column.as_list_opt::<i32>() {
        let items = between(lists.value_offsets());
        items.len() * NUMBER + text_bytes(lists.values(), items)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, BinaryArray, Int64Array, StringArray,
        builder::{ListBuilder, StringBuilder},
    };
    use proptest::prelude::*;

    use super::*;

    fn chunk(columns: Vec<ArrayRef>) -> RecordBatch {
        let names = ["a", "b", "c"];
        RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap()
    }

    fn texts(lengths: &[usize]) -> ArrayRef {
        let texts = lengths.iter().map(|length| "x".repeat(*length));
        Arc::new(StringArray::from_iter_values(texts))
    }

    fn rows(chunk: &RecordBatch) -> Vec<usize> {
        let pieces: Vec<_> = pieces(chunk).collect();
        let whole = arrow_select::concat::concat_batches(&chunk.schema(), &pieces);
        assert_eq!(&whole.unwrap(), chunk);
        pieces.iter().map(RecordBatch::num_rows).collect()
    }

    #[test]
    fn a_piece_ends_with_the_row_that_fills_it() {
        const HALF: usize = CHUNK_BYTES / 2;
        const MORE: usize = CHUNK_BYTES * 3;
        // lengths of texts, rows of pieces
        let cases: [(&[usize], &[usize]); 9] = [
            (&[], &[0]),
            (&[0], &[1]),
            (&[MORE], &[1]),
            (&[HALF, HALF], &[2]),
            (&[HALF, HALF, 1], &[2, 1]),
            (&[HALF, HALF - 1, 1, 0], &[4]),
            (&[HALF, HALF - 1, 2, 0], &[3, 1]),
            (&[0, MORE, 0, 0, MORE, 0], &[2, 3, 1]),
            (&[MORE, MORE, HALF, HALF], &[1, 1, 2]),
        ];
        for (lengths, expected) in cases {
            assert_eq!(rows(&chunk(vec![texts(lengths)])), expected, "{lengths:?}");
        }
    }

    #[test]
    fn numbers_are_cut_by_rows() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..9_000));
        assert_eq!(rows(&chunk(vec![numbers])), [CHUNK_ROWS, CHUNK_ROWS, 808]);
    }

    #[test]
    fn many_numbers_in_lists_make_rows_long() {
        let mut lists = ListBuilder::new(arrow_array::builder::Int64Builder::new());
        for _ in 0..3 {
            lists
                .values()
                .append_slice(&vec![1; CHUNK_BYTES / NUMBER / 2]);
            lists.append(true);
        }
        assert_eq!(rows(&chunk(vec![Arc::new(lists.finish())])), [2, 1]);
    }

    #[test]
    fn all_columns_count_also_lists() {
        let third = "x".repeat(CHUNK_BYTES / 3 + 1);
        let mut lists = ListBuilder::new(StringBuilder::new());
        for _ in 0..4 {
            lists.values().append_value(&third[1..]);
            lists.values().append_value("x");
            lists.append(true);
        }
        let binary = BinaryArray::from_iter_values(vec![third.as_bytes(); 4]);
        let columns: Vec<ArrayRef> = vec![
            texts(&[third.len(); 4]),
            Arc::new(binary),
            Arc::new(lists.finish()),
        ];
        let whole = chunk(columns);
        assert_eq!(rows(&whole), [1, 1, 1, 1]);
        assert_eq!(rows(&whole.slice(1, 2)), [1, 1]);
        assert_eq!(rows(&whole.project(&[0, 2]).unwrap()), [2, 2]);
    }

    proptest! {
        #[test]
        fn no_piece_is_empty_and_all_but_its_last_row_fit(
            lengths in prop::collection::vec(prop_oneof![0..9_usize, 0..CHUNK_BYTES * 2], 1..12),
        ) {
            let chunk = chunk(vec![texts(&lengths)]);
            let mut start = 0;
            for rows in rows(&chunk) {
                prop_assert!(rows > 0);
                let before_last: usize = lengths[start..start + rows - 1].iter().sum();
                prop_assert!(before_last < CHUNK_BYTES);
                start += rows;
            }
        }
    }
}
