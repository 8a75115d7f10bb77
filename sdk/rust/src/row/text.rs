//! Columns of text and of bytes: items one after another, and offsets.

use super::{Columns, Room, Row, Scalar, plain_field};
use crate::abi::{
    columns::{Column, Field, Kind},
    faults::Fault,
    incoming_text,
};

/// Incoming items.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    offsets: &'a [[u8; 4]],
    data: &'a [u8],
}

impl<'a> Items<'a> {
    fn of(column: &'a Column) -> Self {
        Self {
            offsets: column.offsets.as_chunks().0,
            data: &column.data,
        }
    }

    #[inline]
    fn get(&self, at: usize) -> &'a [u8] {
        let start = u32::from_le_bytes(self.offsets[at]) as usize;
        let end = u32::from_le_bytes(self.offsets[at + 1]) as usize;
        &self.data[start..end]
    }
}

/// Outgoing items.
#[derive(Debug, Clone)]
pub struct ItemsBuilder {
    offsets: Vec<[u8; 4]>,
    data: Vec<u8>,
}

impl ItemsBuilder {
    fn with_room(room: Room) -> Self {
        let mut offsets = Vec::with_capacity(room.rows + 1);
        offsets.push([0; 4]);
        Self {
            offsets,
            data: Vec::with_capacity(room.bytes),
        }
    }

    #[inline]
    fn push(&mut self, item: &[u8]) {
        self.data.extend_from_slice(item);
        self.offsets.push(offset(self.data.len()));
    }

    fn truncate(&mut self, rows: usize) {
        if let Some(end) = self.offsets.get(rows) {
            self.data.truncate(u32::from_le_bytes(*end) as usize);
            self.offsets.truncate(rows + 1);
        }
    }

    fn close(self, kind: Kind) -> Column {
        Column {
            kind,
            offsets: self.offsets.into_flattened(),
            data: self.data,
            validity: None,
            lists: None,
        }
    }
}

/// An offset as the interface writes it.
///
/// # Panics
/// From 4 GiB on, which no guest's memory holds.
#[inline]
pub(crate) fn offset(at: usize) -> [u8; 4] {
    let Ok(at) = u32::try_from(at) else {
        panic!("a column is larger than 4 GiB")
    };
    at.to_le_bytes()
}

macro_rules! items {
    ($type:ty, [$($generics:tt)*], $ref:ty, $kind:expr, $row:ident => $bytes:expr, $item:ident => $from:expr) => {
        impl $($generics)* Row for $type {
            type Ref<'a> = $ref;
            type Reader<'a> = Items<'a>;
            type Builder = ItemsBuilder;
            const LISTED: bool = false;

            fn fields(name: &str, out: &mut Vec<Field>) {
                out.push(plain_field(name, $kind));
            }
            fn read<'a>(columns: &mut Columns<'a>) -> Result<Items<'a>, Fault> {
                Ok(Items::of(columns.take($kind)?))
            }
            #[inline]
            fn get<'a>(reader: &Self::Reader<'a>, at: usize) -> Self::Ref<'a> {
                let $item = reader.get(at);
                $from
            }
            fn build(room: Room) -> ItemsBuilder {
                ItemsBuilder::with_room(room)
            }
            #[inline]
            fn push(builder: &mut ItemsBuilder, $row: Self::Ref<'_>) {
                builder.push($bytes);
            }
            fn push_blank(builder: &mut ItemsBuilder) {
                builder.push(&[]);
            }
            fn truncate(builder: &mut ItemsBuilder, rows: usize) {
                builder.truncate(rows);
            }
            fn close(builder: ItemsBuilder, out: &mut Vec<Column>) {
                out.push(builder.close($kind));
            }
        }

        impl $($generics)* Scalar for $type {}
    };
}

items!(&'x str, [<'x>], &'a str, Kind::Utf8, row => row.as_bytes(), item => incoming_text(item));
items!(String, [], String, Kind::Utf8, row => row.as_bytes(), item => incoming_text(item).to_owned());
items!(&'x [u8], [<'x>], &'a [u8], Kind::Binary, row => row, item => item);
items!(Vec<u8>, [], Vec<u8>, Kind::Binary, row => &row, item => item.to_vec());
