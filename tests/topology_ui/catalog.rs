//! Plugins that are only described.

use std::collections::BTreeMap;

use rsrt::{
    model::{
        AggregateFunction, Field, Function, Fusion, PluginInfo, PluginName, Role, Schema, Side,
        StatefulFunction, StatefulVerb, TransformFunction, TransformVerb,
    },
    topology::Catalog,
};

/// A default plugin of many functions, `text` with a few, and `csv`, which resolves.
pub(crate) struct Plugins {
    default: Option<PluginInfo>,
    text: PluginInfo,
    csv: PluginInfo,
}

impl Plugins {
    /// None was given on the command line.
    pub(crate) fn without_default() -> Self {
        Self {
            default: None,
            ..Self::default()
        }
    }
}

impl Default for Plugins {
    fn default() -> Self {
        let mut fused = transform("split-and-sum", MapPartitions, "value utf8", WORD);
        if let Role::Transform(transform) = &mut fused.role {
            transform.fusion = Some(Fusion {
                first: "split".into(),
                combine: "std:sum".into(),
            });
        }
        let mut fused_plugin = transform("split-and-add", MapPartitions, "value utf8", WORD);
        if let Role::Transform(transform) = &mut fused_plugin.role {
            transform.fusion = Some(Fusion {
                first: "split".into(),
                combine: "add".into(),
            });
        }
        let functions = vec![
            transform("split", FlatMap, "value utf8", WORD),
            fused,
            fused_plugin,
            with_side("enrich", Map, None),
            transform("upper", Map, "value utf8", "value utf8"),
            transform("swap", Map, WORD, "key int64, value utf8"),
            transform("whole", MapPartitions, "", "value int64"),
            function("is-long", "value utf8", Role::Filter),
            function("tell", "value utf8", Role::Foreach),
            function("is-rich", "amount float64?", Role::Filter),
            aggregate("add", None, "value int64", "value int64"),
            aggregate("mean", None, "value int64", "value float64"),
            aggregate("total", None, "amount float64?", "amount float64?"),
            liar("liar", "value int64", "value utf8"),
            aggregate("by-name", Some("key utf8"), "value int64", "value int64"),
            stateful("running", UpdateStateByKey, "value int64", ""),
            stateful(
                "sessions",
                MapWithState,
                "value int64",
                "user utf8, n int64",
            ),
            stateful("silent", MapWithState, "sum int64, n int64", ""),
            aggregate("subtract", None, "value int64", "value int64"),
            naming("plus", Some("subtract"), None, "value int64", "value int64"),
            naming("mean-parts", None, Some("add-parts"), "value int64", PARTS),
            naming(
                "bad-parts",
                None,
                Some("mean"),
                "value int64",
                "value int64",
            ),
            aggregate("add-parts", None, PARTS, PARTS),
            function("is-some", "key utf8, value int64", Role::Filter),
            with_side("clean", Transform, Some("key utf8")),
            with_side("clean-any", Transform, None),
            transform("all", Transform, "value utf8", "value utf8"),
        ];
        Self {
            default: Some(plugin("words", functions)),
            text: plugin(
                "text-tools",
                vec![
                    transform("lower", Map, "value utf8", "value utf8"),
                    transform("trim", Map, "value utf8?", "value utf8?"),
                ],
            ),
            csv: PluginInfo {
                resolves: true,
                ..plugin(
                    "csv",
                    vec![
                        transform("parse", FlatMap, "value utf8", "value utf8"),
                        function("matches", "", Role::Filter),
                    ],
                )
            },
        }
    }
}

impl Catalog for Plugins {
    fn plugin(&self, alias: Option<&PluginName>) -> Option<&PluginInfo> {
        match alias.map(PluginName::as_str) {
            None => self.default.as_ref(),
            Some("text") => Some(&self.text),
            Some("csv") => Some(&self.csv),
            Some(_) => None,
        }
    }

    fn resolve(
        &self,
        _: Option<&PluginName>,
        function: &str,
        settings: &BTreeMap<String, String>,
        input: &Schema,
    ) -> Result<Schema, String> {
        if function == "matches" {
            return Ok(input.clone());
        }
        let columns = settings
            .get("columns")
            .ok_or("the setting `columns` is missing")?;
        let fields = columns.split(',').map(|c| Field::parse(c, "utf8?"));
        let fields = fields
            .collect::<Result<_, _>>()
            .map_err(|e| e.to_string())?;
        Schema::new(fields).map_err(|e| e.to_string())
    }
}

use StatefulVerb::{MapWithState, UpdateStateByKey};
use TransformVerb::{FlatMap, Map, MapPartitions, Transform};

const WORD: &str = "key utf8, value int64";
const PARTS: &str = "value.0 float64, value.1 int64";

fn plugin(name: &str, functions: Vec<Function>) -> PluginInfo {
    PluginInfo {
        name: name.into(),
        version: "0.1.0".into(),
        doc: String::new(),
        functions,
        resolves: false,
        migrates: false,
    }
}

/// Columns as `name type, name type`; none if empty.
fn schema(columns: &str) -> Option<Schema> {
    let columns = columns.split(", ").filter(|column| !column.is_empty());
    let fields: Vec<_> = columns
        .map(|column| {
            let (name, kind) = column.split_once(' ').unwrap();
            Field::parse(name, kind).unwrap()
        })
        .collect();
    Schema::new(fields).ok()
}

fn function(name: &str, input: &str, role: Role) -> Function {
    Function {
        name: name.into(),
        doc: String::new(),
        input: schema(input),
        role,
    }
}

fn transform(name: &str, verb: TransformVerb, input: &str, output: &str) -> Function {
    let role = Role::Transform(TransformFunction {
        verb,
        sides: Vec::new(),
        output: schema(output).unwrap(),
        fusion: None,
    });
    function(name, input, role)
}

fn aggregate(name: &str, keys: Option<&str>, input: &str, output: &str) -> Function {
    let role = Role::Aggregate(AggregateFunction {
        keys: keys.and_then(schema),
        output: schema(output).unwrap(),
        associative: input == output,
        merge: None,
        inverse: None,
    });
    function(name, input, role)
}

/// A function from lines to lines with a side: `table`, or `blocked` if it says what it wants.
fn with_side(name: &str, verb: TransformVerb, side: Option<&str>) -> Function {
    let mut function = transform(name, verb, "value utf8", "value utf8");
    if let Role::Transform(transform) = &mut function.role {
        transform.sides.push(Side {
            name: if side.is_some() { "blocked" } else { "table" }.into(),
            input: side.and_then(schema),
        });
    }
    function
}

/// A function with a state, over integers.
fn stateful(name: &str, verb: StatefulVerb, state: &str, output: &str) -> Function {
    let role = Role::Stateful(StatefulFunction {
        verb,
        keys: None,
        state: schema(state).unwrap(),
        state_version: 0,
        output: schema(output),
        skips_idle: false,
    });
    function(name, "value int64", role)
}

/// An aggregate that names others.
fn naming(
    name: &str,
    inverse: Option<&str>,
    merge: Option<&str>,
    input: &str,
    output: &str,
) -> Function {
    let mut function = aggregate(name, None, input, output);
    if let Role::Aggregate(aggregate) = &mut function.role {
        aggregate.inverse = inverse.map(Into::into);
        aggregate.merge = merge.map(Into::into);
    }
    function
}

/// An aggregate that says it is associative, whatever it puts out.
fn liar(name: &str, input: &str, output: &str) -> Function {
    let mut function = aggregate(name, None, input, output);
    if let Role::Aggregate(aggregate) = &mut function.role {
        aggregate.associative = true;
    }
    function
}
