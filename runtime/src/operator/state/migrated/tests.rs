use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow_array::{Int64Array, StringArray, cast::AsArray, types::Int64Type};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    account::thread_cpu,
    model::{Kind, Schema},
};

fn column(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// What happens to a partition while its copy is migrated.
#[derive(Debug, Clone)]
enum Event {
    Touch {
        key: i64,
        state: i64,
    },
    Forget(i64),
    Tidy,
    /// The state is written down: what changes is noted for that, too.
    Save,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..12_i64, 0..3_i64).prop_map(|(key, state)| Event::Touch { key, state }),
        4 => (0..12_i64).prop_map(Event::Forget),
        1 => Just(Event::Tidy),
        1 => Just(Event::Save),
    ]
}

struct Columns {
    all: Schema,
    key: Schema,
}

impl Columns {
    fn new() -> Self {
        Self {
            all: Schema::pair(Kind::Int64, Kind::Int64),
            key: Schema::plain(Kind::Int64),
        }
    }

    fn as_state(&self) -> StateColumns<'_> {
        StateColumns {
            all: &self.all,
            keys: &self.key,
            states: &self.key,
        }
    }

    /// What it is migrated to: a hundred more.
    fn migrated(&self, old: &OldStates) -> RecordBatch {
        let states = old.states()[0].as_primitive::<Int64Type>();
        let states: Vec<i64> = states.values().iter().map(|state| state + 100).collect();
        RecordBatch::try_new(self.key.to_arrow(), vec![column(&states)]).unwrap()
    }

    /// By key: state, and when it was last touched; in their order.
    fn all(&self, state: &mut PartitionState) -> Vec<(i64, i64, Option<i64>)> {
        let saved = state.save(self.as_state(), true).unwrap();
        let (SavedState::Update(keys) | SavedState::Map(keys)) = saved else {
            panic!("it is a window");
        };
        let (rows, touched) = keys.merged().unwrap();
        let values = |at: usize| {
            rows.column(at)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        };
        let touched = touched.into_iter().map(Some).chain(std::iter::repeat(None));
        let rows = values(0).into_iter().zip(values(1)).zip(touched);
        rows.map(|((key, state), touched)| (key, state, touched))
            .collect()
    }
}

fn happen(kept: &mut PartitionState, columns: &Columns, time: i64, event: &Event) {
    match (&mut *kept, event) {
        (_, Event::Save) => drop(kept.save(columns.as_state(), false).unwrap()),
        (PartitionState::Map(states), Event::Touch { key, state }) => {
            let number = states.number(&[column(&[*key])], 1).unwrap()[0];
            let written = states
                .states
                .write([number].into_iter(), vec![column(&[*state])]);
            written.unwrap();
            states.touch(number, BatchTime::from_millis(time));
        }
        (PartitionState::Map(states), Event::Forget(key)) => {
            let number = states.number(&[column(&[*key])], 1).unwrap()[0];
            states.forget(number);
        }
        (PartitionState::Map(states), Event::Tidy) => states.tidy_now().unwrap(),
        (PartitionState::Update(states), Event::Touch { key, state }) => {
            states
                .put(&[column(&[])], &[column(&[*key])], &[column(&[*state])])
                .unwrap();
        }
        (PartitionState::Update(states), Event::Forget(key)) => {
            states
                .put(&[column(&[*key])], &[column(&[])], &[column(&[])])
                .unwrap();
        }
        (_, Event::Tidy) => {}
        (PartitionState::Window(_), _) => unreachable!(),
    }
}

proptest! {
    #[test]
    fn what_is_touched_meanwhile_is_as_if_all_were_migrated_at_the_end(
        is_map in any::<bool>(),
        before in vec(event(), 0..40),
        meanwhile in vec(event(), 0..40),
    ) {
        let columns = Columns::new();
        let mut kept = match is_map {
            true => PartitionState::Map(MapStates::empty(&columns.key, &columns.key).unwrap()),
            false => PartitionState::Update(UpdateStates::empty(&columns.all, 1)),
        };
        let mut known = BTreeMap::new();
        let (first, length) = (before.len(), before.len() + meanwhile.len());
        let mut copied = None;
        for (at, event) in before.iter().chain(&meanwhile).enumerate() {
            if at == first {
                copied = kept.copy_keys();
            }
            happen(&mut kept, &columns, i64::try_from(at).unwrap(), event);
            match event {
                Event::Touch { key, state } => drop(known.insert(*key, *state)),
                Event::Forget(key) => drop(known.remove(key)),
                Event::Tidy | Event::Save => {}
            }
        }
        if first == length {
            copied = kept.copy_keys();
        }
        let copied = copied.unwrap();
        let old = copied.read().unwrap();
        let new = columns.migrated(&old);
        let mut migrated = old.with(&new, columns.as_state()).unwrap();
        let touched = kept.touched_since(&copied, columns.as_state()).unwrap().unwrap();
        prop_assert!(touched.others.len() <= meanwhile.len());
        let new = columns.migrated(&touched.others);
        migrated.catch_up(&touched, &new, columns.as_state()).unwrap();

        let found = columns.all(&mut kept);
        let expected: Vec<_> = found.iter().map(|(key, state, at)| (*key, state + 100, *at)).collect();
        prop_assert_eq!(columns.all(&mut migrated), expected);
        let found: BTreeMap<_, _> = found.into_iter().map(|(key, state, _)| (key, state)).collect();
        prop_assert_eq!(found, known);
        // It goes on as any other does.
        let more = [Event::Forget(3), Event::Touch { key: 20, state: 1 }, Event::Touch { key: 4, state: 7 }];
        for event in &more {
            happen(&mut migrated, &columns, 99, event);
            happen(&mut kept, &columns, 99, event);
        }
        let idle = |state: &mut PartitionState| match state {
            PartitionState::Map(states) => {
                let idle = states.idle_since(BatchTime::from_millis(50));
                states.keys.read(&idle).unwrap()
            }
            _ => Vec::new(),
        };
        prop_assert_eq!(idle(&mut migrated), idle(&mut kept));
        let keys = |rows: Vec<(i64, i64, Option<i64>)>| rows.into_iter().map(|row| row.0).collect::<Vec<_>>();
        prop_assert_eq!(keys(columns.all(&mut migrated)), keys(columns.all(&mut kept)));
    }
}

