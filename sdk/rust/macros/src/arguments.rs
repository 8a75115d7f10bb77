//! What stands in an attribute's parentheses: `associative, inverse = subtract`.

use proc_macro::{Ident, Span, TokenStream, TokenTree};

use crate::{
    error::{Error, Result},
    function::split,
    types::is,
};

/// The arguments of an attribute.
pub struct Arguments(Vec<(Ident, Vec<TokenTree>)>);

impl Arguments {
    /// Arguments with only these names.
    pub fn parse(tokens: TokenStream, attribute: &str, known: &[&str]) -> Result<Self> {
        let mut found: Vec<(Ident, Vec<TokenTree>)> = Vec::new();
        for part in split(tokens, ',') {
            let mut part = part.into_iter();
            let name = match part.next() {
                Some(TokenTree::Ident(name)) => name,
                Some(other) => {
                    let message = format!("#[rsrt::{attribute}]: expected a name, found `{other}`");
                    return Err(Error::new(other.span(), message));
                }
                None => continue,
            };
            if !known.contains(&name.to_string().as_str()) {
                let takes = match known {
                    [] => "takes no arguments".to_owned(),
                    known => format!("takes {}", known.join(", ")),
                };
                let message = format!("#[rsrt::{attribute}] {takes}; found `{name}`");
                return Err(Error::new(name.span(), message));
            }
            let value = match part.next() {
                None => Vec::new(),
                Some(equals) if is(&equals, '=') => part.collect(),
                Some(other) => {
                    let message = format!("expected `=` after `{name}`");
                    return Err(Error::new(other.span(), message));
                }
            };
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// Whether a word stands there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found.to_string() == name)
    }

    /// The value of an argument.
    pub fn get(&self, name: &str) -> Option<&[TokenTree]> {
        let found = self.0.iter().find(|(found, _)| found.to_string() == name);
        found.map(|(_, value)| value.as_slice())
    }

    /// Where an argument stands.
    pub fn at(&self, name: &str) -> Span {
        let found = self.0.iter().find(|(found, _)| found.to_string() == name);
        found.map_or_else(Span::call_site, |(name, _)| name.span())
    }
}
