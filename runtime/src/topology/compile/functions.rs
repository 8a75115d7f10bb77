//! Finds the function that an operator names.

use crate::{
    model::{Function, PluginInfo, PluginName, Role, StatefulVerb, TransformVerb},
    topology::{
        Catalog, Plugin, PluginId,
        manifest::{FunctionOwner, FunctionRef, PluginEntry},
        problem::{ProblemKind, Problems, choices, suggest},
    },
};

/// What kind of function a verb calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Rows to rows.
    Transform(TransformVerb),
    /// `map-values`.
    MapValues,
    /// `flat-map-values`.
    FlatMapValues,
    /// `transform-with`.
    TransformWith,
    /// Of a source: one row or any number of each record.
    Converter,
    /// `filter`.
    Filter,
    /// `reduce`.
    Reduce,
    /// `reduce-by-key`.
    ReduceByKey,
    /// `combine-by-key`.
    CombineByKey,
    /// `reduce-by-window`.
    ReduceByWindow,
    /// `reduce-by-key-and-window`.
    ReduceByKeyAndWindow,
    /// A verb with state.
    Stateful(StatefulVerb),
    /// A sink.
    Foreach,
}

impl Wanted {
    /// As topologies write the verb.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Transform(verb) => verb.name(),
            Self::MapValues => "map-values",
            Self::FlatMapValues => "flat-map-values",
            Self::TransformWith => "transform-with",
            Self::Converter => "converter",
            Self::Foreach => "foreach",
            Self::Filter => "filter",
            Self::Reduce => "reduce",
            Self::ReduceByKey => "reduce-by-key",
            Self::CombineByKey => "combine-by-key",
            Self::ReduceByWindow => "reduce-by-window",
            Self::ReduceByKeyAndWindow => "reduce-by-key-and-window",
            Self::Stateful(verb) => verb.name(),
        }
    }

    /// A window, which reduces in parts.
    pub(crate) const fn reduces_in_parts(self) -> bool {
        matches!(self, Self::ReduceByWindow | Self::ReduceByKeyAndWindow)
    }

    fn reduces(self) -> bool {
        matches!(self, Self::Reduce | Self::ReduceByKey | Self::CombineByKey)
            || self.reduces_in_parts()
    }

    fn fits(self, role: &Role) -> bool {
        match (self, role) {
            (Self::Transform(verb), Role::Transform(function)) => function.verb == verb,
            (Self::MapValues, Role::Transform(function)) => function.verb == TransformVerb::Map,
            (Self::Converter, Role::Transform(function)) => {
                matches!(function.verb, TransformVerb::Map | TransformVerb::FlatMap)
            }
            (Self::FlatMapValues, Role::Transform(function)) => {
                function.verb == TransformVerb::FlatMap
            }
            (Self::TransformWith, Role::Transform(function)) => {
                function.verb == TransformVerb::Transform
            }
            (Self::Filter, Role::Filter) | (Self::Foreach, Role::Foreach) => true,
            (Self::Stateful(verb), Role::Stateful(function)) => function.verb == verb,
            (wanted, Role::Aggregate(_)) => wanted.reduces(),
            _ => false,
        }
    }
}

/// A function and whose it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) plugin: PluginId,
    pub(crate) alias: Option<&'a PluginName>,
    pub(crate) info: &'a PluginInfo,
    pub(crate) function: &'a Function,
}

/// The functions that a topology may call.
#[derive(Clone, Copy)]
pub(crate) struct Functions<'a> {
    pub(crate) catalog: &'a dyn Catalog,
    /// Those that are called.
    plugins: &'a [Plugin],
    /// Those that are defined.
    defined: &'a [PluginEntry],
}

impl<'a> Functions<'a> {
    pub(crate) fn new(
        catalog: &'a dyn Catalog,
        plugins: &'a [Plugin],
        defined: &'a [PluginEntry],
    ) -> Self {
        Self {
            catalog,
            plugins,
            defined,
        }
    }