#[test]
fn what_is_not_noted_any_more_cannot_be_told() {
    let columns = Columns::new();
    let mut kept = PartitionState::Map(MapStates::empty(&columns.key, &columns.key).unwrap());
    let copied = kept.copy_keys().unwrap();
    kept.forget_copy();
    let touched = kept.touched_since(&copied, columns.as_state()).unwrap();
    assert!(touched.is_none());
    let mut other = PartitionState::Update(UpdateStates::empty(&columns.all, 1));
    let touched = other.touched_since(&copied, columns.as_state()).unwrap();
    assert!(touched.is_none());
}

/// `cargo test --release -p rsrt --lib a_million_keys -- --ignored --nocapture` says how long it takes.
#[test]
#[ignore = "it measures"]
fn a_million_keys_are_copied() {
    let (key, state) = (Schema::plain(Kind::Utf8), Schema::plain(Kind::Int64));
    let all = Schema::pair(Kind::Utf8, Kind::Int64);
    let columns = StateColumns {
        all: &all,
        keys: &key,
        states: &state,
    };
    let names: Vec<String> = (0..1_000_000).map(|at| format!("key {at}")).collect();
    let names: ArrayRef = Arc::new(StringArray::from(names));
    let mut states = MapStates::empty(&key, &state).unwrap();
    for start in (0..1_000_000).step_by(1_000) {
        let numbers = states.number(&[names.slice(start, 1_000)], 1_000).unwrap();
        let counts = column(&vec![1; 1_000]);
        states
            .states
            .write(numbers.iter().copied(), vec![counts])
            .unwrap();
        for number in numbers {
            states.touch(number, BatchTime::from_millis(1));
        }
    }
    let counts = column(&vec![1; 1_000_000]);
    let rows = RecordBatch::try_new(all.to_arrow(), vec![names, counts]).unwrap();
    let update = UpdateStates::with_initial(&all, 1, &[rows]).unwrap();
    for mut kept in [PartitionState::Map(states), PartitionState::Update(update)] {
        let what = match &kept {
            PartitionState::Map(_) => "map-with-state",
            _ => "update-state-by-key",
        };
        let timed = |of: &str, began: Duration| {
            println!("{what}, {of}: {:?}", thread_cpu().saturating_sub(began));
        };
        let began = thread_cpu();
        let copied = kept.copy_keys().unwrap();
        timed("copied to be migrated", began);
        let began = thread_cpu();
        let whole = kept.copied();
        timed("copied for a shadow", began);
        drop(whole);
        let began = thread_cpu();
        let old = copied.read().unwrap();
        timed("read from the copy", began);
        let new =
            RecordBatch::try_new(state.to_arrow(), vec![column(&vec![2; 1_000_000])]).unwrap();
        let began = thread_cpu();
        let mut migrated = old.with(&new, columns).unwrap();
        timed("made anew", began);
        let touched: Vec<String> = (0..10_000).map(|at| format!("key {at}")).collect();
        let touched: ArrayRef = Arc::new(StringArray::from(touched));
        match &mut kept {
            PartitionState::Map(states) => {
                for number in states.number(&[touched], 10_000).unwrap() {
                    states.touch(number, BatchTime::from_millis(2));
                }
            }
            PartitionState::Update(states) => {
                let none = [touched.slice(0, 0)];
                let counts = [column(&vec![2; 10_000])];
                states.put(&none, &[touched], &counts).unwrap();
            }
            PartitionState::Window(_) => unreachable!(),
        }
        let began = thread_cpu();
        let touched = kept.touched_since(&copied, columns).unwrap().unwrap();
        let new = RecordBatch::try_new(state.to_arrow(), vec![column(&vec![3; 10_000])]).unwrap();
        migrated.catch_up(&touched, &new, columns).unwrap();
        timed("10,000 keys that were touched", began);
    }
}
