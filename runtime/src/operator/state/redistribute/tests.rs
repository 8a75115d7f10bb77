use proptest::{collection::vec, prelude::*};

use super::*;
use crate::model::Kind;

fn column(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn all() -> Schema {
    Schema::pair(Kind::Int64, Kind::Int64)
}

fn pairs(rows: &[(i64, i64)]) -> RecordBatch {
    let columns = vec![
        column(rows.iter().map(|(key, _)| *key)),
        column(rows.iter().map(|(_, value)| *value)),
    ];
    RecordBatch::try_new(all().to_arrow(), columns).unwrap()
}

fn read(rows: &RecordBatch) -> Vec<(i64, i64)> {
    let values = |at: usize| {
        rows.column(at)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    };
    values(0).into_iter().zip(values(1)).collect()
}

/// Where rows of each key go.
fn home(key: i64, partitions: usize) -> usize {
    let spread = Spread {
        keys: 1,
        partitions,
    };
    let split = spread.rows([pairs(&[(key, 0)])]).unwrap();
    split.iter().position(Option::is_some).unwrap()
}

/// The rows of each partition, as if they had been sent there.
fn sent(rows: &[(i64, i64)], partitions: usize) -> Vec<Vec<(i64, i64)>> {
    let of = |at| {
        let rows = rows.iter().copied();
        rows.filter(|(key, _)| home(*key, partitions) == at)
            .collect()
    };
    (0..partitions).map(of).collect()
}

fn key() -> Schema {
    Schema::plain(Kind::Int64)
}

#[test]
fn keys_go_where_their_rows_will_go() {
    let rows: Vec<(i64, i64)> = (0..100).map(|key| (key, key * 10)).collect();
    let updates = sent(&rows, 3).into_iter().map(|rows| {
        let states = UpdateStates::with_initial(&all(), 1, &[pairs(&rows)]);
        PartitionState::Update(states.unwrap())
    });
    let columns = (&all(), 1);
    let spread = PartitionState::redistribute(updates.collect(), columns, 5).unwrap();
    let mut seen = Vec::new();
    for (at, state) in spread.iter().enumerate() {
        let PartitionState::Update(states) = state else {
            panic!("{state:?}");
        };
        let rows = [&*states.keys, &*states.states].concat();
        let rows = read(&RecordBatch::try_new(all().to_arrow(), rows).unwrap());
        assert!(rows.iter().all(|(key, _)| home(*key, 5) == at));
        seen.extend(rows);
    }
    seen.sort_unstable();
    assert_eq!(seen, rows);

    let maps = sent(&rows, 2).into_iter().map(|rows| {
        let mut states = MapStates::empty(&key(), &key()).unwrap();
        for (key, state) in rows {
            let number = states.number(&[column([key])], 1).unwrap()[0];
            let state = vec![column([state])];
            states.states.write([number].into_iter(), state).unwrap();
            states.touch(number, BatchTime::from_millis(key));
        }
        PartitionState::Map(states)
    });
    let spread = PartitionState::redistribute(maps.collect(), columns, 1).unwrap();
    let [PartitionState::Map(states)] = &spread[..] else {
        panic!("{spread:?}");
    };
    let known = states.all();
    assert_eq!(known.len(), 100);
    let keys = states.keys.read(&known).unwrap();
    for (number, key) in known
        .iter()
        .zip(keys[0].as_primitive::<Int64Type>().values())
    {
        let touched = states.touched(*number).unwrap();
        assert_eq!(touched.as_millis(), *key);
    }
}

/// Sums by key of what a partition has in its window.
fn window_of(states: &WindowStates, number: u64, length: u64) -> BTreeMap<i64, i64> {
    let mut sums = BTreeMap::new();
    for (key, value) in states.window(number, length).iter().flat_map(read) {
        *sums.entry(key).or_default() += value;
    }
    sums
}

fn add(states: &mut WindowStates, at: (u64, u64), rows: &[(i64, i64)]) {
    let mut fold = |rows: &[RecordBatch]| {
        let mut sums: BTreeMap<i64, i64> = BTreeMap::new();
        for (key, value) in rows.iter().flat_map(read) {
            *sums.entry(key).or_default() += value;
        }
        Ok(Some(pairs(&sums.into_iter().collect::<Vec<_>>())))
    };
    let rows = (!rows.is_empty()).then(|| pairs(rows));
    states.add_to_block(at, rows, &mut fold).unwrap();
}

proptest! {
    /// A window goes on as if it had always had so many partitions.
    #[test]
    fn a_window_goes_on_with_another_number_of_partitions(
        batches in vec(vec((0..9_i64, 1..100_i64), 0..6), 1..12),
        change in 0..12_usize,
        (before, after) in (1..4_usize, 1..4_usize),
        length in 1..5_u64,
    ) {
        let mut states: Vec<WindowStates> = Vec::new();
        states.resize_with(before, WindowStates::default);
        for (at, batch) in batches.iter().enumerate() {
            if at == change.min(batches.len() - 1) {
                let changed = states.drain(..).map(PartitionState::Window).collect();
                let changed = PartitionState::redistribute(changed, (&all(), 1), after).unwrap();
                states.extend(changed.into_iter().map(|state| match state {
                    PartitionState::Window(states) => states,
                    other => panic!("{other:?}"),
                }));
            }
            let number = at as u64 + 1;
            let mut merged: BTreeMap<i64, i64> = BTreeMap::new();
            for (key, value) in batch {
                *merged.entry(*key).or_default() += value;
            }
            let rows: Vec<_> = merged.into_iter().collect();
            let partitions = states.len();
            for (states, rows) in states.iter_mut().zip(sent(&rows, partitions)) {
                add(states, (number, length), &rows);
            }
            let mut expected: BTreeMap<i64, i64> = BTreeMap::new();
            let first = (at + 1).saturating_sub(usize::try_from(length).unwrap());
            for (key, value) in batches[first..=at].iter().flatten() {
                *expected.entry(*key).or_default() += value;
            }
            let seen = states.iter().flat_map(|states| window_of(states, number, length));
            prop_assert_eq!(seen.collect::<BTreeMap<_, _>>(), expected);
        }
    }
}
