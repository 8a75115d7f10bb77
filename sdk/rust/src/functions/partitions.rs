//! `map-partitions` and `transform`: functions that keep something between rows.

use super::{Entry, Function, TransformEntry, rejected, resolve, room};
use crate::{
    Emitter, Reject,
    abi::{
        columns::{Batch, Field},
        exports::transform::{self, Outcome, Side, Verb},
        faults::Fault,
    },
    emitter::Collect,
    row::{Columns, Row, fault},
    session,
};

/// Rows of `finish` come in pieces of at most one chunk.
pub(super) const CHUNK: u32 = 4096;

/// A function over a partition or a batch: `Kept` is what it keeps while that lasts.
pub trait Partitions: Function {
    /// What it takes.
    type Input: Row;
    /// What it puts out.
    type Output: Row;
    /// What it keeps.
    type Kept: 'static;
    /// What it sees whole before its first row.
    const SIDES: &'static [SideOf<Self::Kept, Self::Settings>];
    /// Makes what it keeps.
    fn start(settings: &Self::Settings) -> Self::Kept;
    /// Takes a row.
    fn apply(
        kept: &mut Self::Kept,
        settings: &Self::Settings,
        row: <Self::Input as Row>::Ref<'_>,
        out: &mut Emitter<Self::Output>,
    ) -> Result<(), Reject>;
    /// After the last row.
    fn finish(kept: &mut Self::Kept, settings: &Self::Settings, out: &mut Emitter<Self::Output>);
}

/// A side of a function: rows it sees whole before its first row.
pub struct SideOf<K, S> {
    name: &'static str,
    schema: fn() -> Vec<Field>,
    feed: fn(&mut K, &S, &Batch) -> Result<(), Fault>,
}

impl<K, S> SideOf<K, S> {
    /// A side of rows `T`, taken by `feed`.
    pub const fn new<T: Row>(
        name: &'static str,
        feed: fn(&mut K, &S, &Batch) -> Result<(), Fault>,
    ) -> Self {
        Self {
            name,
            schema: T::schema,
            feed,
        }
    }
}

/// Hands the rows of a side to `take`.
///
/// # Errors
/// When its columns are not of the side's kinds.
pub fn feed_rows<T: Row>(input: &Batch, mut take: impl FnMut(T::Ref<'_>)) -> Result<(), Fault> {
    let reader = T::read(&mut Columns::of(input))?;
    (0..input.rows as usize).for_each(|row| take(T::get(&reader, row)));
    Ok(())
}

/// The function as an entry of the plugin's table.
pub const fn map_partitions<F: Partitions>() -> Entry {
    entry::<F>(|| describe::<F>(Verb::MapPartitions))
}

/// The function as an entry of the plugin's table.
pub const fn transform<F: Partitions>() -> Entry {
    entry::<F>(|| describe::<F>(Verb::Transform))
}

const fn entry<F: Partitions>(describe: fn() -> transform::Function) -> Entry {
    Entry::Transform(TransformEntry {
        name: F::NAME,
        describe,
        feed: feed::<F>,
        process: process::<F>,
        finish: finish::<F>,
        resolve: |given| resolve::<F>(given, F::Output::schema()),
    })
}

fn describe<F: Partitions>(verb: Verb) -> transform::Function {
    let side = |side: &SideOf<_, _>| Side {
        name: side.name.into(),
        input: Some((side.schema)()),
    };
    transform::Function {
        name: F::NAME.into(),
        verb,
        input: Some(F::Input::schema()),
        sides: F::SIDES.iter().map(side).collect(),
        output: F::Output::schema(),
        fusion: None,
        doc: F::DOC.into(),
    }
}

/// What lives as long as the partition.
struct Partition<F: Partitions> {
    settings: F::Settings,
    kept: F::Kept,
    /// What `finish` put out, last piece first; none before it ran.
    left: Option<Vec<Batch>>,
}

fn with<F: Partitions, R>(
    call: impl FnOnce(&mut Partition<F>) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let start = || {
        let settings = session::read_settings()?;
        Ok(Partition::<F> {
            kept: F::start(&settings),
            settings,
            left: None,
        })
    };
    session::keep::<F, Partition<F>, R>(start, call)
}

fn feed<F: Partitions>(side: u32, input: Batch) -> Result<(), Fault> {
    with::<F, _>(|partition| {
        let known = F::SIDES
            .get(side as usize)
            .ok_or_else(|| fault(format!("there is no side {side}")))?;
        (known.feed)(&mut partition.kept, &partition.settings, &input)
    })
}

fn process<F: Partitions>(input: Batch) -> Result<Outcome, Fault> {
    with::<F, _>(|partition| {
        let reader = F::Input::read(&mut Columns::of(&input))?;
        let mut out = Emitter::into(Collect::<F::Output>::whole(room(&input)));
        let mut bad = Vec::new();
        for row in 0..input.rows {
            let before = out.sink.rows();
            let item = F::Input::get(&reader, row as usize);
            let done = F::apply(&mut partition.kept, &partition.settings, item, &mut out);
            if let Err(reject) = done {
                out.sink.truncate(before);
                bad.push(rejected(row, reject));
            }
        }
        Ok(Outcome {
            rows: out.sink.close(),
            origins: None,
            rejected: bad,
        })
    })
}

fn finish<F: Partitions>() -> Result<Option<Batch>, Fault> {
    with::<F, _>(|partition| {
        let left = partition.left.get_or_insert_with(|| {
            let mut out = Emitter::into(Collect::pieces(crate::row::Room::default(), CHUNK));
            F::finish(&mut partition.kept, &partition.settings, &mut out);
            let mut pieces = out.sink.into_pieces();
            pieces.reverse();
            pieces
        });
        Ok(left.pop())
    })
}
