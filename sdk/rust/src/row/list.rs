//! Columns whose rows are lists.

use super::{Columns, Room, Row, text::offset};
use crate::abi::{
    columns::{Column, Field, Nesting},
    faults::Fault,
};

impl<T: Row> Row for Vec<T> {
    type Ref<'a> = Vec<T::Ref<'a>>;
    type Reader<'a> = (T::Reader<'a>, &'a [[u8; 4]]);
    type Builder = (T::Builder, Vec<[u8; 4]>, usize);
    const LISTED: bool = true;

    fn fields(name: &str, out: &mut Vec<Field>) {
        const {
            assert!(!T::LISTED, "a list of lists has no column");
        }
        let first = out.len();
        T::fields(name, out);
        for field in &mut out[first..] {
            field.listed = true;
        }
    }
    fn read<'a>(columns: &mut Columns<'a>) -> Result<Self::Reader<'a>, Fault> {
        let offsets = columns
            .peek()
            .and_then(|column| column.lists.as_ref())
            .map_or(&[][..], |lists| lists.offsets.as_chunks().0);
        Ok((columns.listed(T::read)?, offsets))
    }
    /// A null list, which only the absent side of a join can be, reads as an empty one.
    fn get<'a>((items, offsets): &Self::Reader<'a>, at: usize) -> Self::Ref<'a> {
        let start = u32::from_le_bytes(offsets[at]) as usize;
        let end = u32::from_le_bytes(offsets[at + 1]) as usize;
        (start..end).map(|item| T::get(items, item)).collect()
    }
    fn build(room: Room) -> Self::Builder {
        let mut offsets = Vec::with_capacity(room.rows + 1);
        offsets.push([0; 4]);
        (T::build(room), offsets, 0)
    }
    fn push((items, offsets, len): &mut Self::Builder, row: Self::Ref<'_>) {
        *len += row.len();
        for item in row {
            T::push(items, item);
        }
        offsets.push(offset(*len));
    }
    fn push_blank((_, offsets, len): &mut Self::Builder) {
        offsets.push(offset(*len));
    }
    fn truncate((items, offsets, len): &mut Self::Builder, rows: usize) {
        if let Some(end) = offsets.get(rows) {
            *len = u32::from_le_bytes(*end) as usize;
            T::truncate(items, *len);
            offsets.truncate(rows + 1);
        }
    }
    fn close((items, offsets, _): Self::Builder, out: &mut Vec<Column>) {
        let first = out.len();
        T::close(items, out);
        let offsets = offsets.into_flattened();
        for column in &mut out[first..] {
            column.lists = Some(Nesting {
                offsets: offsets.clone(),
                validity: None,
            });
        }
    }
}
