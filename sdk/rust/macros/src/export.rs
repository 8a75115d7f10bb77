//! What every attribute puts beside a function: a type that stands for it in the plugin's list.

use proc_macro::{Ident, TokenStream, TokenTree};

use crate::{
    error::{Error, Result},
    function::{Function, Parameter},
    names,
    template::{fill, text},
    types::Type,
};

/// A function about to be exported.
pub struct Export {
    pub name: Ident,
    /// Declares the type that stands for it.
    pub declaration: TokenStream,
    pub doc: String,
    /// `()` if it takes none.
    pub settings: TokenStream,
}

impl Export {
    pub fn of(function: &Function, settings: Option<&Type>) -> Self {
        Self {
            name: function.name.clone(),
            declaration: fill(
                "$visibility enum $marker {}",
                &[
                    ("visibility", function.visibility.clone()),
                    (
                        "marker",
                        TokenTree::Ident(names::marker(&function.name)).into(),
                    ),
                ],
            ),
            doc: function.doc.clone(),
            settings: settings_type(settings),
        }
    }

    pub fn marker(&self) -> TokenStream {
        TokenTree::Ident(names::marker(&self.name)).into()
    }

    /// The item as written, the marker, and its implementations.
    pub fn write(
        &self,
        item: TokenStream,
        entries: &str,
        implementations: TokenStream,
    ) -> TokenStream {
        let parts = [
            ("item", item),
            ("declaration", self.declaration.clone()),
            ("marker", self.marker()),
            ("name", text(&names::kebab(&self.name))),
            ("doc", text(&self.doc)),
            ("settings", self.settings.clone()),
            ("entries", fill(entries, &[("marker", self.marker())])),
            ("implementations", implementations),
        ];
        fill(
            r#"
            $item
            #[doc(hidden)]
            #[allow(non_camel_case_types, reason = "named like the function it stands for")]
            $declaration
            #[allow(clippy::pedantic, clippy::let_unit_value, clippy::unit_arg, reason = "not written by hand")]
            const _: () = {
                impl ::rsrt::functions::Function for $marker {
                    const NAME: &'static str = $name;
                    const DOC: &'static str = $doc;
                    type Settings = $settings;
                }
                impl ::rsrt::functions::Exported for $marker {
                    const ENTRIES: &'static [::rsrt::functions::Entry] = &[$entries];
                }
                $implementations
            };
            "#,
            &parts,
        )
    }
}

pub fn settings_type(settings: Option<&Type>) -> TokenStream {
    match settings {
        Some(of) => of.with_static(),
        None => fill("()", &[]),
    }
}

/// The parameters of a function, settings apart. Settings come first if they are taken.
pub struct Parameters<'a> {
    pub settings: Option<Type>,
    pub rows: Vec<&'a Parameter>,
}

impl<'a> Parameters<'a> {
    pub fn of(function: &'a Function, expected: &str) -> Result<Self> {
        let mut settings = None;
        let mut rows = Vec::new();
        for (at, parameter) in function.parameters.iter().enumerate() {
            if parameter.is_settings {
                if at != 0 && !(at == 1 && function.takes_self()) {
                    let message = "#[settings] comes before all rows";
                    return Err(Error::new(parameter.of.at, message));
                }
                let of = parameter.of.behind_ref().ok_or_else(|| {
                    Error::new(parameter.of.at, "#[settings] are lent: expected `&T`")
                })?;
                settings = Some(of);
            } else {
                rows.push(parameter);
            }
        }
        if let Some(of) = generic_type(function) {
            let message = format!(
                "`{}` is generic over `{of}`, but the columns of a function are of one type: {expected}",
                function.name
            );
            return Err(Error::new(function.name.span(), message));
        }
        Ok(Self { settings, rows })
    }

    /// `settings,` if they are taken.
    pub fn pass_settings(&self) -> TokenStream {
        match self.settings {
            Some(_) => fill("settings,", &[]),
            None => TokenStream::new(),
        }
    }
}

/// A generic parameter that is no lifetime.
fn generic_type(function: &Function) -> Option<String> {
    crate::function::split(function.generics.iter().cloned(), ',')
        .into_iter()
        .find(|part| {
            !part
                .first()
                .is_some_and(|token| crate::types::is(token, '\''))
        })
        .and_then(|part| part.first().map(ToString::to_string))
}

impl Function {
    /// Has a `self` parameter.
    pub fn takes_self(&self) -> bool {
        self.parameters.first().is_some_and(|parameter| {
            parameter.of.tokens.is_empty() && parameter.pattern.to_string().ends_with("self")
        })
    }
}
