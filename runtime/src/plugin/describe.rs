//! Asks a plugin who it is, and checks the answer. Also looks every function up with its full type,
//! so that a call can fail for what the guest does but never for what it is.

use std::collections::BTreeSet;

use super::{
    Plugin, PluginFault,
    abi::{self, BatchIn, GroupedIn},
    fault::printable,
    instance::Instance,
    lift,
    loader::LoadError,
};
use crate::model::{
    AggregateFunction, Function, Fusion, PluginInfo, Role, Schema, Side, StatefulFunction,
    StatefulVerb, TransformFunction, TransformVerb,
};

type Answer<T> = Result<T, abi::Fault>;

/// Functions that one plugin may have.
const MOST_FUNCTIONS: usize = 1_000;

pub(super) fn describe(plugin: &Plugin) -> Result<PluginInfo, LoadError> {
    let mut instance = plugin.asked().map_err(LoadError::Silent)?;
    let exports = plugin.exports();
    check_types(plugin, &mut instance)?;
    let (about,): (abi::About,) = instance
        .call_raw(Some(exports.describe), ())
        .map_err(LoadError::Silent)?;

    let mut functions = Vec::new();
    if let Some(transform) = &exports.transform {
        let (answer,): (Vec<abi::TransformFunction>,) = ask(&mut instance, transform.functions)?;
        functions.extend(answer.into_iter().map(self::transform));
    }
    if let Some(filter) = &exports.filter {
        let (answer,): (Vec<abi::PlainFunction>,) = ask(&mut instance, filter.functions)?;
        functions.extend(answer.into_iter().map(|f| plain(f, Role::Filter)));
    }
    if let Some(aggregate) = &exports.aggregate {
        let (answer,): (Vec<abi::AggregateFunction>,) = ask(&mut instance, aggregate.functions)?;
        functions.extend(answer.into_iter().map(self::aggregate));
    }
    if let Some(stateful) = &exports.stateful {
        let (answer,): (Vec<abi::StatefulFunction>,) = ask(&mut instance, stateful.functions)?;
        functions.extend(answer.into_iter().map(self::stateful));
    }
    if let Some(foreach) = &exports.foreach {
        let (answer,): (Vec<abi::PlainFunction>,) = ask(&mut instance, foreach.functions)?;
        functions.extend(answer.into_iter().map(|f| plain(f, Role::Foreach)));
    }
    if functions.len() > MOST_FUNCTIONS {
        return Err(LoadError::BadDescription(format!(
            "it has {} functions; {MOST_FUNCTIONS} are the most",
            functions.len()
        )));
    }
    let functions = functions.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut names = BTreeSet::new();
    for function in &functions {
        let name = &function.name;
        if name.is_empty() || name.len() > 127 || name.contains(':') {
            return Err(LoadError::BadDescription(format!(
                "function name {name:?} must be 1 to 127 bytes without ':'"
            )));
        }
        if !names.insert(name) {
            return Err(LoadError::BadDescription(format!(
                "it has two functions named `{name}`"
            )));
        }
    }
    Ok(PluginInfo {
        name: printable(&about.name, 100),
        version: printable(&about.version, 100),
        doc: printable(&about.doc, 4_000),
        functions,
        resolves: exports.resolve.is_some(),
        migrates: exports.migrate.is_some(),
    })
}

fn ask<R>(
    instance: &mut Instance,
    index: wasmtime::component::ComponentExportIndex,
) -> Result<R, LoadError>
where
    R: wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
{
    instance
        .call_raw(Some(index), ())
        .map_err(LoadError::Silent)
}

fn transform(f: abi::TransformFunction) -> Result<Function, LoadError> {
    let at = At(&f.name);
    let sides = f.sides.into_iter().map(|side| {
        Ok(Side {
            name: printable(&side.name, 100),
            input: side.input.map(|fields| at.schema(fields)).transpose()?,
        })
    });
    let role = Role::Transform(TransformFunction {
        verb: match f.verb {
            abi::TransformVerb::Map => TransformVerb::Map,
            abi::TransformVerb::FlatMap => TransformVerb::FlatMap,
            abi::TransformVerb::MapPartitions => TransformVerb::MapPartitions,
            abi::TransformVerb::Transform => TransformVerb::Transform,
        },
        sides: sides.collect::<Result<_, LoadError>>()?,
        output: at.schema(f.output)?,
        fusion: f.fusion.map(|fusion| Fusion {
            first: printable(&fusion.first, 127),
            combine: printable(&fusion.combine, 127),
        }),
    });
    let input = f.input.map(|fields| at.schema(fields)).transpose()?;
    Ok(function(&f.name, &f.doc, input, role))
}

fn plain(f: abi::PlainFunction, role: Role) -> Result<Function, LoadError> {
    let input = f
        .input
        .map(|fields| At(&f.name).schema(fields))
        .transpose()?;
    Ok(function(&f.name, &f.doc, input, role))
}

