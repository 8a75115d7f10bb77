//! Where functions put rows out.

use std::marker::PhantomData;

use crate::{
    abi::columns::Batch,
    row::{Room, Row},
};

/// Takes the rows that a function puts out.
///
/// `S` is where they go: into columns, or straight into a table that combines them by key. Functions
/// leave it out.
pub struct Emitter<T: Row, S = Collect<T>> {
    pub(crate) sink: S,
    rows: PhantomData<fn(T)>,
}

impl<T: Row, S: Sink<T>> Emitter<T, S> {
    /// Puts a row out. It is copied at once.
    #[inline]
    pub fn emit(&mut self, row: T::Ref<'_>) {
        self.sink.put(row);
    }

    #[doc(hidden)]
    pub fn into(sink: S) -> Self {
        Self {
            sink,
            rows: PhantomData,
        }
    }
}

/// What an emitter stands on. Functions need not know it.
pub trait Sink<T: Row> {
    /// Takes a row.
    fn put(&mut self, row: T::Ref<'_>);
}

/// Rows as columns, in batches of at most `limit` rows.
pub struct Collect<T: Row> {
    builder: T::Builder,
    rows: u32,
    limit: u32,
    full: Vec<Batch>,
}

impl<T: Row> Collect<T> {
    /// Everything in one batch.
    pub(crate) fn whole(room: Room) -> Self {
        Self::pieces(room, u32::MAX)
    }

    /// In batches of at most `limit` rows.
    pub(crate) fn pieces(room: Room, limit: u32) -> Self {
        Self {
            builder: T::build(room),
            rows: 0,
            limit,
            full: Vec::new(),
        }
    }

    /// Puts a row out that means nothing.
    pub(crate) fn put_blank(&mut self) {
        self.rows += 1;
        T::push_blank(&mut self.builder);
    }

    /// Rows in the batch that is not full yet.
    #[inline]
    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// Takes back all rows from `rows` on.
    pub(crate) fn truncate(&mut self, rows: u32) {
        T::truncate(&mut self.builder, rows as usize);
        self.rows = rows;
    }

    /// The batch that is not full yet.
    pub(crate) fn close(self) -> Batch {
        close::<T>(self.builder, self.rows)
    }

    /// All batches so far.
    pub(crate) fn batches(&mut self) -> &[Batch] {
        self.seal();
        &self.full
    }

    /// All batches that have rows, first to last.
    pub(crate) fn into_pieces(mut self) -> Vec<Batch> {
        let mut full = std::mem::take(&mut self.full);
        if self.rows > 0 {
            full.push(self.close());
        }
        full
    }

    #[cold]
    fn seal(&mut self) {
        let builder = std::mem::replace(&mut self.builder, T::build(Room::default()));
        self.full.push(close::<T>(builder, self.rows));
        self.rows = 0;
    }
}

impl<T: Row> Sink<T> for Collect<T> {
    #[inline]
    fn put(&mut self, row: T::Ref<'_>) {
        if self.rows == self.limit {
            self.seal();
        }
        self.rows += 1;
        T::push(&mut self.builder, row);
    }
}

fn close<T: Row>(builder: T::Builder, rows: u32) -> Batch {
    let mut columns = Vec::new();
    T::close(builder, &mut columns);
    Batch { rows, columns }
}
