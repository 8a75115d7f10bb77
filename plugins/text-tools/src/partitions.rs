//! Lines seen together.

use std::collections::HashSet;

use rsrt::prelude::*;

/// A run of equal lines.
#[derive(Default)]
pub(crate) struct Runs {
    line: Option<String>,
    count: i64,
}

/// Equal lines that follow one another as (line, how many), like `uniq -c`.
#[rsrt::map_partitions]
impl Runs {
    fn process(&mut self, line: &str, out: &mut Emitter<(&str, i64)>) {
        if self.line.as_deref() != Some(line) {
            self.finish(out);
            self.line = Some(line.to_owned());
        }
        self.count += 1;
    }

    fn finish(&mut self, out: &mut Emitter<(&str, i64)>) {
        if let Some(line) = self.line.take() {
            out.emit((&line, self.count));
        }
        self.count = 0;
    }
}

/// Lines to leave out.
#[derive(Default)]
pub(crate) struct Without {
    left_out: HashSet<String>,
}

/// Lines that are not among the rows of the side `unwanted`.
#[rsrt::transform]
impl Without {
    #[side]
    fn unwanted(&mut self, line: &str) {
        self.left_out.insert(line.to_owned());
    }

    fn process(&mut self, line: &str, out: &mut Emitter<&str>) {
        if !self.left_out.contains(line) {
            out.emit(line);
        }
    }
}

/// Senders whose messages to leave out.
#[derive(Default)]
pub(crate) struct NotFrom {
    left_out: HashSet<String>,
}

/// Messages (sender, text) whose sender is not among the rows of the side `senders`.
#[rsrt::transform]
impl NotFrom {
    #[side]
    fn senders(&mut self, sender: &str) {
        self.left_out.insert(sender.to_owned());
    }

    fn process(&mut self, (sender, text): (&str, &str), out: &mut Emitter<(&str, &str)>) {
        if !self.left_out.contains(sender) {
            out.emit((sender, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_become_one() {
        let (mut runs, mut out) = (Runs::default(), Emitter::new());
        for line in ["a", "a", "b", "a"] {
            runs.process(line, &mut out);
        }
        runs.finish(&mut out);
        assert_eq!(out.rows(), [("a", 2), ("b", 1), ("a", 1)]);
    }

    #[test]
    fn messages_of_unwanted_senders_are_left_out() {
        let (mut not_from, mut out) = (NotFrom::default(), Emitter::new());
        not_from.senders("eve");
        for message in [("ann", "hello"), ("eve", "buy")] {
            not_from.process(message, &mut out);
        }
        assert_eq!(out.rows(), [("ann", "hello")]);
    }

    #[test]
    fn unwanted_lines_are_left_out() {
        let (mut without, mut out) = (Without::default(), Emitter::new());
        without.unwanted("b");
        for line in ["a", "b", "c"] {
            without.process(line, &mut out);
        }
        assert_eq!(out.rows(), ["a", "c"]);
    }
}
