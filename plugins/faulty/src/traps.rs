//! Functions that never return.

use rsrt::prelude::*;

/// Panics at every line.
#[rsrt::map]
pub(crate) fn panics(line: &str) -> &str {
    panic!("cannot handle {line:?}")
}

/// Panics at lines that hold a `!`: one poisoned row among good ones.
#[rsrt::map]
pub(crate) fn panics_at_bang(line: &str) -> &str {
    assert!(!line.contains('!'), "cannot handle {line:?}");
    line
}

/// Aborts without a word.
#[rsrt::map]
pub(crate) fn aborts(line: &str) -> &str {
    if line.len() < usize::MAX {
        std::process::abort()
    }
    line
}

/// Reads past the end of a slice.
#[rsrt::map]
pub(crate) fn indexes_past_the_end(line: &str) -> i64 {
    i64::from(line.as_bytes()[line.len()])
}

/// Calls itself until the stack is full.
#[rsrt::map]
pub(crate) fn recurses(line: &str) -> i64 {
    fn deeper(depth: i64) -> i64 {
        let frame = std::hint::black_box([depth; 64]);
        if frame[0] < 0 {
            return 0;
        }
        deeper(depth + 1) + frame[1]
    }
    let len = i64::try_from(line.len()).unwrap_or(0);
    deeper(len)
}

/// Never ends.
#[rsrt::map]
pub(crate) fn spins(line: &str) -> i64 {
    let mut turns: i64 = 0;
    while std::hint::black_box(turns) >= 0 {
        turns = turns.wrapping_add(1) & i64::MAX;
    }
    turns + i64::try_from(line.len()).unwrap_or(0)
}

/// Takes memory until there is none.
#[rsrt::map]
pub(crate) fn eats_memory(line: &str) -> i64 {
    let mut eaten = vec![line.as_bytes().to_vec()];
    loop {
        eaten.push(std::hint::black_box(vec![1; 1 << 20]));
        if eaten.is_empty() {
            return 0;
        }
    }
}

/// Takes all lines, then panics.
#[derive(Default)]
pub(crate) struct PanicsAtTheEnd {
    lines: u64,
}

/// Takes all lines of a partition, then panics instead of finishing.
#[rsrt::map_partitions]
impl PanicsAtTheEnd {
    fn process(&mut self, line: &str, out: &mut Emitter<&str>) {
        self.lines += 1;
        out.emit(line);
    }

    #[expect(clippy::unused_self, reason = "the form of `finish`")]
    fn finish(&mut self, _out: &mut Emitter<&str>) {
        panic!("the end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_a_bang_pass() {
        assert_eq!(panics_at_bang("fine"), "fine");
    }

    #[test]
    fn a_line_with_a_bang_does_not() {
        let panic = std::panic::catch_unwind(|| panics_at_bang("no!").len()).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert_eq!(message, "cannot handle \"no!\"");
    }
}
