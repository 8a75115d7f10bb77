//! Columns that may hold nulls.

use super::{Bits, Columns, Room, Row, Scalar, bits::bit};
use crate::abi::{
    columns::{Column, Field},
    faults::Fault,
};

impl<T: Scalar> Row for Option<T> {
    type Ref<'a> = Option<T::Ref<'a>>;
    type Reader<'a> = (T::Reader<'a>, Option<&'a [u8]>);
    type Builder = (T::Builder, Bits);
    const LISTED: bool = false;

    fn fields(name: &str, out: &mut Vec<Field>) {
        T::fields(name, out);
        if let Some(field) = out.last_mut() {
            field.nullable = true;
        }
    }
    fn read<'a>(columns: &mut Columns<'a>) -> Result<Self::Reader<'a>, Fault> {
        let validity = columns.peek().and_then(|column| column.validity.as_deref());
        Ok((columns.nullable(T::read)?, validity))
    }
    #[inline]
    fn get<'a>((items, validity): &Self::Reader<'a>, at: usize) -> Self::Ref<'a> {
        validity
            .is_none_or(|validity| bit(validity, at))
            .then(|| T::get(items, at))
    }
    fn build(room: Room) -> Self::Builder {
        (T::build(room), Bits::with_room(room.rows))
    }
    #[inline]
    fn push((items, validity): &mut Self::Builder, row: Self::Ref<'_>) {
        validity.push(row.is_some());
        match row {
            Some(item) => T::push(items, item),
            None => T::push_blank(items),
        }
    }
    fn push_blank(builder: &mut Self::Builder) {
        Self::push(builder, None);
    }
    fn truncate((items, validity): &mut Self::Builder, rows: usize) {
        T::truncate(items, rows);
        validity.truncate(rows);
    }
    fn close((items, validity): Self::Builder, out: &mut Vec<Column>) {
        T::close(items, out);
        if let Some(column) = out.last_mut() {
            column.validity = validity.into_validity();
        }
    }
}
