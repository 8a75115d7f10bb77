//! A `flat-map` with its map-side combine, as one function.

use super::{Entry, Function, NoKey, Reduce, TransformEntry, partitions::CHUNK, rejected, resolve};
use crate::{
    Emitter, Reject,
    abi::{
        columns::Batch,
        exports::transform::{self, Fusion, Outcome, Verb},
        faults::Fault,
    },
    combine::{CombineKey, Combining},
    emitter::Sink,
    row::{Columns, Owned, Row},
    session,
};

/// A `flat_map` function compiled against the table of its `combine` function.
pub trait Fused: Function {
    /// The `flat_map` function's name.
    const FIRST: &'static str;
    /// The name of the function that combines.
    const COMBINE: &'static str;
    /// Rows may be rejected.
    const FALLIBLE: bool;
    /// What it takes.
    type Input: Row;
    /// The key of what it puts out.
    type Key: CombineKey;
    /// The value of what it puts out.
    type Value: Owned;
    /// The function that combines.
    type Combine: Reduce<Key = NoKey, Settings = (), Value = Self::Value>;
    /// The function.
    fn apply<S: Sink<(Self::Key, Self::Value)>>(
        settings: &Self::Settings,
        row: <Self::Input as Row>::Ref<'_>,
        out: &mut Emitter<(Self::Key, Self::Value), S>,
    ) -> Result<(), Reject>;
}

/// The function as an entry of the plugin's table.
pub const fn fused<F: Fused>() -> Entry {
    const {
        assert!(
            F::Combine::ASSOCIATIVE,
            "`combine` needs a function with #[rsrt::reduce(associative)]"
        );
    }
    Entry::Transform(TransformEntry {
        name: F::NAME,
        describe: describe::<F>,
        feed: super::flat_map::no_sides,
        process: process::<F>,
        finish: || with::<F, _>(|partition| Ok(partition.out.sink.next_piece(CHUNK as usize))),
        resolve: |given| resolve::<F>(given, <(F::Key, F::Value)>::schema()),
    })
}

fn describe<F: Fused>() -> transform::Function {
    transform::Function {
        name: F::NAME.into(),
        verb: Verb::MapPartitions,
        input: Some(F::Input::schema()),
        sides: Vec::new(),
        output: <(F::Key, F::Value)>::schema(),
        fusion: Some(Fusion {
            first: F::FIRST.into(),
            combine: F::COMBINE.into(),
        }),
        doc: F::DOC.into(),
    }
}

/// What lives as long as the partition.
struct Partition<F: Fused> {
    settings: F::Settings,
    out: Emitter<(F::Key, F::Value), Combining<F>>,
}

fn with<F: Fused, R>(call: impl FnOnce(&mut Partition<F>) -> Result<R, Fault>) -> Result<R, Fault> {
    let start = || {
        Ok(Partition::<F> {
            settings: session::read_settings()?,
            out: Emitter::into(Combining::new()),
        })
    };
    session::keep::<F, Partition<F>, R>(start, call)
}

fn process<F: Fused>(input: Batch) -> Result<Outcome, Fault> {
    with::<F, _>(|partition| {
        let reader = F::Input::read(&mut Columns::of(&input))?;
        let out = &mut partition.out;
        let mut bad = Vec::new();
        for row in 0..input.rows {
            match F::apply(
                &partition.settings,
                F::Input::get(&reader, row as usize),
                out,
            ) {
                Ok(()) => out.sink.commit(),
                Err(reject) => {
                    out.sink.take_back();
                    bad.push(rejected(row, reject));
                }
            }
        }
        Ok(Outcome {
            rows: out.sink.overflow(),
            origins: None,
            rejected: bad,
        })
    })
}

/// The host's own `std:sum`, for a `combine` that need not be a function of the plugin.
pub struct StdSum<V>(std::marker::PhantomData<fn(V)>);

impl<V: 'static> Function for StdSum<V> {
    const NAME: &'static str = "std:sum";
    const DOC: &'static str = "";
    type Settings = ();
}

macro_rules! std_sum {
    ($type:ty, $a:ident, $b:ident => $sum:expr) => {
        impl Reduce for StdSum<$type> {
            type Key = NoKey;
            type Value = $type;
            const ASSOCIATIVE: bool = true;
            const MERGE: Option<&'static str> = None;
            const INVERSE: Option<&'static str> = None;
            #[inline]
            fn apply((): &(), (): &(), $a: $type, $b: $type) -> $type {
                $sum
            }
        }
    };
}

std_sum!(i64, a, b => a.wrapping_add(b));
std_sum!(f64, a, b => a + b);
