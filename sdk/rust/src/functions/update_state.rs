//! `update-state-by-key`: a key's new values and its state to its next state.

use super::{Entry, Function, Key, StatefulEntry, aggregate::groups, resolve, room, values};
use crate::{
    abi::{
        columns::Batch,
        exports::stateful::{self as exported, Input, Outcome, Verb},
        faults::Fault,
    },
    emitter::{Collect, Sink as _},
    row::{Bits, Columns, Row, bit},
    session,
};

/// A function for `update-state-by-key`.
pub trait UpdateState: Function {
    /// The key, or [`NoKey`](super::NoKey).
    type Key: Key;
    /// The new values.
    type Value: Row;
    /// What is remembered.
    type State: Row;
    /// Raised when the state changes shape or meaning.
    const VERSION: u32;
    /// With no new values a state stays as it is.
    const SKIPS_IDLE: bool;
    /// The function.
    fn apply<'a>(
        settings: &'a Self::Settings,
        key: &<Self::Key as Key>::Ref<'a>,
        new: &[<Self::Value as Row>::Ref<'a>],
        state: Option<<Self::State as Row>::Ref<'a>>,
    ) -> Option<<Self::State as Row>::Ref<'a>>;
}

/// The function as an entry of the plugin's table.
pub const fn update_state<F: UpdateState>() -> Entry {
    Entry::Stateful(StatefulEntry {
        name: F::NAME,
        describe: || exported::Function {
            name: F::NAME.into(),
            verb: Verb::UpdateStateByKey,
            keys: F::Key::key_schema(),
            input: values::<F::Value>(),
            state: values::<F::State>(),
            state_version: F::VERSION,
            output: Vec::new(),
            skips_idle: F::SKIPS_IDLE,
            doc: F::DOC.into(),
        },
        update: update::<F>,
        resolve: |given| resolve::<F>(given, values::<F::State>()),
    })
}

fn update<F: UpdateState>(input: Input) -> Result<Outcome, Fault> {
    session::settings::<F, _, _>(|settings| {
        let keys = F::Key::read_keys(&mut Columns::of(&input.rows.keys))?;
        let reader = F::Value::read(&mut Columns::of(&input.rows.values))?;
        let old = F::State::read(&mut Columns::of(&input.states))?;
        let mut states = Collect::<F::State>::whole(room(&input.states));
        let mut keep = Bits::with_room(input.rows.keys.rows as usize);
        let mut new = Vec::new();
        for (group, rows) in groups(&input.rows).enumerate() {
            new.clear();
            new.extend(rows.map(|row| F::Value::get(&reader, row)));
            let key = F::Key::key(&keys, group);
            let state =
                is_set(input.present.as_ref(), group, true).then(|| F::State::get(&old, group));
            let next = F::apply(settings, &key, &new, state);
            keep.push(next.is_some());
            match next {
                Some(next) => states.put(next),
                None => states.put_blank(),
            }
        }
        Ok(Outcome {
            states: states.close(),
            keep: keep.into_validity(),
            output: Batch {
                rows: 0,
                columns: Vec::new(),
            },
            origins: None,
        })
    })
}

/// Bit `at` of a bitmap that may be left out.
pub(super) fn is_set(bits: Option<&Vec<u8>>, at: usize, left_out: bool) -> bool {
    bits.map_or(left_out, |bits| bit(bits, at))
}
