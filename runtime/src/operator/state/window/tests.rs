use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{model::Kind, topology::StdFunction};

type Pane = Option<Vec<(i64, i64)>>;

fn rows(pane: &[(i64, i64)]) -> RecordBatch {
    let (keys, values): (Vec<_>, Vec<_>) = pane.iter().copied().unzip();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(keys)),
        Arc::new(Int64Array::from(values)),
    ];
    let schema = Schema::pair(Kind::Int64, Kind::Int64);
    RecordBatch::try_new(schema.to_arrow(), columns).unwrap()
}

/// The windows of sums over these panes, at every slide.
fn windows(
    panes: &[Pane],
    (length, slide): (u64, u64),
    inverse: bool,
    kept: fn() -> Kept,
) -> Vec<BTreeMap<i64, i64>> {
    let mut states = WindowStates::default();
    let mut windows = Vec::new();
    for (at, pane) in panes.iter().enumerate() {
        let number = at as u64 + 1;
        let emits = number.is_multiple_of(slide);
        if pane.is_none() && !emits {
            continue; // the step is not run then
        }
        let spec = WindowSpec {
            window: Window {
                length: NonZeroU64::new(length).unwrap(),
                of: NonZeroU64::MIN,
            },
            every: NonZeroU64::new(slide).unwrap(),
            number,
            emits,
            keys: 1,
            output: Schema::pair(Kind::Int64, Kind::Int64),
            fold: Box::new(|| Reduction::Std(StdFunction::Sum)),
            inverse: inverse.then_some(Inverting::Subtract),
            kept: kept(),
        };
        let mut step = Box::new(WindowStep::new(spec, states));
        let mut out = Emitted::default();
        if let Some(pane) = pane.as_ref().filter(|pane| !pane.is_empty()) {
            step.push(rows(pane), &mut out).unwrap();
        }
        step.finish(&mut out).unwrap();
        let Some(PartitionState::Window(kept)) = step.into_state() else {
            panic!("a window keeps its panes");
        };
        states = kept;
        if emits {
            let pairs = out.rows.iter().flat_map(|rows| {
                let column = |at: usize| {
                    rows.column(at)
                        .as_primitive::<Int64Type>()
                        .values()
                        .to_vec()
                };
                column(0).into_iter().zip(column(1))
            });
            windows.push(pairs.collect());
        }
    }
    windows
}

/// The panes in (n - length, n], added up.
fn naive(panes: &[Pane], (length, slide): (u64, u64)) -> Vec<BTreeMap<i64, i64>> {
    let numbers = (1..=panes.len() as u64).filter(|n| n.is_multiple_of(slide));
    let windows = numbers.map(|number| {
        let from = number.saturating_sub(length);
        let mut sums = BTreeMap::new();
        let at = |number| usize::try_from(number).unwrap();
        let inside = panes[at(from)..at(number)].iter().flatten().flatten();
        for (key, value) in inside {
            *sums.entry(*key).or_insert(0) += value;
        }
        sums
    });
    windows.collect()
}

fn panes() -> impl Strategy<Value = Vec<Pane>> {
    let pane = prop::collection::btree_map(0..5_i64, 1..100_i64, 0..4);
    let pane = prop::option::weighted(0.8, pane.prop_map(|pane| pane.into_iter().collect()));
    prop::collection::vec(pane, 1..30)
}

proptest! {
    #[test]
    fn a_window_is_the_sum_of_its_panes(
        panes in panes(),
        length in 1..8_u64,
        slide in 1..10_u64,
    ) {
        let direct = windows(&panes, (length, slide), false, || Kept::All);
        prop_assert_eq!(direct, naive(&panes, (length, slide)));
    }

    #[test]
    fn an_inverse_gives_what_reducing_anew_gives(
        panes in panes(),
        length in 1..8_u64,
        slide in 1..8_u64,
    ) {
        prop_assume!(slide <= length);
        let inverse = windows(&panes, (length, slide), true, || Kept::NotZero);
        prop_assert_eq!(inverse, naive(&panes, (length, slide)));
    }
}

#[test]
fn without_a_filter_an_inverse_drops_no_key() {
    let panes = [Some(vec![(1, 5)]), Some(vec![(2, 1)]), None];
    let windows = windows(&panes, (1, 1), true, || Kept::All);
    let expected: [&[(i64, i64)]; 3] = [&[(1, 5)], &[(1, 0), (2, 1)], &[(1, 0), (2, 0)]];
    let expected: Vec<BTreeMap<_, _>> = expected
        .iter()
        .map(|pairs| pairs.iter().copied().collect())
        .collect();
    assert_eq!(windows, expected);
}
