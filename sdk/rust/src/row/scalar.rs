//! Columns of fixed width: numbers, times and truth values.

use super::{Bits, Columns, Room, Row, Scalar, bits::bit, plain_field};
use crate::abi::{
    columns::{Column, Field, Kind},
    faults::Fault,
};

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

macro_rules! eight_bytes {
    ($type:ty, $kind:expr, $item:ident => $to:expr, $bytes:ident => $from:expr) => {
        impl Row for $type {
            type Ref<'a> = $type;
            type Reader<'a> = &'a [[u8; 8]];
            type Builder = Vec<[u8; 8]>;
            const LISTED: bool = false;

            fn fields(name: &str, out: &mut Vec<Field>) {
                out.push(plain_field(name, $kind));
            }
            fn read<'a>(columns: &mut Columns<'a>) -> Result<Self::Reader<'a>, Fault> {
                Ok(columns.take($kind)?.data.as_chunks().0)
            }
            #[inline]
            fn get<'a>(reader: &Self::Reader<'a>, at: usize) -> Self::Ref<'a> {
                let $bytes = reader[at];
                $from
            }
            fn build(room: Room) -> Self::Builder {
                Vec::with_capacity(room.rows)
            }
            #[inline]
            fn push(builder: &mut Self::Builder, $item: $type) {
                builder.push($to);
            }
            fn push_blank(builder: &mut Self::Builder) {
                builder.push([0; 8]);
            }
            fn truncate(builder: &mut Self::Builder, rows: usize) {
                builder.truncate(rows);
            }
            fn close(builder: Self::Builder, out: &mut Vec<Column>) {
                out.push(column($kind, builder.into_flattened()));
            }
        }

        impl Scalar for $type {}
    };
}

eight_bytes!(i64, Kind::Int64, n => n.to_le_bytes(), b => i64::from_le_bytes(b));
eight_bytes!(f64, Kind::Float64, n => n.to_le_bytes(), b => f64::from_le_bytes(b));
eight_bytes!(Timestamp, Kind::Timestamp, t => t.0.to_le_bytes(), b => Timestamp(i64::from_le_bytes(b)));

impl Row for bool {
    type Ref<'a> = bool;
    type Reader<'a> = &'a [u8];
    type Builder = Bits;
    const LISTED: bool = false;

    fn fields(name: &str, out: &mut Vec<Field>) {
        out.push(plain_field(name, Kind::Boolean));
    }
    fn read<'a>(columns: &mut Columns<'a>) -> Result<Self::Reader<'a>, Fault> {
        Ok(&columns.take(Kind::Boolean)?.data)
    }
    #[inline]
    fn get<'a>(reader: &Self::Reader<'a>, at: usize) -> Self::Ref<'a> {
        bit(reader, at)
    }
    fn build(room: Room) -> Bits {
        Bits::with_room(room.rows)
    }
    #[inline]
    fn push(builder: &mut Bits, row: bool) {
        builder.push(row);
    }
    fn push_blank(builder: &mut Bits) {
        builder.push(false);
    }
    fn truncate(builder: &mut Bits, rows: usize) {
        builder.truncate(rows);
    }
    fn close(builder: Bits, out: &mut Vec<Column>) {
        out.push(column(Kind::Boolean, builder.into_bytes()));
    }
}

impl Scalar for bool {}

/// A plain column of fixed width.
fn column(kind: Kind, data: Vec<u8>) -> Column {
    Column {
        kind,
        offsets: Vec::new(),
        data,
        validity: None,
        lists: None,
    }
}
