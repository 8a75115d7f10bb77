//! `[limits]`: what functions may use.

use super::table::Table;
use crate::topology::{Limits, problem::Problems};

/// Reads the limits; what is not set stays at [`Limits::default`].
pub(super) fn read(root: &mut Table<'_>, problems: &mut Problems) -> Limits {
    let mut limits = Limits::default();
    let Some(value) = root.take("limits") else {
        return limits;
    };
    let Some(table) = value.table("a table", problems) else {
        return limits;
    };
    let mut table = Table::new("[limits]".to_owned(), value.key_at, table);
    if let Some(memory) = table.bytes("memory", problems) {
        limits.memory = memory.get();
    }
    if let Some(cpu_time) = table.duration("cpu-time", problems) {
        limits.cpu_time = cpu_time.value;
    }
    if let Some(output) = table.bytes("output", problems) {
        limits.output = output.get();
    }
    limits.fuel = table.positive("fuel", problems);
    if let Some(value) = table.take("log-lines")
        && let Some(lines) = value.positive(problems)
    {
        match u32::try_from(lines) {
            Ok(lines) => limits.log_lines = lines,
            Err(_) => drop(value.is_bad("must be below 2^32", problems)),
        }
    }
    if let Some(faults) = table.positive("faults", problems) {
        limits.faults = usize::try_from(faults).unwrap_or(usize::MAX);
    }
    if let Some(letters) = table.bytes("dead-letters", problems) {
        limits.dead_letters = letters.get();
    }
    table.finish(problems);
    limits
}
