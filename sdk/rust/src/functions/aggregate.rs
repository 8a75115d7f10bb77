//! `reduce` and `aggregate`: rows of one key to one row.

use super::{AggregateEntry, Entry, Function, resolve, values};
use crate::{
    abi::{
        columns::{Batch, Field, Grouped},
        exports::aggregate as exported,
        faults::Fault,
    },
    emitter::{Collect, Sink as _},
    row::{Columns, Room, Row},
    session,
};

/// The key that a function asks for, if any.
pub trait Key {
    /// The key while it is looked at.
    type Ref<'a>;
    /// The key columns.
    type Reader<'a>;
    /// The columns to ask the host for.
    fn key_schema() -> Option<Vec<Field>>;
    /// Opens the key columns.
    ///
    /// # Errors
    /// When they are not of the key's kinds.
    fn read_keys<'a>(columns: &mut Columns<'a>) -> Result<Self::Reader<'a>, Fault>;
    /// The key of a group.
    fn key<'a>(reader: &Self::Reader<'a>, at: usize) -> Self::Ref<'a>;
}

/// The function works with any key.
#[derive(Debug)]
pub enum NoKey {}

impl Key for NoKey {
    type Ref<'a> = ();
    type Reader<'a> = ();
    fn key_schema() -> Option<Vec<Field>> {
        None
    }
    fn read_keys(_: &mut Columns<'_>) -> Result<(), Fault> {
        Ok(())
    }
    fn key<'a>((): &Self::Reader<'a>, _: usize) -> Self::Ref<'a> {}
}

impl<T: Row> Key for T {
    type Ref<'a> = <T as Row>::Ref<'a>;
    type Reader<'a> = <T as Row>::Reader<'a>;
    fn key_schema() -> Option<Vec<Field>> {
        let mut fields = Vec::new();
        T::fields("key", &mut fields);
        Some(fields)
    }
    fn read_keys<'a>(columns: &mut Columns<'a>) -> Result<Self::Reader<'a>, Fault> {
        <T as Row>::read(columns)
    }
    fn key<'a>(reader: &Self::Reader<'a>, at: usize) -> Self::Ref<'a> {
        <T as Row>::get(reader, at)
    }
}

/// A function of two values of a key, for `reduce`, `reduce-by-key` and windows.
pub trait Reduce: Function {
    /// The key, or [`NoKey`].
    type Key: Key;
    /// The values.
    type Value: Row;
    /// f(f(a, b), c) = f(a, f(b, c)).
    const ASSOCIATIVE: bool;
    /// The function that merges what this one makes.
    const MERGE: Option<&'static str>;
    /// The function that takes values out again.
    const INVERSE: Option<&'static str>;
    /// The function.
    fn apply<'a>(
        settings: &'a Self::Settings,
        key: &<Self::Key as Key>::Ref<'a>,
        a: <Self::Value as Row>::Ref<'a>,
        b: <Self::Value as Row>::Ref<'a>,
    ) -> <Self::Value as Row>::Ref<'a>;
}

/// A function of all values of a key, for `combine-by-key` and `reduce-by-key`.
pub trait Aggregate: Function {
    /// The key, or [`NoKey`].
    type Key: Key;
    /// The values.
    type Value: Row;
    /// What comes of them.
    type Output: Row;
    /// The function that merges what this one makes.
    const MERGE: Option<&'static str>;
    /// The function. There is at least one value.
    fn apply<'a>(
        settings: &'a Self::Settings,
        key: &<Self::Key as Key>::Ref<'a>,
        values: &[<Self::Value as Row>::Ref<'a>],
    ) -> <Self::Output as Row>::Ref<'a>;
}

/// The function as an entry of the plugin's table.
pub const fn reduce<F: Reduce>() -> Entry {
    Entry::Aggregate(AggregateEntry {
        name: F::NAME,
        describe: || exported::Function {
            name: F::NAME.into(),
            keys: F::Key::key_schema(),
            input: values::<F::Value>(),
            output: values::<F::Value>(),
            associative: F::ASSOCIATIVE,
            merge: F::MERGE.map(Into::into),
            inverse: F::INVERSE.map(Into::into),
            doc: F::DOC.into(),
        },
        reduce: reduce_groups::<F>,
        resolve: |given| resolve::<F>(given, values::<F::Value>()),
    })
}

/// The function as an entry of the plugin's table.
pub const fn aggregate<F: Aggregate>() -> Entry {
    Entry::Aggregate(AggregateEntry {
        name: F::NAME,
        describe: || exported::Function {
            name: F::NAME.into(),
            keys: F::Key::key_schema(),
            input: values::<F::Value>(),
            output: values::<F::Output>(),
            associative: false,
            merge: F::MERGE.map(Into::into),
            inverse: None,
            doc: F::DOC.into(),
        },
        reduce: aggregate_groups::<F>,
        resolve: |given| resolve::<F>(given, values::<F::Output>()),
    })
}

fn reduce_groups<F: Reduce>(input: Grouped) -> Result<Batch, Fault> {
    session::settings::<F, _, _>(|settings| {
        let keys = F::Key::read_keys(&mut Columns::of(&input.keys))?;
        let reader = F::Value::read(&mut Columns::of(&input.values))?;
        let mut out = Collect::<F::Value>::whole(room(&input));
        for (group, rows) in groups(&input).enumerate() {
            let mut rows = rows.map(|row| F::Value::get(&reader, row));
            let Some(first) = rows.next() else {
                return Err(crate::row::fault(format!("group {group} is empty")));
            };
            let key = F::Key::key(&keys, group);
            out.put(rows.fold(first, |a, b| F::apply(settings, &key, a, b)));
        }
        Ok(out.close())
    })
}

fn aggregate_groups<F: Aggregate>(input: Grouped) -> Result<Batch, Fault> {
    session::settings::<F, _, _>(|settings| {
        let keys = F::Key::read_keys(&mut Columns::of(&input.keys))?;
        let reader = F::Value::read(&mut Columns::of(&input.values))?;
        let mut out = Collect::<F::Output>::whole(room(&input));
        let mut values = Vec::new();
        for (group, rows) in groups(&input).enumerate() {
            values.clear();
            values.extend(rows.map(|row| F::Value::get(&reader, row)));
            let key = F::Key::key(&keys, group);
            out.put(F::apply(settings, &key, &values));
        }
        Ok(out.close())
    })
}

fn room(input: &Grouped) -> Room {
    Room {
        rows: input.keys.rows as usize,
        bytes: super::room(&input.values).bytes,
    }
}

/// The rows of each group.
pub(super) fn groups(input: &Grouped) -> impl Iterator<Item = std::ops::Range<usize>> {
    let starts = input.groups.as_chunks().0;
    starts
        .windows(2)
        .map(|pair| u32::from_le_bytes(pair[0]) as usize..u32::from_le_bytes(pair[1]) as usize)
}
