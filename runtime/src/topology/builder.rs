//! A topology written in Rust instead of TOML. It becomes the same text and goes through the same
//! checks: there is no second way to make one.

use std::time::Duration;

use toml_edit::{DocumentMut, Item, Table, Value, value};

use super::{Catalog, Defaults, InvalidTopology, Topology, compile};

/// Writes a topology part by part.
///
/// ```
/// use std::time::Duration;
/// use rsrt::{
///     stream::Plugins,
///     topology::{Builder, Defaults, operator, sink, source},
/// };
///
/// let topology = Builder::new("sums", Duration::from_secs(1))
///     .source("pairs", source("queue").columns("schema", &[("key", "utf8"), ("value", "int64")]))
///     .operator("sums", operator("reduce-by-key", "std:sum").input("pairs").set("partitions", 2))
///     .sink("out", sink("print").input("sums"))
///     .compile(&Plugins::default(), &Defaults {
///         parallelism: std::num::NonZeroUsize::MIN,
///         base_dir: ".".into(),
///         needs_checkpoint: true,
///     })?;
/// assert_eq!(topology.operators[0].output.to_string(), "key: utf8, value: int64");
/// # Ok::<_, rsrt::topology::InvalidTopology>(())
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    name: String,
    document: DocumentMut,
}

/// A source, an operator, a sink or a plugin: its keys as `TOPOLOGY.md` lists them.
#[derive(Debug, Clone, Default)]
pub struct Part(Table);

/// A source of this type.
pub fn source(kind: &str) -> Part {
    Part::default().set("type", kind)
}

/// An operator with this verb: what the verb says, a function's name or `true`.
pub fn operator(verb: &str, what: impl Into<Value>) -> Part {
    Part::default().set(verb, what)
}

/// A sink of this type.
pub fn sink(kind: &str) -> Part {
    Part::default().set("type", kind)
}

impl Part {
    /// What it reads.
    #[must_use]
    pub fn input(self, stream: &str) -> Self {
        self.set("input", stream)
    }

    /// What it reads, of several streams.
    #[must_use]
    pub fn inputs(self, streams: &[&str]) -> Self {
        self.set("input", streams.iter().copied().collect::<Value>())
    }

    /// Sets a key.
    #[must_use]
    pub fn set(mut self, key: &str, to: impl Into<Value>) -> Self {
        self.0.insert(key, value(to));
        self
    }

    /// Sets a key to a table of columns and their types.
    #[must_use]
    pub fn columns(self, key: &str, columns: &[(&str, &str)]) -> Self {
        self.set(key, columns.iter().copied().collect::<Value>())
    }

    /// Sets a key to a duration.
    #[must_use]
    pub fn duration(self, key: &str, length: Duration) -> Self {
        self.set(key, millis(length))
    }
}

impl Builder {
    /// A topology of this name, with a batch in each interval.
    pub fn new(name: &str, batch_interval: Duration) -> Self {
        let builder = Self {
            name: name.to_owned(),
            document: DocumentMut::new(),
        };
        builder
            .set("name", name)
            .set("batch-interval", millis(batch_interval))
    }

    /// Sets a key at the top.
    #[must_use]
    pub fn set(mut self, key: &str, to: impl Into<Value>) -> Self {
        self.document.insert(key, value(to));
        self
    }

    /// A plugin whose functions are called as `alias:function`.
    #[must_use]
    pub fn plugin(self, alias: &str, path: &str) -> Self {
        self.part("plugin", alias, Part::default().set("path", path))
    }

    /// Adds a source.
    #[must_use]
    pub fn source(self, name: &str, part: Part) -> Self {
        self.part("source", name, part)
    }

    /// Adds an operator.
    #[must_use]
    pub fn operator(self, name: &str, part: Part) -> Self {
        self.part("operator", name, part)
    }

    /// Adds a sink. Sinks run in the order in which they are added.
    #[must_use]
    pub fn sink(self, name: &str, part: Part) -> Self {
        self.part("sink", name, part)
    }

    fn part(mut self, kind: &str, name: &str, Part(table): Part) -> Self {
        let mut parts = Table::new();
        parts.set_implicit(true);
        let parts = self.document.entry(kind).or_insert(Item::Table(parts));
        if let Some(parts) = parts.as_table_mut() {
            parts.insert(name, Item::Table(table));
        }
        self
    }

    /// The topology as text.
    pub fn to_toml(&self) -> String {
        self.document.to_string()
    }

    /// Checks it against the plugins.
    ///
    /// # Errors
    /// Every problem there is, with its place in [`to_toml`](Self::to_toml).
    pub fn compile(
        &self,
        catalog: &dyn Catalog,
        defaults: &Defaults,
    ) -> Result<Topology, InvalidTopology> {
        compile(&self.name, &self.to_toml(), catalog, defaults)
    }
}

fn millis(length: Duration) -> String {
    format!("{}ms", length.as_millis())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::model::{PluginInfo, PluginName, Schema};

    struct NoPlugins;

    impl Catalog for NoPlugins {
        fn plugin(&self, _: Option<&PluginName>) -> Option<&PluginInfo> {
            None
        }

        fn resolve(
            &self,
            _: Option<&PluginName>,
            function: &str,
            _: &std::collections::BTreeMap<String, String>,
            _: &Schema,
        ) -> Result<Schema, String> {
            Err(format!("there is no function {function}"))
        }
    }

    fn compiled(builder: &Builder) -> Result<Topology, InvalidTopology> {
        let defaults = Defaults {
            parallelism: NonZeroUsize::MIN,
            base_dir: "".into(),
            needs_checkpoint: true,
        };
        builder.compile(&NoPlugins, &defaults)
    }

    fn windowed() -> Builder {
        Builder::new("w", Duration::from_secs(1))
            .source("a", source("queue").set("schema", "int64"))
            .source("b", source("queue").set("schema", "int64"))
            .operator("all", operator("union", true).inputs(&["a", "b"]))
            .operator(
                "recent",
                operator("reduce-by-window", "std:sum")
                    .input("all")
                    .duration("length", Duration::from_secs(3)),
            )
            .sink("out", sink("null").input("recent"))
            .sink("also", sink("null").input("a"))
    }

    #[test]
    fn a_built_topology_is_the_one_that_its_text_is() {
        let built = compiled(&windowed()).unwrap();
        let defaults = Defaults {
            parallelism: NonZeroUsize::MIN,
            base_dir: "".into(),
            needs_checkpoint: true,
        };
        let text = windowed().to_toml();
        let written = compile("w", &text, &NoPlugins, &defaults).unwrap();
        assert_eq!(built, written);
        let sinks: Vec<_> = built.sinks.iter().map(|sink| sink.name.as_str()).collect();
        assert_eq!(sinks, ["out", "also"]);
    }

    #[test]
    fn a_built_topology_is_checked_like_any_other() {
        let builder = windowed().operator("bad", operator("window", true).input("al"));
        let problems = compiled(&builder).unwrap_err();
        let problems: Vec<_> = problems
            .problems()
            .iter()
            .map(|p| p.kind.to_string())
            .collect();
        assert_eq!(
            problems,
            [
                "operator `bad` needs `length`",
                "no source or operator is called `al`"
            ]
        );
    }
}
