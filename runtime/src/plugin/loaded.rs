//! A plugin: loaded, checked, ready to be instantiated.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::{Store, UpdateDeadline, component::InstancePre};

use super::{
    Engine, Instance, InstanceLimits, PluginFault, Preempt, Task,
    abi::{FieldIn, FieldOut, Kind as AbiKind, Setting},
    blame::blame_start,
    exports::Exports,
    fault::printable,
    host::Host,
    lift,
    preempt::Unhurried,
    wasi::{Grants, World},
};
use crate::model::{Kind, PluginInfo, Schema};

/// A plugin of which instances can be made. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
    /// None: it imports nothing of WASI, so that there is nothing to put grants into.
    world: Option<Arc<Grants>>,
}

struct Inner {
    engine: Arc<Engine>,
    pre: InstancePre<Host>,
    exports: Exports,
    info: PluginInfo,
    digest: blake3::Hash,
    size: usize,
}

impl Plugin {
    pub(super) fn new(
        engine: Arc<Engine>,
        pre: InstancePre<Host>,
        exports: Exports,
        info: PluginInfo,
        digest: blake3::Hash,
        size: usize,
        imports_wasi: bool,
    ) -> Self {
        let inner = Inner {
            engine,
            pre,
            exports,
            info,
            digest,
            size,
        };
        Self {
            inner: Arc::new(inner),
            world: imports_wasi.then(Arc::default),
        }
    }

    /// The same plugin, after it was asked who it is.
    pub(super) fn described(self, info: PluginInfo) -> Self {
        let inner = match Arc::try_unwrap(self.inner) {
            Ok(inner) => Arc::new(Inner { info, ..inner }),
            Err(shared) => shared,
        };
        Self { inner, ..self }
    }

    /// The same plugin, given this besides its input, in place of what it was given before. One
    /// that does not [import WASI](Self::imports_wasi) cannot ask for any of it.
    #[must_use]
    pub fn granted(self, grants: Grants) -> Self {
        let world = self.world.map(|_| Arc::new(grants));
        Self { world, ..self }
    }

    /// It imports something of WASI, so that it can make use of grants.
    pub fn imports_wasi(&self) -> bool {
        self.world.is_some()
    }

    /// What it says of itself.
    pub fn info(&self) -> &PluginInfo {
        &self.inner.info
    }

    /// BLAKE3 of its bytes.
    pub fn digest(&self) -> blake3::Hash {
        self.inner.digest
    }

    /// Bytes of the component.
    pub fn size(&self) -> usize {
        self.inner.size
    }

    /// A fresh instance for `task`.
    ///
    /// # Errors
    /// [`PluginFault::Host`] when no slot is free, else whatever the guest's start-up did.
    pub fn instantiate(
        &self,
        task: Task,
        limits: &InstanceLimits,
        preempt: Arc<dyn Preempt>,
    ) -> Result<Instance, PluginFault> {
        self.start(Some(task), limits.clone(), preempt)
    }

    /// Asks `resolution.resolve` for the columns of what `function` puts out; none for a filter or
    /// `foreach`, which put out nothing of their own.
    ///
    /// # Errors
    /// One line: the plugin's answer, or what went wrong when it was asked.
    pub fn resolve(
        &self,
        function: &str,
        settings: &BTreeMap<String, String>,
        input: &Schema,
    ) -> Result<Option<Schema>, String> {
        let settings: Vec<Setting> = settings
            .iter()
            .map(|(name, value)| Setting {
                name: name.clone(),
                value: value.clone(),
            })
            .collect();
        let input: Vec<FieldIn<'_>> = input
            .fields()
            .iter()
            .map(|field| FieldIn {
                name: &field.name,
                kind: abi_kind(field.kind),
                nullable: field.nullable,
                listed: field.listed,
            })
            .collect();
        let mut instance = self
            .start(None, asking(), Arc::new(Unhurried))
            .map_err(|fault| fault.to_string())?;
        let (answer,): (Result<Vec<FieldOut>, String>,) = instance
            .call_raw(
                self.inner.exports.resolve,
                (function, settings.as_slice(), input.as_slice()),
            )
            .map_err(|fault| fault.to_string())?;
        let fields = answer.map_err(|why| printable(&why, 1_000))?;
        lift::schema(fields).map_err(|fault| fault.to_string())
    }

    pub(super) fn exports(&self) -> &Exports {
        &self.inner.exports
    }

    /// An instance that can be asked who the plugin is.
    pub(super) fn asked(&self) -> Result<Instance, PluginFault> {
        self.start(None, asking(), Arc::new(Unhurried))
    }

    fn start(
        &self,
        task: Option<Task>,
        limits: InstanceLimits,
        preempt: Arc<dyn Preempt>,
    ) -> Result<Instance, PluginFault> {
        let world = self.world.as_ref();
        let world = world.map(|grants| Box::new(World::new(task.as_ref(), grants)));
        let mut store = Store::new(
            self.inner.engine.wasmtime(),
            Host::new(task, limits.clone(), preempt, world),
        );
        store.limiter(|host| host);
        store.set_hostcall_fuel(limits.output);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().tick()?;
            Ok(UpdateDeadline::Continue(1))
        });
        if self.inner.engine.options().fuel {
            store
                .set_fuel(limits.fuel.unwrap_or(u64::MAX))
                .map_err(|error| PluginFault::Host(format!("{error:#}")))?;
        }
        store.data_mut().cpu.start();
        let instance = self.inner.pre.instantiate(&mut store);
        store.data_mut().cpu.stop();
        let instance = instance.map_err(|error| blame_start(&error, store.data()))?;
        Ok(Instance::new(self.clone(), store, instance))
    }
}

/// What a plugin may use while it is asked who it is.
fn asking() -> InstanceLimits {
    InstanceLimits {
        memory: 256 << 20,
        cpu_time: std::time::Duration::from_secs(5),
        output: 4 << 20,
        fuel: None,
        log_lines: 10,
    }
}

fn abi_kind(kind: Kind) -> AbiKind {
    match kind {
        Kind::Boolean => AbiKind::Boolean,
        Kind::Int64 => AbiKind::Int64,
        Kind::Float64 => AbiKind::Float64,
        Kind::Utf8 => AbiKind::Utf8,
        Kind::Binary => AbiKind::Binary,
        Kind::Timestamp => AbiKind::Timestamp,
    }
}
