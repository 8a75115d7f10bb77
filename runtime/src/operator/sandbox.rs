//! A function of a plugin, ready to be called for one task.

use std::sync::Arc;

use super::StepError;
use crate::plugin::{Instance, InstanceLimits, Plugin, PluginFault, Preempt, Task, Usage};

/// A function that one operator calls in one task. Its instance is made at the first call, and
/// there is no second one unless it is [renewed](Self::renew).
pub struct Sandbox {
    plugin: Plugin,
    function: String,
    task: Task,
    limits: InstanceLimits,
    preempt: Arc<dyn Preempt>,
    instance: Option<Instance>,
    /// By instances before this one.
    spent: Usage,
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
            spent: Usage::default(),
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

    /// The next call gets a fresh instance. All of them share one limit on CPU time.
    pub fn renew(&mut self) {
        self.spent = self.usage();
        self.instance = None;
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
            spent,
        } = self;
        let instance = match instance {
            Some(instance) => Ok(instance),
            None if spent.cpu.is_zero() => plugin
                .instantiate(task.clone(), limits, preempt.clone())
                .map(|fresh| instance.insert(fresh)),
            None => {
                let left = InstanceLimits {
                    cpu_time: limits.cpu_time.saturating_sub(spent.cpu),
                    ..limits.clone()
                };
                plugin
                    .instantiate(task.clone(), &left, preempt.clone())
                    .map(|fresh| instance.insert(fresh))
            }
        };
        instance
            .and_then(|instance| call(instance, function))
            .map_err(|fault| StepError::Plugin {
                plugin: plugin.info().name.clone(),
                function: function.clone(),
                fault: match fault {
                    // What was left of it is not what the topology says.
                    PluginFault::OutOfTime { .. } => PluginFault::OutOfTime {
                        limit: limits.cpu_time,
                    },
                    other => other,
                },
            })
    }

    /// What its instances have used: CPU time of all, memory of the largest.
    pub fn usage(&self) -> Usage {
        let current = self.instance.as_ref().map(Instance::usage);
        self.spent.and(current.unwrap_or_default())
    }

    /// Counts what others of the same task have used against its CPU time.
    #[must_use]
    pub fn having_spent(self, spent: Usage) -> Self {
        Self { spent, ..self }
    }
}
