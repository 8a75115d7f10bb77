//! A plugin for one operator alone.

use std::fmt::Write as _;

use super::{
    Manifest,
    operator::OperatorEntry,
    verb::{FunctionOwner, FunctionRef},
};
use crate::model::PluginName;

/// Where a plugin goes that only one operator is to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnPlugin {
    /// In the place of this one, which no other part calls; none is the default plugin.
    InPlaceOf(Option<String>),
    /// Beside the others, under this name; the topology's text is this one then.
    Beside {
        /// What the topology calls it.
        alias: String,
        /// With `[plugin.ALIAS]`, and the operator's functions of it.
        text: String,
    },
}

/// An operator cannot have a plugin of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoOwnPlugin {
    /// There is none of this name.
    #[error("there is no operator `{name}`; there are {}", .there.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        there: Vec<String>,
    },
    /// What it does is built in.
    #[error("operator `{0}` calls no plugin, so there is nothing to replace")]
    CallsNone(String),
    /// No name is left.
    #[error("no plugin can be called `{0}`: rename the operator")]
    NoName(String),
}

impl Manifest {
    /// Where another plugin goes that is for one operator, when it is the `number`th version of the topology.
    ///
    /// # Errors
    /// When there is no such operator, or it calls no plugin.
    pub fn own_plugin(&self, operator: &str, number: u64) -> Result<OwnPlugin, NoOwnPlugin> {
        let entry = self.operators.iter();
        let Some(entry) = entry.clone().find(|entry| entry.name.value == operator) else {
            return Err(NoOwnPlugin::Unknown {
                name: operator.to_owned(),
                there: entry.map(|entry| entry.name.value.clone()).collect(),
            });
        };
        let called: Vec<&FunctionRef> = entry.functions().filter(|f| !is_std(f)).collect();
        let Some(first) = called.first() else {
            return Err(NoOwnPlugin::CallsNone(operator.to_owned()));
        };
        let is_first = |function: &FunctionRef| function.owner == first.owner;
        let by_all = self
            .functions()
            .filter(|function| is_first(function))
            .count();
        let only_here = called.iter().all(|function| is_first(function)) && by_all == called.len();
        if only_here {
            return Ok(OwnPlugin::InPlaceOf(match &first.owner {
                FunctionOwner::Plugin(alias) => Some(alias.clone()),
                FunctionOwner::Std | FunctionOwner::Default => None,
            }));
        }
        let alias = format!("{operator}-v{number}");
        let is_taken = self.plugins.iter().any(|p| p.alias.value.as_str() == alias);
        if is_taken || alias.parse::<PluginName>().is_err() {
            return Err(NoOwnPlugin::NoName(alias));
        }
        Ok(OwnPlugin::Beside {
            text: self.retold(entry, &alias),
            alias,
        })
    }

    /// The text in which an operator calls the functions of this plugin.
    fn retold(&self, entry: &OperatorEntry, alias: &str) -> String {
        let mut places: Vec<_> = entry.functions().filter(|f| !is_std(f)).collect();
        places.sort_by_key(|function| std::cmp::Reverse(function.at.offset()));
        places.dedup_by_key(|function| function.at.offset());
        let mut text = self.text.clone();
        for function in places {
            let (start, length) = (function.at.offset(), function.at.len());
            let call = format!("\"{alias}:{}\"", function.name);
            text.replace_range(start..start + length, &call);
        }
        let _ = write!(text, "\n[plugin.{alias}]\npath = \"{alias}.wasm\"\n"); // to memory
        text
    }
}

fn is_std(function: &FunctionRef) -> bool {
    function.owner == FunctionOwner::Std
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"name = "t"
batch-interval = "1s"

[plugin.text]
path = "text.wasm"

[source.lines]
type = "socket"
address = "127.0.0.1:1"

[operator.words]
input = "lines"
flat-map = "split" # by spaces

[operator.long]
input = "words"
filter = "is-long"

[operator.upper]
input = "long"
map = "text:upper"

[operator.sum]
input = "upper"
reduce = "std:max"
"#;

    fn own(operator: &str) -> Result<OwnPlugin, NoOwnPlugin> {
        Manifest::parse("t.toml", TEXT)
            .unwrap()
            .own_plugin(operator, 3)
    }

    #[test]
    fn what_others_call_too_stays_beside_the_new_one() {
        let Ok(OwnPlugin::Beside { alias, text }) = own("words") else {
            panic!("it is shared");
        };
        assert_eq!(alias, "words-v3");
        assert!(
            text.contains("flat-map = \"words-v3:split\" # by spaces\n"),
            "{text}"
        );
        assert!(text.contains("filter = \"is-long\"\n"));
        assert!(text.ends_with("\n[plugin.words-v3]\npath = \"words-v3.wasm\"\n"));
        // Now each of the two is called by one operator.
        let manifest = Manifest::parse("t.toml", &text).unwrap();
        let own = |operator| manifest.own_plugin(operator, 4);
        let words = OwnPlugin::InPlaceOf(Some("words-v3".to_owned()));
        assert_eq!(own("words"), Ok(words));
        assert_eq!(own("long"), Ok(OwnPlugin::InPlaceOf(None)));
    }

    #[test]
    fn what_nobody_else_calls_is_replaced() {
        let text = OwnPlugin::InPlaceOf(Some("text".to_owned()));
        assert_eq!(own("upper"), Ok(text));
    }

    #[test]
    fn there_must_be_something_to_replace() {
        let none = NoOwnPlugin::CallsNone("sum".to_owned());
        assert_eq!(own("sum"), Err(none));
        let unknown = own("word").unwrap_err().to_string();
        let expected = "there is no operator `word`; there are words, long, upper, sum";
        assert_eq!(unknown, expected);
    }
}
