//! A function of a plugin, ready to be called for one task.

use std::sync::Arc;

use super::StepError;
use crate::plugin::{Instance, InstanceLimits, Plugin, PluginFault, Preempt, Task, Usage};

/// A function that one operator calls in one task. Its instance is made at the first call, and
/// there is never a second one.
pub struct Sandbox {
    plugin: Plugin,
    function: String,
    task: Task,
    limits: InstanceLimits,
    preempt: Arc<dyn Preempt>,
    instance: Option<Instance>,
}

impl Sandbox {
    /// A function to be called for `task`.
    pub fn new(
        plugin: Plugin,
        function: String,
        task: Task,
        limits: InstanceLimits,
        preempt: Arc<dyn Preempt>,
    ) -> Self {
        Self {
            plugin,
            function,
            task,
            limits,
            preempt,
            instance: None,
        }
    }

    /// The function's name.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The plugin's own name.
    pub fn plugin(&self) -> &str {
        &self.plugin.info().name
    }

    /// What one instance may use.
    pub fn limits(&self) -> &InstanceLimits {
        &self.limits
    }

    /// Makes one call.
    ///
    /// # Errors
    /// The fault, with the names of plugin and function.
    pub fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Instance, &str) -> Result<T, PluginFault>,
    ) -> Result<T, StepError> {
        let Self {
            plugin,
            function,
            task,
            limits,
            preempt,
            instance,
        } = self;
        let instance = match instance {
            Some(instance) => Ok(instance),
            None => plugin
                .instantiate(task.clone(), limits, preempt.clone())
                .map(|fresh| instance.insert(fresh)),
        };
        instance
            .and_then(|instance| call(instance, function))
            .map_err(|fault| StepError::Plugin {
                plugin: plugin.info().name.clone(),
                function: function.clone(),
                fault,
            })
    }

    /// What the instance has used.
    pub fn usage(&self) -> Usage {
        self.instance
            .as_ref()
            .map_or_else(Usage::default, Instance::usage)
    }
}
