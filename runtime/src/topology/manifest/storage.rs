//! `persist` and its bounds, of a receiver and of a window; `log` of a receiver.

use super::table::Table;
use crate::{
    confine::Place,
    model::PersistLevel,
    topology::{
        BlockStorage, PaneStorage,
        problem::{ProblemKind, Problems},
    },
};

/// What the top of a topology says for all its receivers.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    pub(super) has_checkpoint: bool,
    /// As written.
    pub(super) spill_directory: Option<Place>,
}

pub(super) fn read(
    table: &mut Table<'_>,
    surroundings: &Surroundings,
    problems: &mut Problems,
) -> BlockStorage {
    let default = BlockStorage::default();
    let persist = table.choice("persist", &PersistLevel::NAMES, problems);
    let persist = persist.unwrap_or(default.persist);
    let memory = bound(
        "block-store-memory",
        PersistLevel::Disk,
        persist,
        table,
        problems,
    );
    let disk = bound(
        "block-store-disk",
        PersistLevel::Memory,
        persist,
        table,
        problems,
    );
    BlockStorage {
        persist,
        memory: memory.unwrap_or(default.memory),
        disk: disk.unwrap_or(default.disk),
        log: read_log(table, surroundings.has_checkpoint, problems).unwrap_or(default.log),
        spill_directory: surroundings.spill_directory.clone(),
    }
}

/// `persist` and `window-memory` of a window of rows.
pub(super) fn read_panes(table: &mut Table<'_>, problems: &mut Problems) -> PaneStorage {
    const MEMORY: &str = "window-memory";
    let default = PaneStorage::default();
    let persist = table.choice("persist", &PersistLevel::NAMES, problems);
    let persist = persist.unwrap_or(default.persist);
    let at = table.peek(MEMORY).map(|value| value.key_at);
    let memory = table.bytes(MEMORY, problems);
    if let (Some(at), PersistLevel::Memory | PersistLevel::Disk) = (at, persist) {
        let why = format!("bounds nothing: `persist` is \"{}\"", persist.name());
        let key = MEMORY.to_owned();
        let problem = problems.report(ProblemKind::BadValue { key, why }, at);
        problem.help("leave it out, or write persist = \"memory-and-disk\"");
    }
    PaneStorage {
        persist,
        memory: memory.unwrap_or(default.memory),
        spill_directory: None,
    }
}

/// A bound, which the level `without` has no use for.
fn bound(
    key: &'static str,
    without: PersistLevel,
    persist: PersistLevel,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Option<std::num::NonZeroUsize> {
    let at = table.peek(key).map(|value| value.key_at);
    let size = table.bytes(key, problems); // also taken as asked for when it is not there
    let at = at?;
    if persist == without {
        let why = format!(
            "bounds what is never used: `persist` is \"{}\"",
            without.name()
        );
        let key = key.to_owned();
        let problem = problems.report(ProblemKind::BadValue { key, why }, at);
        problem.help("leave it out, or write persist = \"memory-and-disk\"");
    }
    size
}

fn read_log(table: &mut Table<'_>, has_checkpoint: bool, problems: &mut Problems) -> Option<bool> {
    let value = table.take("log")?;
    let log = value.boolean(problems)?;
    if !has_checkpoint {
        let why = "says whether received blocks are logged, but there is no `checkpoint` to log \
                   them in";
        let problem = value.is_bad(why, problems);
        problem.help("write checkpoint = \"checkpoints\" at the top, or leave it out");
    }
    Some(log)
}