    /// Finds a function of a plugin, and checks that `wanted` may call it.
    pub(crate) fn find(
        self,
        reference: &FunctionRef,
        wanted: Wanted,
        problems: &mut Problems,
    ) -> Option<Found<'a>> {
        if reference.owner == FunctionOwner::Std {
            let function = reference.name.clone();
            let why = format!("cannot be called by `{}`", wanted.verb());
            let problem = problems.report(ProblemKind::StdFunction { function, why }, reference.at);
            problem.help("built-in functions reduce; other verbs call functions of a plugin");
            return None;
        }
        let (plugin, alias, info) = self.find_plugin(reference, problems)?;
        let Some(function) = info.function(&reference.name) else {
            report_unknown(reference, info, wanted, problems);
            return None;
        };
        if !wanted.fits(&function.role) {
            report_wrong_role(function, info, reference, wanted, problems);
            return None;
        }
        Some(Found {
            plugin,
            alias,
            info,
            function,
        })
    }

    fn find_plugin(
        self,
        reference: &FunctionRef,
        problems: &mut Problems,
    ) -> Option<(PluginId, Option<&'a PluginName>, &'a PluginInfo)> {
        let alias = match &reference.owner {
            FunctionOwner::Default | FunctionOwner::Std => None,
            FunctionOwner::Plugin(alias) => Some(alias.as_str()),
        };
        let mut plugins = self.plugins.iter().enumerate();
        let plugin =
            plugins.find(|(_, plugin)| plugin.alias.as_ref().map(PluginName::as_str) == alias);
        let loaded = plugin.and_then(|(at, plugin)| {
            let alias = plugin.alias.as_ref();
            Some((PluginId(at), alias, self.catalog.plugin(alias)?))
        });
        if loaded.is_none() {
            self.report_no_plugin(reference, alias, plugin.is_some(), problems);
        }
        loaded
    }

    fn report_no_plugin(
        self,
        reference: &FunctionRef,
        alias: Option<&str>,
        is_defined: bool,
        problems: &mut Problems,
    ) {
        let Some(alias) = alias else {
            let function = reference.name.clone();
            let help = if is_std(&reference.name) {
                format!("the built-in one is called \"std:{function}\"")
            } else {
                "give the plugin on the command line, or write \"plugin:function\"".to_owned()
            };
            let kind = ProblemKind::NoDefaultPlugin { function };
            problems.report(kind, reference.at).help(help);
            return;
        };
        let alias = alias.to_owned();
        if is_defined {
            problems.report(ProblemKind::PluginNotLoaded { alias }, reference.at);
            return;
        }
        let defined = self.defined.iter().map(|entry| entry.alias.value.as_str());
        let help = match self.defined {
            [] => format!("define it: [plugin.{alias}] with path = \"….wasm\""),
            _ => suggest(&alias, "there are", defined),
        };
        let problem = problems.report(ProblemKind::UnknownPlugin { alias }, reference.at);
        problem.help(help);
    }
}

fn is_std(name: &str) -> bool {
    crate::topology::StdFunction::ALL
        .iter()
        .any(|function| function.name() == name)
}

fn report_unknown(
    reference: &FunctionRef,
    info: &PluginInfo,
    wanted: Wanted,
    problems: &mut Problems,
) {
    let fitting = info.functions.iter().filter(|f| wanted.fits(&f.role));
    let fitting: Vec<_> = fitting.map(|function| function.name.as_str()).collect();
    let what = format!("its functions for `{}`", wanted.verb());
    let help = if is_std(&reference.name) && wanted.reduces() {
        format!("the built-in one is called \"std:{}\"", reference.name)
    } else if fitting.is_empty() {
        let all = info.functions.iter();
        let all = all.map(|f| format!("{} ({})", f.name, f.role.noun()));
        let all = all.collect::<Vec<_>>().join(", ");
        format!("it has none for `{}`; it has: {all}", wanted.verb())
    } else {
        suggest(&reference.name, &what, fitting)
    };
    let kind = ProblemKind::UnknownFunction {
        plugin: plugin_text(&reference.owner, info),
        function: reference.name.clone(),
    };
    problems.report(kind, reference.at).help(help);
}

fn plugin_text(owner: &FunctionOwner, info: &PluginInfo) -> String {
    match owner {
        FunctionOwner::Plugin(alias) => format!("plugin `{alias}`"),
        FunctionOwner::Default | FunctionOwner::Std => format!("the plugin `{}`", info.name),
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

fn report_wrong_role(
    function: &Function,
    info: &PluginInfo,
    reference: &FunctionRef,
    wanted: Wanted,
    problems: &mut Problems,
) {
    let kind = ProblemKind::WrongRole {
        function: function.name.clone(),
        role: with_article(function.role.noun()),
        verb: wanted.verb(),
    };
    let prefix = match &reference.owner {
        FunctionOwner::Plugin(alias) => format!("{alias}:"),
        FunctionOwner::Default | FunctionOwner::Std => String::new(),
    };
    let callable = match &function.role {
        Role::Transform(f) => Some(f.verb.name()),
        Role::Filter => Some("filter"),
        Role::Aggregate(_) => Some("reduce-by-key"),
        Role::Stateful(f) => Some(f.verb.name()),
        Role::Foreach => None, // of a sink
    };
    let fitting = info.functions.iter().filter(|f| wanted.fits(&f.role));
    let fitting: Vec<_> = fitting.map(|f| f.name.as_str()).collect();
    let help = match callable.filter(|_| wanted != Wanted::Foreach) {
        Some(verb) => format!("write {verb} = \"{prefix}{}\"", function.name),
        None => choices(&format!("its functions for `{}`", wanted.verb()), fitting),
    };
    problems.report(kind, reference.at).help(help);
}
