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
};
use crate::model::{Kind, PluginInfo, Schema};

/// A plugin of which instances can be made. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

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
    ) -> Self {
        Self(Arc::new(Inner {
            engine,
            pre,
            exports,
            info,
            digest,
            size,
        }))
    }

    /// The same plugin, after it was asked who it is.
    pub(super) fn described(self, info: PluginInfo) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Self(Arc::new(Inner { info, ..inner })),
            Err(shared) => Self(shared),
        }
    }

    /// What it says of itself.
    pub fn info(&self) -> &PluginInfo {
        &self.0.info
    }

    /// BLAKE3 of its bytes.
    pub fn digest(&self) -> blake3::Hash {
        self.0.digest
    }

    /// Bytes of the component.
    pub fn size(&self) -> usize {
        self.0.size
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
                self.0.exports.resolve,
                (function, settings.as_slice(), input.as_slice()),
            )
            .map_err(|fault| fault.to_string())?;
        let fields = answer.map_err(|why| printable(&why, 1_000))?;
        lift::schema(fields).map_err(|fault| fault.to_string())
    }

    pub(super) fn exports(&self) -> &Exports {
        &self.0.exports
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
        let mut store = Store::new(
            self.0.engine.wasmtime(),
            Host::new(task, limits.clone(), preempt),
        );
        store.limiter(|host| host);
        store.set_hostcall_fuel(limits.output);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().tick()?;
            Ok(UpdateDeadline::Continue(1))
        });
        if self.0.engine.options().fuel {
            store
                .set_fuel(limits.fuel.unwrap_or(u64::MAX))
                .map_err(|error| PluginFault::Host(format!("{error:#}")))?;
        }
        store.data_mut().cpu.start();
        let instance = self.0.pre.instantiate(&mut store);
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
