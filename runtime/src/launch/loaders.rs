//! What loads plugins: one engine for all topologies of a process.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::LaunchError;
use crate::{
    plugin::{
        CodeCache, CompileLimits, Compiler, Engine, EngineOptions, Loader, Plugin, is_core_module,
    },
    toolchain::componentize,
};

/// Loads plugins through the cache of compiled code, compiling in a child process.
pub struct Loaders {
    /// This program, which compiles as a child.
    program: PathBuf,
    code_cache: Option<PathBuf>,
    limits: CompileLimits,
    /// One for each kind of engine that was needed so far.
    made: Mutex<Vec<(bool, Arc<Loader>)>>,
}

impl Loaders {
    /// With the program that compiles, and where compiled code is kept, if anywhere.
    pub fn new(program: PathBuf, code_cache: Option<PathBuf>) -> Self {
        Self {
            program,
            code_cache,
            limits: CompileLimits::default(),
            made: Mutex::default(),
        }
    }

    /// The same, where compiling a plugin takes no more than this.
    #[must_use]
    pub fn limited(self, limits: CompileLimits) -> Self {
        Self { limits, ..self }
    }

    /// A loader whose engine has these options.
    ///
    /// # Errors
    /// When the engine does not start.
    pub fn get(&self, options: EngineOptions) -> Result<Arc<Loader>, LaunchError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, loader)) = made.iter().find(|(fuel, _)| *fuel == options.fuel) {
            return Ok(loader.clone());
        }
        let fuel = options.fuel;
        let engine = Engine::new(options).map_err(LaunchError::run)?;
        let compiler = Compiler::Child {
            program: self.program.clone(),
            limits: self.limits,
        };
        let cache = self.code_cache.as_ref().and_then(|directory| {
            CodeCache::open(directory)
                .inspect_err(|error| {
                    let why = std::error::Error::source(error).map(ToString::to_string);
                    let why = why.map_or(String::new(), |why| format!(": {why}"));
                    // It is of all topologies, not of the one that came first.
                    tracing::warn!(parent: None, "{error}{why}; plugins are compiled each time");
                })
                .ok()
        });
        let loader = Arc::new(Loader::new(engine, compiler, cache.map(Arc::new)));
        made.push((fuel, loader.clone()));
        Ok(loader)
    }
}

/// The component in a plugin's file; of a core module that carries its interface, one is made.
///
/// # Errors
/// When none can be made.
pub fn component(bytes: Vec<u8>, name: &str) -> Result<Arc<[u8]>, LaunchError> {
    match is_core_module(&bytes) {
        true => componentize(bytes)
            .map(Into::into)
            .map_err(|error| not_loaded(name, &error)),
        false => Ok(bytes.into()),
    }
}

/// Loads a plugin that people know by this name.
///
/// # Errors
/// When it is no plugin for this host.
pub fn load_bytes(loader: &Loader, bytes: &[u8], name: &str) -> Result<Plugin, LaunchError> {
    loader
        .load(bytes)
        .map_err(|error| match std::error::Error::source(&error) {
            Some(source) => not_loaded(name, &format!("{error}: {source}")),
            None => not_loaded(name, &error),
        })
}

fn not_loaded(name: &str, why: &dyn std::fmt::Display) -> LaunchError {
    LaunchError::input(format!("cannot load plugin {name}: {why}"))
}
