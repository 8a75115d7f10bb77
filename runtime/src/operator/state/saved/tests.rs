use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{Int64Array, StringArray, cast::AsArray, types::Int64Type};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::model::Kind;

/// By key: state, and when it was last touched.
type Known = BTreeMap<i64, (i64, i64)>;

/// What happens to a partition between two times that it is written down.
#[derive(Debug, Clone)]
enum Event {
    Touch { key: i64, state: i64 },
    Forget(i64),
    Tidy,
    Save { whole: bool },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..12_i64, 0..3_i64).prop_map(|(key, state)| Event::Touch { key, state }),
        4 => (0..12_i64).prop_map(Event::Forget),
        1 => Just(Event::Tidy),
        4 => prop::bool::weighted(0.1).prop_map(|whole| Event::Save { whole }),
    ]
}

fn column(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn values(rows: &RecordBatch, column: usize) -> Vec<i64> {
    let column = rows.column(column).as_primitive::<Int64Type>();
    column.values().to_vec()
}

/// Written down, and put upon what was.
fn add(written: &mut Option<SavedState>, saved: SavedState) {
    *written = Some(saved.upon(written.as_ref()).unwrap());
}

fn keys_of(written: Option<&SavedState>) -> &SavedKeys {
    match written {
        Some(SavedState::Update(keys) | SavedState::Map(keys)) => keys,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn layers_of_touched_keys_are_what_is_remembered(events in vec(event(), 0..60)) {
        let (key, state) = (Schema::plain(Kind::Int64), Schema::plain(Kind::Int64));
        let all = Schema::pair(Kind::Int64, Kind::Int64);
        let columns = StateColumns { all: &all, keys: &key, states: &state };
        let mut kept = PartitionState::Map(MapStates::empty(&key, &state).unwrap());
        let (mut known, mut written) = (Known::new(), None);
        for (time, event) in (0_i64..).zip(events) {
            let PartitionState::Map(states) = &mut kept else { unreachable!() };
            match event {
                Event::Touch { key, state } => {
                    let number = states.number(&[column(&[key])], 1).unwrap()[0];
                    states.states.write([number].into_iter(), vec![column(&[state])]).unwrap();
                    states.touch(number, BatchTime::from_millis(time));
                    known.insert(key, (state, time));
                }
                Event::Forget(key) => {
                    let number = states.number(&[column(&[key])], 1).unwrap()[0];
                    states.forget(number);
                    known.remove(&key);
                }
                Event::Tidy => states.tidy_now().unwrap(),
                Event::Save { whole } => {
                    add(&mut written, kept.save(columns, whole).unwrap());
                    let (rows, touched) = keys_of(written.as_ref()).merged().unwrap();
                    let read = values(&rows, 0).into_iter().zip(values(&rows, 1).into_iter().zip(touched));
                    prop_assert_eq!(read.collect::<Known>(), known.clone());
                    prop_assert_eq!(rows.num_rows(), known.len());
                }
            }
        }
    }

    #[test]
    fn the_difference_upon_what_was_is_what_is(rounds in vec(prop::collection::btree_map(0..9_i64, 0..3_i64, 0..9), 1..6)) {
        let all = Schema::pair(Kind::Int64, Kind::Int64);
        let key = Schema::plain(Kind::Int64);
        let columns = StateColumns { all: &all, keys: &key, states: &key };
        let mut written = None;
        let mut saved = None;
        for round in rounds {
            let (keys, states): (Vec<i64>, Vec<i64>) = round.iter().unzip();
            let rows = RecordBatch::try_new(all.to_arrow(), vec![column(&keys), column(&states)]).unwrap();
            let mut kept = UpdateStates::with_initial(&all, 1, &[rows]).unwrap();
            kept.saved = saved;
            add(&mut written, SavedState::Update(kept.save(columns, false).unwrap()));
            saved = kept.saved;
            let (rows, touched) = keys_of(written.as_ref()).merged().unwrap();
            prop_assert!(touched.is_empty());
            let read: BTreeMap<i64, i64> = values(&rows, 0).into_iter().zip(values(&rows, 1)).collect();
            prop_assert_eq!(read, round);
        }
    }
}

#[test]
fn only_what_changed_is_written() {
    let all = Schema::pair(Kind::Utf8, Kind::Int64);
    let (key, state) = (Schema::plain(Kind::Utf8), Schema::plain(Kind::Int64));
    let columns = StateColumns {
        all: &all,
        keys: &key,
        states: &state,
    };
    let mut states = MapStates::empty(&key, &state).unwrap();
    let names: Vec<String> = (0..10_000).map(|key| format!("key {key}")).collect();
    let names: ArrayRef = Arc::new(StringArray::from(names));
    let numbers = states.number(&[names], 10_000).unwrap();
    let counts = column(&(0..10_000).collect::<Vec<_>>());
    states
        .states
        .write(numbers.iter().copied(), vec![counts])
        .unwrap();
    for number in &numbers {
        states.touch(*number, BatchTime::from_millis(1));
    }
    let length = |saved: &SavedKeys| saved.layers[0].rows.bytes().unwrap().len();
    let whole = states.save(columns, false).unwrap();
    assert!(whole.whole && length(&whole) > 100_000);
    for number in &numbers[..100] {
        states.touch(*number, BatchTime::from_millis(2));
    }
    let part = states.save(columns, false).unwrap();
    assert!(!part.whole);
    assert!(length(&part) * 30 < length(&whole), "{}", length(&part));
    // Nothing to build upon.
    assert!(part.merged().is_err());
    let alone = SavedState::Map(part).upon(None).unwrap();
    assert!(PartitionState::restore(&alone, columns).is_err());
}

#[test]
fn panes_are_written_once() {
    let all = Schema::pair(Kind::Int64, Kind::Int64);
    let rows =
        |value| RecordBatch::try_new(all.to_arrow(), vec![column(&[1]), column(&[value])]).unwrap();
    let mut states = WindowStates::default();
    let mut fold = |rows: &[RecordBatch]| Ok(rows.last().cloned());
    let mut written: Option<SavedState> = None;
    let mut kinds = Vec::new();
    for number in 1..=5 {
        let pane = Some(rows(i64::try_from(number).unwrap()));
        states.add_to_block((number, 3), pane, &mut fold).unwrap();
        let saved = states.save(&all, false).unwrap();
        let same = saved.panes.iter().chain(&saved.ends);
        kinds.push(
            same.filter(|(_, rows)| matches!(rows, SavedRows::AsBefore))
                .count(),
        );
        add(&mut written, SavedState::Window(saved));
        let Some(SavedState::Window(saved)) = &written else {
            unreachable!()
        };
        let restored = WindowStates::restore(saved, &all).unwrap();
        let read = |states: &WindowStates| {
            let panes = states
                .panes
                .iter()
                .map(|pane| (pane.number, pane.rows.clone()));
            (
                panes.collect::<Vec<_>>(),
                states.ends.clone(),
                states.begun.clone(),
            )
        };
        assert_eq!(read(&restored), read(&states), "{number}");
    }
    // The fourth begins a block: what is left of the one before is new, and then is not.
    assert_eq!(kinds, [0, 1, 2, 0, 4]);
}
