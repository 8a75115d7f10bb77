//! Everything a plugin can do wrong, one function each, and one that does nothing wrong.
//!
//! It shows that a host catches each fault, blames the right function and goes on. Most functions
//! are plain; those in [`lies`] return columns that the SDK could not, so this plugin writes its
//! exports itself and hands everything else to the SDK's.

mod leaks;
mod lies;
mod logs;
mod migrations;
mod poison;
mod rejects;
mod traps;

use rsrt::prelude::*;

/// Does nothing wrong: each line as it came.
#[rsrt::map]
fn echo(line: &str) -> &str {
    line
}

/// Asks for its task, which is allowed: a line tells operator, batch time and partition.
#[rsrt::map]
fn tell_task(line: &str) -> String {
    let task = task();
    let time = task.batch_time.0;
    format!("{line} {} {time} {}", task.operator, task.partition)
}

rsrt::plugin! {
    echo, tell_task,
    traps::panics, traps::panics_at_bang, traps::aborts, traps::indexes_past_the_end, traps::recurses,
    traps::spins, traps::eats_memory, traps::PanicsAtTheEnd,
    rejects::rejects_all, rejects::rejects_with_control_characters, rejects::rejects_with_huge_reasons,
    logs::floods_the_log, logs::logs_control_characters, logs::logs_huge_lines,
    leaks::leaks, lies::lies,
    poison::poison_map, poison::poison_flat_map, poison::poison_filter, poison::poison_add,
    poison::poison_update, poison::poison_total, poison::PoisonPartition, poison::PoisonBatch,
    migrations::tally, migrations::tally_text, migrations::text_of_number, migrations::tally_again,
    migrations::number_of_text, migrations::tally_panics, migrations::panics_of_number,
    migrations::tally_spins, migrations::spins_of_number, migrations::tally_lies,
    migrations::lies_of_number, migrations::kept, migrations::kept_text, migrations::text_of_kept,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echo_does_nothing_wrong() {
        assert_eq!(echo("a"), "a");
    }

    #[test]
    fn natively_the_task_is_a_test() {
        assert_eq!(tell_task("a"), "a test 0 0");
    }
}
