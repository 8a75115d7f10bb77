//! Which functions a component exports, looked up once.

use wasmtime::component::{Component, ComponentExportIndex};

/// The interfaces of `rsrt:plugin` that a component exports. One that is there has all its
/// functions: the loader has checked their types.
pub(super) struct Exports {
    pub(super) describe: ComponentExportIndex,
    pub(super) transform: Option<Transform>,
    pub(super) filter: Option<Filter>,
    pub(super) aggregate: Option<Aggregate>,
    pub(super) stateful: Option<Stateful>,
    pub(super) foreach: Option<Foreach>,
    pub(super) resolve: Option<ComponentExportIndex>,
    pub(super) migrate: Option<ComponentExportIndex>,
}

pub(super) struct Transform {
    pub(super) functions: ComponentExportIndex,
    pub(super) feed: ComponentExportIndex,
    pub(super) process: ComponentExportIndex,
    pub(super) finish: ComponentExportIndex,
}

pub(super) struct Filter {
    pub(super) functions: ComponentExportIndex,
    pub(super) select: ComponentExportIndex,
}

pub(super) struct Aggregate {
    pub(super) functions: ComponentExportIndex,
    pub(super) reduce: ComponentExportIndex,
}

pub(super) struct Stateful {
    pub(super) functions: ComponentExportIndex,
    pub(super) update: ComponentExportIndex,
}

pub(super) struct Foreach {
    pub(super) functions: ComponentExportIndex,
    pub(super) accept: ComponentExportIndex,
    pub(super) finish: ComponentExportIndex,
}

/// An interface is there, but not this function of it.
pub(super) struct Missing(pub(super) String);

impl Exports {
    /// None if there is no `registry` of a version that this host runs.
    pub(super) fn find(component: &Component) -> Option<Result<Self, Missing>> {
        let interface = |name: &str| {
            let name = format!("rsrt:plugin/{name}@0.1.0");
            component.get_export_index(None, &name)
        };
        let registry = interface("registry")?;
        let find = |name: &'static str, instance: ComponentExportIndex| {
            move |function: &str| {
                component
                    .get_export_index(Some(&instance), function)
                    .ok_or_else(|| {
                        Missing(format!("rsrt:plugin/{name} has no function `{function}`"))
                    })
            }
        };
        let all = || -> Result<Self, Missing> {
            let transform = interface("transform").map(|i| find("transform", i));
            let filter = interface("filter").map(|i| find("filter", i));
            let aggregate = interface("aggregate").map(|i| find("aggregate", i));
            let stateful = interface("stateful").map(|i| find("stateful", i));
            let foreach = interface("foreach").map(|i| find("foreach", i));
            let resolution = interface("resolution").map(|i| find("resolution", i));
            let migration = interface("migration").map(|i| find("migration", i));
            Ok(Self {
                describe: find("registry", registry)("describe")?,
                transform: transform
                    .map(|f| {
                        Ok(Transform {
                            functions: f("functions")?,
                            feed: f("feed")?,
                            process: f("process")?,
                            finish: f("finish")?,
                        })
                    })
                    .transpose()?,
                filter: filter
                    .map(|f| {
                        Ok(Filter {
                            functions: f("functions")?,
                            select: f("select")?,
                        })
                    })
                    .transpose()?,
                aggregate: aggregate
                    .map(|f| {
                        Ok(Aggregate {
                            functions: f("functions")?,
                            reduce: f("reduce")?,
                        })
                    })
                    .transpose()?,
                stateful: stateful
                    .map(|f| {
                        Ok(Stateful {
                            functions: f("functions")?,
                            update: f("update")?,
                        })
                    })
                    .transpose()?,
                foreach: foreach
                    .map(|f| {
                        Ok(Foreach {
                            functions: f("functions")?,
                            accept: f("accept")?,
                            finish: f("finish")?,
                        })
                    })
                    .transpose()?,
                resolve: resolution.map(|f| f("resolve")).transpose()?,
                migrate: migration.map(|f| f("migrate")).transpose()?,
            })
        };
        Some(all())
    }
}
