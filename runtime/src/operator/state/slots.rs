//! Rows by number, of which a few change at a time.

use arrow_array::{Array, ArrayRef};
use arrow_schema::ArrowError;
use arrow_select::interleave::interleave;

use super::calls::without_meaning;
use crate::model::Schema;

/// Rows by their numbers. Writing appends and points there, so that it costs what is written; what
/// is not pointed at any more is dropped once it is more than the rest.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    pieces: Vec<Vec<ArrayRef>>,
    /// The piece of each row, and its place there.
    at: Vec<(usize, usize)>,
    /// Rows in all pieces.
    written: usize,
}

impl Slots {
    /// No rows, of these columns.
    pub(super) fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let schema = schema.to_arrow();
        let columns = schema.fields().iter();
        // One row that means nothing, for rows that were never written.
        let nothing = columns.map(|field| {
            let null = arrow_array::new_null_array(field.data_type(), 1);
            without_meaning(null, field)
        });
        Ok(Self {
            pieces: vec![nothing.collect::<Result<_, _>>()?],
            at: Vec::new(),
            written: 1,
        })
    }

    /// Makes room for rows up to this number; they mean nothing.
    pub(super) fn grow(&mut self, rows: usize) {
        self.at.resize(self.at.len().max(rows), (0, 0));
    }

    /// Row r of `columns` becomes the row `numbers[r]`.
    pub(super) fn write(
        &mut self,
        numbers: impl Iterator<Item = u32>,
        columns: Vec<ArrayRef>,
    ) -> Result<(), ArrowError> {
        let piece = self.pieces.len();
        self.written += columns.first().map_or(0, Array::len);
        self.pieces.push(columns);
        for (row, number) in numbers.enumerate() {
            self.at[number as usize] = (piece, row);
        }
        if self.written > 2 * self.at.len() + 4096 {
            self.compact()?;
        }
        Ok(())
    }

    /// The rows with these numbers, in this order.
    pub(super) fn read(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let at: Vec<_> = numbers
            .iter()
            .map(|number| self.at[*number as usize])
            .collect();
        self.gather(&at)
    }

    fn gather(&self, at: &[(usize, usize)]) -> Result<Vec<ArrayRef>, ArrowError> {
        let width = self.pieces.first().map_or(0, Vec::len);
        let columns = (0..width).map(|column| {
            let pieces: Vec<&dyn Array> = self.pieces.iter().map(|p| p[column].as_ref()).collect();
            interleave(&pieces, at)
        });
        columns.collect()
    }

    fn compact(&mut self) -> Result<(), ArrowError> {
        let rows = self.gather(&self.at)?;
        let nothing = std::mem::take(&mut self.pieces[0]);
        self.written = 1 + self.at.len();
        self.pieces = vec![nothing, rows];
        self.at = (0..self.at.len()).map(|row| (1, row)).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, cast::AsArray, types::Int64Type};

    use super::*;
    use crate::model::Kind;

    #[test]
    fn what_was_written_last_is_read_also_after_much_was_written() {
        let mut slots = Slots::new(&Schema::plain(Kind::Int64)).unwrap();
        slots.grow(3);
        for round in 0..10_000 {
            let column: ArrayRef = Arc::new(Int64Array::from(vec![round, -round]));
            slots.write([2, 0].into_iter(), vec![column]).unwrap();
        }
        let read = slots.read(&[0, 1, 2]).unwrap();
        let read: Vec<_> = read[0].as_primitive::<Int64Type>().iter().collect();
        assert_eq!(read, [Some(-9_999), Some(0), Some(9_999)]);
        assert!(slots.written < 10_000, "{}", slots.written);
    }
}
