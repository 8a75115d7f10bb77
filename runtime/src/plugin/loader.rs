//! From a component's bytes to a plugin that can run.

use std::sync::Arc;

use wasmparser::Parser;
use wasmtime::component::{Component, Linker, types::ComponentItem};

use super::{
    CodeCache, Compiler, Engine, Plugin, PluginFault, cache, describe,
    exports::{Exports, Missing},
    fault::printable,
    host, wasi,
};
use crate::model::PluginInfo;

/// The version of `rsrt:plugin` that this host runs.
const VERSION: &str = "0.1";

/// The package's interfaces start so.
const PACKAGE: &str = "rsrt:plugin/";

/// A plugin that cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Not WebAssembly at all.
    #[error("this is not a WebAssembly file")]
    NotWasm,
    /// WebAssembly, but no component.
    #[error(
        "this is a core WebAssembly module, not a component; `rsrt build` makes a component of it if it was built with an SDK"
    )]
    CoreModule,
    /// A component that is damaged or uses what the engine does not know.
    #[error("this component cannot be compiled: {0}")]
    Invalid(String),
    /// A component for something else.
    #[error(
        "this component is no rsrt plugin: it does not export rsrt:plugin/registry@{VERSION}, only {exports}"
    )]
    OtherWorld {
        /// What it exports.
        exports: String,
    },
    /// A plugin for another rsrt.
    #[error(
        "this plugin was built for rsrt:plugin@{found}; this rsrt runs rsrt:plugin@{VERSION}: build it again with this version's SDK"
    )]
    OtherVersion {
        /// The version it was built for.
        found: String,
    },
    /// It wants something from the host that it is not given.
    #[error(
        "this plugin imports `{import}`, which is not granted; a plugin may import rsrt:plugin/host@{VERSION} and the cli, io, clocks, random, filesystem and sockets of WASI 0.2"
    )]
    ImportNotGranted {
        /// The import's full name.
        import: String,
    },
    /// An interface of the right name with other functions or types.
    #[error("this plugin does not fit rsrt:plugin@{VERSION}: {0}")]
    WrongTypes(String),
    /// Its description of itself breaks a rule.
    #[error("this plugin describes itself wrongly: {0}")]
    BadDescription(String),
    /// It failed while it was asked who it is.
    #[error("this plugin failed when it was asked who it is")]
    Silent(#[source] PluginFault),
}

/// The bytes start like a component.
pub fn is_component(bytes: &[u8]) -> bool {
    Parser::is_component(bytes)
}

/// The bytes start like a core module.
pub fn is_core_module(bytes: &[u8]) -> bool {
    Parser::is_core_wasm(bytes)
}

/// Loads plugins for one engine.
#[derive(Debug, Clone)]
pub struct Loader {
    engine: Arc<Engine>,
    compiler: Compiler,
    cache: Option<Arc<CodeCache>>,
}

impl Loader {
    /// A loader that compiles with `compiler` what is not in `cache`.
    pub fn new(engine: Arc<Engine>, compiler: Compiler, cache: Option<Arc<CodeCache>>) -> Self {
        Self {
            engine,
            compiler,
            cache,
        }
    }

    /// Loads a component.
    ///
    /// # Errors
    /// When it is none, is not for this host, or wants what it is not given.
    pub fn load(&self, bytes: &[u8]) -> Result<Plugin, LoadError> {
        if !is_component(bytes) {
            return Err(if is_core_module(bytes) {
                LoadError::CoreModule
            } else {
                LoadError::NotWasm
            });
        }
        let digest = blake3::hash(bytes);
        let component = self.component(bytes, &digest)?;
        let invalid =
            |error: wasmtime::Error| LoadError::WrongTypes(printable(&format!("{error:#}"), 2_000));

        let exports = Exports::find(&component).ok_or_else(|| self.foreign(&component))?;
        let exports = exports.map_err(|Missing(what)| LoadError::WrongTypes(what))?;
        self.check_imports(&component)?;
        let mut linker = Linker::new(self.engine.wasmtime());
        host::link(&mut linker).map_err(invalid)?;
        let imports_wasi = wasi::link(&mut linker, &component).map_err(invalid)?;
        let pre = linker.instantiate_pre(&component).map_err(invalid)?;

        let nameless = PluginInfo {
            name: String::new(),
            version: String::new(),
            doc: String::new(),
            functions: Vec::new(),
            resolves: exports.resolve.is_some(),
            migrates: exports.migrate.is_some(),
        };
        let engine = self.engine.clone();
        let plugin = Plugin::new(
            engine,
            pre,
            exports,
            nameless,
            digest,
            bytes.len(),
            imports_wasi,
        );
        let info = describe::describe(&plugin)?;
        Ok(plugin.described(info))
    }

    fn component(&self, bytes: &[u8], digest: &blake3::Hash) -> Result<Component, LoadError> {
        let cached = self
            .cache
            .as_ref()
            .and_then(|c| c.get(&self.engine, digest));
        if let Some(component) = cached {
            return Ok(component);
        }
        let code = self
            .compiler
            .compile(&self.engine, bytes)
            .map_err(|why| LoadError::Invalid(printable(&why, 2_000)))?;
        if let Some(cache) = &self.cache {
            cache.put(&self.engine, digest, &code);
        }
        cache::deserialize(&self.engine, &code)
            .map_err(|error| LoadError::Invalid(printable(&format!("{error:#}"), 2_000)))
    }

    /// Why a component without a `registry` that this host knows is none of ours.
    fn foreign(&self, component: &Component) -> LoadError {
        let ty = component.component_type();
        let names: Vec<String> = ty
            .exports(self.engine.wasmtime())
            .map(|(name, _)| printable(name, 200))
            .collect();
        let other = names.iter().find_map(|name| name.strip_prefix(PACKAGE));
        match other.and_then(|name| name.split_once('@')) {
            Some((_, version)) => LoadError::OtherVersion {
                found: version.to_owned(),
            },
            None => LoadError::OtherWorld {
                exports: match names.is_empty() {
                    true => "nothing".to_owned(),
                    false => printable(&names.join(", "), 1_000),
                },
            },
        }
    }

    fn check_imports(&self, component: &Component) -> Result<(), LoadError> {
        let ty = component.component_type();
        for (name, item) in ty.imports(self.engine.wasmtime()) {
            let ours = name
                .strip_prefix(PACKAGE)
                .and_then(|name| name.split_once('@'));
            match (ours, item.ty) {
                (Some((_, version)), _) if !is_known(version) => {
                    return Err(LoadError::OtherVersion {
                        found: printable(version, 100),
                    });
                }
                (Some(("host", _)), _) => {}
                _ if wasi::is_wasi(name) => {}
                // An interface that only has types needs nothing from the host.
                (Some(_), ComponentItem::ComponentInstance(instance))
                    if instance
                        .exports(self.engine.wasmtime())
                        .all(|(_, item)| matches!(item.ty, ComponentItem::Type(_))) => {}
                _ => {
                    return Err(LoadError::ImportNotGranted {
                        import: printable(name, 200),
                    });
                }
            }
        }
        Ok(())
    }
}

fn is_known(version: &str) -> bool {
    version == VERSION
        || version
            .strip_prefix(VERSION)
            .is_some_and(|rest| rest.starts_with('.'))
}
