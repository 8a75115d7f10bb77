//! Which states there are, which of them belong together, and which are still needed. Pure.

use super::manifest::StateEntry;

/// So many parts may lie upon a whole state: a run that goes on reads all of them.
const LONGEST: usize = 64;

/// The states that the newest one is read from: a whole one, and what changed since.
pub(super) fn newest(states: &[StateEntry]) -> &[StateEntry] {
    &states[first_of(states, states.len().saturating_sub(1))..]
}

/// What the state at `at` is read from, as [`newest`] says it of the last one.
pub(super) fn until(states: &[StateEntry], at: usize) -> &[StateEntry] {
    states.get(first_of(states, at)..=at).unwrap_or_default()
}

/// Where the state at `at` begins: with itself, or the whole one that it lies upon.
fn first_of(states: &[StateEntry], at: usize) -> usize {
    let until = states.get(..=at).unwrap_or_default();
    until.iter().rposition(|state| state.whole).unwrap_or(0)
}

/// It is time to write a whole state: what lies upon the last one is half as long as itself, so
/// that neither what is written nor what is read grows beyond a small factor.
pub(super) fn is_whole_due(states: &[StateEntry]) -> bool {
    let Some((whole, upon)) = newest(states).split_first() else {
        return true;
    };
    let bytes: u64 = upon.iter().map(|state| state.bytes).sum();
    upon.len() >= LONGEST || bytes.saturating_mul(2) >= whole.bytes
}

/// The state from which the last `retain` batches can be made again: the newest that is so old.
/// None: there is none yet, and they are made again from the beginning.
pub(super) fn oldest_needed(states: &[StateEntry], retain: u64) -> Option<&StateEntry> {
    let last = states.last()?.number;
    let mut states = states.iter().rev();
    states.find(|state| state.number.saturating_add(retain) <= last)
}

/// Drops the states that nobody needs: those before what the oldest one that is needed lies upon.
pub(super) fn release(states: &mut Vec<StateEntry>, retain: u64) {
    let Some(oldest) = oldest_needed(states, retain).map(|state| state.number) else {
        return;
    };
    let at = states.iter().position(|state| state.number == oldest);
    let first = first_of(states, at.unwrap_or(0));
    states.drain(..first);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(number: u64, whole: bool, bytes: u64) -> StateEntry {
        StateEntry {
            time: 0,
            number,
            file: String::new(),
            digest: String::new(),
            whole,
            bytes,
            sources: Vec::new(),
        }
    }

    fn numbers(states: &[StateEntry]) -> Vec<u64> {
        states.iter().map(|state| state.number).collect()
    }

    #[test]
    fn a_whole_state_is_due_at_first_and_when_parts_are_half_as_long() {
        assert!(is_whole_due(&[]));
        let mut states = vec![state(1, true, 100), state(2, false, 30)];
        assert!(!is_whole_due(&states));
        states.push(state(3, false, 20));
        assert!(is_whole_due(&states));
        states.push(state(4, true, 100));
        assert!(!is_whole_due(&states));
        states.extend((0..64).map(|at| state(5 + at, false, 0)));
        assert!(is_whole_due(&states));
        assert_eq!(newest(&states).len(), 65);
    }

    #[test]
    fn what_retained_batches_are_made_from_stays_with_what_it_lies_upon() {
        let mut states = vec![
            state(10, true, 100),
            state(20, false, 10),
            state(30, true, 100),
            state(40, false, 10),
            state(50, false, 10),
        ];
        // Batches 46 to 50 are made from the state after 40, which lies upon 30.
        assert_eq!(oldest_needed(&states, 5).map(|s| s.number), Some(40));
        let mut five = states.clone();
        release(&mut five, 5);
        assert_eq!(numbers(&five), [30, 40, 50]);
        // Batches 31 to 50 from the state after 30, batches 26 to 50 from that after 20.
        release(&mut states, 20);
        assert_eq!(numbers(&states), [30, 40, 50]);
        let mut young = vec![state(3, true, 1), state(6, true, 1)];
        assert_eq!(oldest_needed(&young, 10), None);
        release(&mut young, 10);
        assert_eq!(numbers(&young), [3, 6]);
        release(&mut young, 0);
        assert_eq!(numbers(&young), [6]);
    }
}
