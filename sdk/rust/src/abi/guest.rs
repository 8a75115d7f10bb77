//! The exports, over a plugin's table of functions.

use super::{
    bindings::exports::rsrt::plugin::{
        aggregate, filter, foreach, migration, registry, resolution, stateful, transform,
    },
    columns::{Batch, Field, Grouped},
    faults::{Fault, Rejected},
    settings::Setting,
};
use crate::{
    functions::{
        AggregateEntry, Entry, FilterEntry, ForeachEntry, MigrationEntry, StatefulEntry,
        TransformEntry,
    },
    row::fault,
};

/// A plugin: who it is and what it has. Implemented by [`plugin!`](crate::plugin).
pub trait Exports {
    /// As topologies call it.
    const NAME: &'static str;
    /// Semantic version.
    const VERSION: &'static str;
    /// What it is for.
    const DOC: &'static str;
    /// Its functions, as the attributes made them.
    const FUNCTIONS: &'static [&'static [Entry]];
}

fn entries<P: Exports>() -> impl Iterator<Item = &'static Entry> {
    // Every call into the plugin comes through here, so this is where panics get a voice.
    crate::panic::speak();
    P::FUNCTIONS.iter().copied().flatten()
}

macro_rules! of_kind {
    ($find:ident, $all:ident, $kind:ident, $entry:ty) => {
        fn $all<P: Exports>() -> impl Iterator<Item = &'static $entry> {
            entries::<P>().filter_map(|entry| match entry {
                Entry::$kind(entry) => Some(entry),
                _ => None,
            })
        }

        fn $find<P: Exports>(name: &str) -> Result<&'static $entry, Fault> {
            $all::<P>()
                .find(|entry| entry.name == name)
                .ok_or_else(|| unknown::<P>(name))
        }
    };
}

of_kind!(transform, transforms, Transform, TransformEntry);
of_kind!(filter, filters, Filter, FilterEntry);
of_kind!(aggregate, aggregates, Aggregate, AggregateEntry);
of_kind!(stateful, statefuls, Stateful, StatefulEntry);
of_kind!(foreach, foreachs, Foreach, ForeachEntry);

fn unknown<P: Exports>(name: &str) -> Fault {
    fault(format!("plugin {} has no such function: {name}", P::NAME))
}

impl<P: Exports> registry::Guest for P {
    fn describe() -> registry::About {
        registry::About {
            name: P::NAME.into(),
            version: P::VERSION.into(),
            doc: P::DOC.into(),
        }
    }
}

impl<P: Exports> transform::Guest for P {
    fn functions() -> Vec<transform::Function> {
        transforms::<P>().map(|entry| (entry.describe)()).collect()
    }
    fn feed(name: String, side: u32, input: Batch) -> Result<(), Fault> {
        (transform::<P>(&name)?.feed)(side, input)
    }
    fn process(name: String, input: Batch) -> Result<transform::Outcome, Fault> {
        (transform::<P>(&name)?.process)(input)
    }
    fn finish(name: String) -> Result<Option<Batch>, Fault> {
        (transform::<P>(&name)?.finish)()
    }
}

impl<P: Exports> filter::Guest for P {
    fn functions() -> Vec<filter::Function> {
        filters::<P>().map(|entry| (entry.describe)()).collect()
    }
    fn select(name: String, input: Batch) -> Result<filter::Selection, Fault> {
        (filter::<P>(&name)?.select)(input)
    }
}

impl<P: Exports> aggregate::Guest for P {
    fn functions() -> Vec<aggregate::Function> {
        aggregates::<P>().map(|entry| (entry.describe)()).collect()
    }
    fn reduce(name: String, input: Grouped) -> Result<Batch, Fault> {
        (aggregate::<P>(&name)?.reduce)(input)
    }
}

impl<P: Exports> stateful::Guest for P {
    fn functions() -> Vec<stateful::Function> {
        statefuls::<P>().map(|entry| (entry.describe)()).collect()
    }
    fn update(name: String, input: stateful::Input) -> Result<stateful::Outcome, Fault> {
        (stateful::<P>(&name)?.update)(input)
    }
}

impl<P: Exports> foreach::Guest for P {
    fn functions() -> Vec<foreach::Function> {
        foreachs::<P>().map(|entry| (entry.describe)()).collect()
    }
    fn accept(name: String, input: Batch) -> Result<Vec<Rejected>, Fault> {
        (foreach::<P>(&name)?.accept)(input)
    }
    fn finish(name: String) -> Result<(), Fault> {
        (foreach::<P>(&name)?.finish)()
    }
}

impl<P: Exports> resolution::Guest for P {
    fn resolve(
        name: String,
        settings: Vec<Setting>,
        _input: Vec<Field>,
    ) -> Result<Vec<Field>, String> {
        let resolve = entries::<P>().find_map(|entry| match entry {
            Entry::Transform(entry) if entry.name == name => Some(entry.resolve),
            Entry::Filter(entry) if entry.name == name => Some(entry.resolve),
            Entry::Aggregate(entry) if entry.name == name => Some(entry.resolve),
            Entry::Stateful(entry) if entry.name == name => Some(entry.resolve),
            Entry::Foreach(entry) if entry.name == name => Some(entry.resolve),
            _ => None,
        });
        resolve.ok_or_else(|| unknown::<P>(&name).message)?(settings)
    }
}

impl<P: Exports> migration::Guest for P {
    fn migrate(name: String, since: u32, states: Batch) -> Result<Batch, Fault> {
        let found = entries::<P>().find_map(|entry| match entry {
            Entry::Migration(entry) if entry.of == name && entry.since == since => Some(entry),
            _ => None,
        });
        match found {
            Some(MigrationEntry { migrate, .. }) => migrate(states),
            None => Err(fault(format!(
                "plugin {} has no migration of the state of {name} since version {since}",
                P::NAME
            ))),
        }
    }
}
