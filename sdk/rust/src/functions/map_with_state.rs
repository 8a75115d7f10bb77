//! `map-with-state`: one value of a key after another, and what is remembered of the key.

use super::{
    Entry, Function, Key, StatefulEntry, aggregate::groups, resolve, room, update_state::is_set,
    values,
};
use crate::{
    abi::{
        exports::stateful::{self as exported, Input, Outcome, Verb},
        faults::Fault,
    },
    emitter::{Collect, Sink as _},
    row::{Bits, Columns, Owned, Room, Row},
    session,
};

/// What is remembered of a key, as a `map_with_state` function sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct State<S> {
    value: Option<S>,
    timing_out: bool,
}

impl<S> State<S> {
    /// A key of which this is remembered, or nothing. For tests.
    pub fn new(value: Option<S>) -> Self {
        Self {
            value,
            timing_out: false,
        }
    }

    /// A key that was idle too long. For tests.
    pub fn timing_out_with(value: S) -> Self {
        Self {
            value: Some(value),
            timing_out: true,
        }
    }

    /// What is remembered, if anything.
    pub fn get(&self) -> Option<&S> {
        self.value.as_ref()
    }

    /// Whether anything is remembered.
    pub fn exists(&self) -> bool {
        self.value.is_some()
    }

    /// Remembers this. Without effect while the key is timing out.
    pub fn update(&mut self, value: S) {
        self.value = Some(value);
    }

    /// Forgets the key.
    pub fn remove(&mut self) {
        self.value = None;
    }

    /// The key was idle too long: this is its last call, there is no value, and its state is
    /// dropped afterwards.
    pub fn is_timing_out(&self) -> bool {
        self.timing_out
    }
}

/// A function for `map-with-state`.
pub trait MapWithState: Function {
    /// The key, or [`NoKey`](super::NoKey).
    type Key: Key;
    /// The values.
    type Value: Row;
    /// What is remembered.
    type State: Owned;
    /// What it passes on, or [`NoRows`](crate::row::NoRows).
    type Output: Row;
    /// Raised when the state changes shape or meaning.
    const VERSION: u32;
    /// The function.
    fn apply<'a>(
        settings: &'a Self::Settings,
        key: &<Self::Key as Key>::Ref<'a>,
        value: Option<<Self::Value as Row>::Ref<'a>>,
        state: &mut State<Self::State>,
    ) -> Option<<Self::Output as Row>::Ref<'a>>;
}

/// The function as an entry of the plugin's table.
pub const fn map_with_state<F: MapWithState>() -> Entry {
    Entry::Stateful(StatefulEntry {
        name: F::NAME,
        describe: || exported::Function {
            name: F::NAME.into(),
            verb: Verb::MapWithState,
            keys: F::Key::key_schema(),
            input: values::<F::Value>(),
            state: values::<F::State>(),
            state_version: F::VERSION,
            output: F::Output::schema(),
            skips_idle: true,
            doc: F::DOC.into(),
        },
        update: update::<F>,
        resolve: |given| resolve::<F>(given, F::Output::schema()),
    })
}

fn update<F: MapWithState>(input: Input) -> Result<Outcome, Fault> {
    session::settings::<F, _, _>(|settings| {
        let keys = F::Key::read_keys(&mut Columns::of(&input.rows.keys))?;
        let reader = F::Value::read(&mut Columns::of(&input.rows.values))?;
        let old = F::State::read(&mut Columns::of(&input.states))?;
        let mut states = Collect::<F::State>::whole(room(&input.states));
        let mut keep = Bits::with_room(input.rows.keys.rows as usize);
        let mut out = Answers::<F::Output>::with_room(room(&input.rows.values));
        for (group, rows) in groups(&input.rows).enumerate() {
            let key = F::Key::key(&keys, group);
            let mut state = State::new(
                is_set(input.present.as_ref(), group, true).then(|| F::State::get(&old, group)),
            );
            for row in rows {
                let value = F::Value::get(&reader, row);
                out.put(row, F::apply(settings, &key, Some(value), &mut state));
            }
            if is_set(input.expired.as_ref(), group, false) {
                state.timing_out = true;
                let origin = input.rows.values.rows as usize + group;
                out.put(origin, F::apply(settings, &key, None, &mut state));
                state.value = None;
            }
            keep.push(state.exists());
            match state.value {
                Some(state) => states.put(state),
                None => states.put_blank(),
            }
        }
        Ok(Outcome {
            states: states.close(),
            keep: keep.into_validity(),
            origins: Some(out.origins.into_flattened()),
            output: out.rows.close(),
        })
    })
}

/// Rows to pass on, and what each one answers.
struct Answers<T: Row> {
    rows: Collect<T>,
    origins: Vec<[u8; 4]>,
}

impl<T: Row> Answers<T> {
    fn with_room(room: Room) -> Self {
        Self {
            rows: Collect::whole(room),
            origins: Vec::with_capacity(room.rows),
        }
    }

    fn put(&mut self, origin: usize, row: Option<T::Ref<'_>>) {
        if let Some(row) = row {
            self.rows.put(row);
            self.origins.push(crate::row::offset(origin));
        }
    }
}
