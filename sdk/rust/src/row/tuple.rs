//! Tuples: the columns of their parts. A pair is a key and a value.

use super::{Columns, Room, Row, join};
use crate::abi::{
    columns::{Column, Field},
    faults::Fault,
};

macro_rules! tuple {
    ([$($schema:item)?] $($part:ident $at:tt $name:literal),+) => {
        impl<$($part: Row),+> Row for ($($part,)+) {
            type Ref<'a> = ($($part::Ref<'a>,)+);
            type Reader<'a> = ($($part::Reader<'a>,)+);
            type Builder = ($($part::Builder,)+);
            const LISTED: bool = $($part::LISTED)||+;

            fn fields(name: &str, out: &mut Vec<Field>) {
                $($part::fields(&join(name, $name), out);)+
            }
            $($schema)?
            fn read<'a>(columns: &mut Columns<'a>) -> Result<Self::Reader<'a>, Fault> {
                Ok(($($part::read(columns)?,)+))
            }
            #[inline]
            fn get<'a>(reader: &Self::Reader<'a>, at: usize) -> Self::Ref<'a> {
                ($($part::get(&reader.$at, at),)+)
            }
            fn build(room: Room) -> Self::Builder {
                ($($part::build(room),)+)
            }
            #[inline]
            fn push(builder: &mut Self::Builder, row: Self::Ref<'_>) {
                $($part::push(&mut builder.$at, row.$at);)+
            }
            fn push_blank(builder: &mut Self::Builder) {
                $($part::push_blank(&mut builder.$at);)+
            }
            fn truncate(builder: &mut Self::Builder, rows: usize) {
                $($part::truncate(&mut builder.$at, rows);)+
            }
            fn close(builder: Self::Builder, out: &mut Vec<Column>) {
                $($part::close(builder.$at, out);)+
            }
        }
    };
}

tuple!([
    fn schema() -> Vec<Field> {
        let mut fields = Vec::new();
        A::fields("key", &mut fields);
        B::fields("value", &mut fields);
        fields
    }
] A 0 "0", B 1 "1");
tuple!([] A 0 "0", B 1 "1", C 2 "2");
tuple!([] A 0 "0", B 1 "1", C 2 "2", D 3 "3");
tuple!([] A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4");
tuple!([] A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5");
