//! What a topology sets for an operator, as a typed struct.

use std::{fmt::Display, str::FromStr};

use crate::abi::settings::Setting;

/// Settings of a function. Write `#[derive(Settings)]` on a struct whose fields are [`FromStr`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold settings",
    note = "write #[derive(rsrt::Settings)] on it"
)]
pub trait Settings: Sized + 'static {
    /// Takes the settings that it knows.
    ///
    /// # Errors
    /// One line: a setting is missing or has a wrong value.
    fn take(given: &mut Given) -> Result<Self, String>;
}

impl Settings for () {
    fn take(_: &mut Given) -> Result<Self, String> {
        Ok(())
    }
}

/// All settings of a function.
///
/// # Errors
/// One line: a setting is missing, has a wrong value, or is not known.
pub(crate) fn parse<S: Settings>(pairs: Vec<(String, String)>) -> Result<S, String> {
    let mut given = Given {
        pairs,
        known: Vec::new(),
    };
    let settings = S::take(&mut given)?;
    match given.pairs.first() {
        None => Ok(settings),
        Some((name, _)) if given.known.is_empty() => {
            Err(format!("unknown setting `{name}`: the function takes none"))
        }
        Some((name, _)) => Err(format!(
            "unknown setting `{name}`: the function takes {}",
            given.known.join(", ")
        )),
    }
}

/// Settings that nothing has taken yet.
#[derive(Debug)]
pub struct Given {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Given {
    /// Takes a setting, or its default. `name` as topologies write it: `min-length`.
    ///
    /// # Errors
    /// One line: it is missing and has no default, or its value is wrong.
    pub fn take<T>(&mut self, name: &'static str, default: Option<&str>) -> Result<T, String>
    where
        T: FromStr<Err: Display>,
    {
        let given = self.text(name);
        match given.as_deref().or(default) {
            Some(text) => value(name, text),
            None => Err(format!("setting `{name}` is missing")),
        }
    }

    /// Takes a setting that need not be there.
    ///
    /// # Errors
    /// One line: its value is wrong.
    pub fn take_option<T>(&mut self, name: &'static str) -> Result<Option<T>, String>
    where
        T: FromStr<Err: Display>,
    {
        self.text(name).map(|text| value(name, &text)).transpose()
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let at = self.pairs.iter().position(|(given, _)| given == name)?;
        Some(self.pairs.remove(at).1)
    }
}

fn value<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error| format!("setting `{name}` is {text:?}: {error}"))
}

pub(crate) fn pairs(settings: Vec<Setting>) -> Vec<(String, String)> {
    settings
        .into_iter()
        .map(|setting| (setting.name, setting.value))
        .collect()
}
