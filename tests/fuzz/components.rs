//! A real plugin, changed: it is loaded or refused, in a child that has little time and memory.

use std::{fs, sync::LazyLock, time::Duration};

use proptest::prelude::*;
use rsrt::plugin::{CompileLimits, Compiler, Engine, EngineOptions, Loader};

use super::{cases, changed, changes};
use crate::guests;

/// CPU time of a child: it is killed when it is used up, so that no bytes hold up the loader.
const LIMIT: Duration = Duration::from_secs(20);

static PLUGIN: LazyLock<Vec<u8>> =
    LazyLock::new(|| fs::read(guests::plugin("word-count")).unwrap());

static LOADER: LazyLock<Loader> = LazyLock::new(|| {
    let compiler = Compiler::Child {
        program: env!("CARGO_BIN_EXE_rsrt").into(),
        limits: CompileLimits {
            cpu_time: LIMIT,
            memory: 4 << 30,
        },
    };
    Loader::new(
        Engine::new(EngineOptions::default()).unwrap(),
        compiler,
        None,
    )
});

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn a_changed_plugin_is_loaded_or_refused(changes in changes(4)) {
        let bytes = changed(PLUGIN.clone(), &changes);
        match LOADER.load(&bytes) {
            Ok(plugin) => prop_assert!(!plugin.info().name.is_empty()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