fn aggregate(f: abi::AggregateFunction) -> Result<Function, LoadError> {
    let at = At(&f.name);
    let (input, output) = (at.schema(f.input)?, at.schema(f.output)?);
    if f.associative && input != output {
        return Err(LoadError::BadDescription(format!(
            "function `{}` is associative, so its output ({output}) must equal its input ({input})",
            printable(&f.name, 127)
        )));
    }
    let role = Role::Aggregate(AggregateFunction {
        keys: f.keys.map(|fields| at.schema(fields)).transpose()?,
        output,
        associative: f.associative,
        merge: f.merge.map(|name| printable(&name, 127)),
        inverse: f.inverse.map(|name| printable(&name, 127)),
    });
    Ok(function(&f.name, &f.doc, Some(input), role))
}

fn stateful(f: abi::StatefulFunction) -> Result<Function, LoadError> {
    let at = At(&f.name);
    let output = match f.output.is_empty() {
        true => None,
        false => Some(at.schema(f.output)?),
    };
    let role = Role::Stateful(StatefulFunction {
        verb: match f.verb {
            abi::StatefulVerb::UpdateStateByKey => StatefulVerb::UpdateStateByKey,
            abi::StatefulVerb::MapWithState => StatefulVerb::MapWithState,
        },
        keys: f.keys.map(|fields| at.schema(fields)).transpose()?,
        state: at.schema(f.state)?,
        state_version: f.state_version,
        output,
        skips_idle: f.skips_idle,
    });
    let input = at.schema(f.input)?;
    Ok(function(&f.name, &f.doc, Some(input), role))
}

fn function(name: &str, doc: &str, input: Option<Schema>, role: Role) -> Function {
    Function {
        name: printable(name, 127),
        doc: printable(doc, 4_000),
        input,
        role,
    }
}

/// Where in the description.
#[derive(Clone, Copy)]
struct At<'a>(&'a str);

impl At<'_> {
    fn schema(self, fields: Vec<abi::FieldOut>) -> Result<Schema, LoadError> {
        let function = printable(self.0, 127);
        let wrong =
            |why: String| LoadError::BadDescription(format!("function `{function}`: {why}"));
        match lift::schema(fields) {
            Ok(Some(schema)) => Ok(schema),
            Ok(None) => Err(wrong("a schema has no columns".to_owned())),
            Err(PluginFault::BadOutput(why)) => Err(wrong(why)),
            Err(other) => Err(LoadError::Silent(other)),
        }
    }
}

/// Looks up every function with the type that calls will use.
fn check_types(plugin: &Plugin, instance: &mut Instance) -> Result<(), LoadError> {
    let exports = plugin.exports();
    if let Some(f) = &exports.transform {
        instance.check::<(&str, u32, BatchIn<'_>), (Answer<()>,)>("transform.feed", f.feed)?;
        instance.check::<(&str, BatchIn<'_>), (Answer<abi::TransformOutcome>,)>(
            "transform.process",
            f.process,
        )?;
        instance
            .check::<(&str,), (Answer<Option<abi::BatchOut>>,)>("transform.finish", f.finish)?;
        instance.check::<(), (Vec<abi::TransformFunction>,)>("transform.functions", f.functions)?;
    }
    if let Some(f) = &exports.filter {
        instance
            .check::<(&str, BatchIn<'_>), (Answer<abi::Selection>,)>("filter.select", f.select)?;
        instance.check::<(), (Vec<abi::PlainFunction>,)>("filter.functions", f.functions)?;
    }
    if let Some(f) = &exports.aggregate {
        instance.check::<(&str, GroupedIn<'_>), (Answer<abi::BatchOut>,)>(
            "aggregate.reduce",
            f.reduce,
        )?;
        instance.check::<(), (Vec<abi::AggregateFunction>,)>("aggregate.functions", f.functions)?;
    }
    if let Some(f) = &exports.stateful {
        instance.check::<(&str, abi::StatefulIn<'_>), (Answer<abi::StatefulOutcome>,)>(
            "stateful.update",
            f.update,
        )?;
        instance.check::<(), (Vec<abi::StatefulFunction>,)>("stateful.functions", f.functions)?;
    }
    if let Some(f) = &exports.foreach {
        instance.check::<(&str, BatchIn<'_>), (Answer<Vec<abi::Rejected>>,)>(
            "foreach.accept",
            f.accept,
        )?;
        instance.check::<(&str,), (Answer<()>,)>("foreach.finish", f.finish)?;
        instance.check::<(), (Vec<abi::PlainFunction>,)>("foreach.functions", f.functions)?;
    }
    if let Some(resolve) = exports.resolve {
        instance.check::<
            (&str, &[abi::Setting], &[abi::FieldIn<'_>]),
            (Result<Vec<abi::FieldOut>, String>,),
        >("resolution.resolve", resolve)?;
    }
    if let Some(migrate) = exports.migrate {
        instance.check::<(&str, u32, BatchIn<'_>), (Answer<abi::BatchOut>,)>(
            "migration.migrate",
            migrate,
        )?;
    }
    instance.check::<(), (abi::About,)>("registry.describe", exports.describe)
}
