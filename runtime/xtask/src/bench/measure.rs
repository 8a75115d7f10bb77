//! What a child process cost.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use wait4::Wait4;

use crate::command::{Failed, line};

/// The cost of one process, start to end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// On all threads, in user and kernel mode.
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    /// Bytes of memory at most.
    pub(super) peak_memory: u64,
}

/// Runs a command to its end, its output dropped.
#[expect(
    clippy::disallowed_methods,
    reason = "measuring is the point, and no result depends on it"
)]
pub(super) fn measure(command: &mut Command) -> Result<Cost, Failed> {
    let line = line(command);
    let started = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| Failed(format!("`{line}` could not be started: {error}")))?;
    let used = child.wait4()?;
    let wall = started.elapsed();
    if !used.status.success() {
        return Err(Failed(format!("`{line}` failed ({})", used.status)));
    }
    Ok(Cost {
        cpu: used.rusage.utime + used.rusage.stime,
        wall,
        peak_memory: used.rusage.maxrss,
    })
}

/// The middle of each figure by itself.
pub(super) fn median(costs: &[Cost]) -> Cost {
    Cost {
        cpu: middle(costs.iter().map(|cost| cost.cpu)),
        wall: middle(costs.iter().map(|cost| cost.wall)),
        peak_memory: middle(costs.iter().map(|cost| cost.peak_memory)),
    }
}

/// Of an even number, the lower of the two in the middle.
fn middle<T: Ord + Default>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort();
    let at = values.len().saturating_sub(1) / 2;
    values.into_iter().nth(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_value_is_not_moved_by_one_bad_run() {
        let cases: [(&[u64], u64); 4] = [(&[], 0), (&[3], 3), (&[9, 1, 2], 2), (&[4, 1, 2, 99], 2)];
        for (values, expected) in cases {
            assert_eq!(middle(values.iter().copied()), expected, "{values:?}");
        }
    }

    #[test]
    fn work_costs_cpu_and_a_failure_is_one() {
        let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        let cost = measure(Command::new("sh").args(["-c", busy])).unwrap();
        assert!(
            cost.cpu > Duration::ZERO && cost.peak_memory > 0,
            "{cost:?}"
        );
        let Failed(why) = measure(Command::new("sh").args(["-c", "exit 4"])).unwrap_err();
        assert!(why.contains("exit status: 4"), "{why}");
    }
}
