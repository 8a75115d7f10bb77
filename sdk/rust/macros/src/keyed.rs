//! `reduce`, `aggregate`, `update_state`, `map_with_state` and `migrate`: functions of a key's values.

use proc_macro::{TokenStream, TokenTree};

use crate::{
    arguments::Arguments,
    error::{Error, Result},
    export::{Export, Parameters},
    function::{Function, Parameter},
    names,
    rows::{count, result, value_of, wrong},
    template::{fill, text},
    types::Type,
};

/// A keyed function: the key if it asks for it, and the other parameters.
struct Keyed<'a, const N: usize> {
    key: Option<&'a Type>,
    rest: [&'a Parameter; N],
}

impl<'a, const N: usize> Keyed<'a, N> {
    fn of(
        function: &Function,
        parameters: &Parameters<'a>,
        what: &str,
        expected: &str,
    ) -> Result<Self> {
        let (key, rest) = match parameters.rows.as_slice() {
            [key, rest @ ..] if rest.len() == N => (Some(&key.of), rest),
            rest => (None, rest),
        };
        let found = || {
            let found = count(parameters.rows.len());
            wrong(function, what, expected, function.parameters_at, &found)
        };
        let rest = rest.try_into().map_err(|_| found())?;
        Ok(Self { key, rest })
    }

    fn key_type(&self) -> TokenStream {
        match self.key {
            Some(key) => key.with_static(),
            None => fill("::rsrt::functions::NoKey", &[]),
        }
    }

    /// The key as an argument.
    fn pass_key(&self) -> TokenStream {
        match self.key {
            Some(_) => fill("::core::clone::Clone::clone(key),", &[]),
            None => TokenStream::new(),
        }
    }
}

/// The name of a function that an argument names, as `Option<&str>`.
fn named(arguments: &Arguments, argument: &str) -> Result<TokenStream> {
    let Some(path) = arguments.get(argument) else {
        return Ok(fill("::core::option::Option::None", &[]));
    };
    let (_, name) = names::marker_of(path).ok_or_else(|| {
        let message = format!("expected the name of a function: `{argument} = other`");
        Error::new(arguments.at(argument), message)
    })?;
    Ok(fill(
        "::core::option::Option::Some($name)",
        &[("name", text(&name))],
    ))
}

fn number(arguments: &Arguments, argument: &str) -> Result<Option<TokenStream>> {
    match arguments.get(argument) {
        None => Ok(None),
        Some([TokenTree::Literal(number)]) if number.to_string().parse::<u32>().is_ok() => {
            Ok(Some(TokenTree::Literal(number.clone()).into()))
        }
        Some(_) => {
            let message = format!("expected a whole number: `{argument} = 2`");
            Err(Error::new(arguments.at(argument), message))
        }
    }
}

fn flag(arguments: &Arguments, argument: &str) -> TokenStream {
    fill(
        if arguments.has(argument) {
            "true"
        } else {
            "false"
        },
        &[],
    )
}

fn same(function: &Function, what: &str, expected: &str, a: &Type, b: &Type) -> Result<()> {
    if a.with_static().to_string() == b.with_static().to_string() {
        return Ok(());
    }
    let found = format!("`{}` and `{}`", a.text(), b.text());
    Err(wrong(function, what, expected, b.at, &found))
}

pub fn reduce(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let known = ["associative", "inverse", "merge"];
    let arguments = Arguments::parse(arguments, "reduce", &known)?;
    let (what, expected) = ("a reduce", "fn(T, T) -> T` or `fn(key, T, T) -> T");
    let function = Function::parse(item, what)?;
    let parameters = Parameters::of(&function, expected)?;
    let keyed = Keyed::<2>::of(&function, &parameters, what, expected)?;
    let [a, b] = keyed.rest;
    let result = result(&function, what, expected)?;
    same(&function, what, expected, &a.of, &b.of)?;
    same(&function, what, expected, &a.of, &result)?;
    let export = Export::of(&function, parameters.settings.as_ref());
    let implementation = fill(
        r"
        impl ::rsrt::functions::Reduce for $marker {
            type Key = $key;
            type Value = $value;
            const ASSOCIATIVE: bool = $associative;
            const MERGE: ::core::option::Option<&'static str> = $merge;
            const INVERSE: ::core::option::Option<&'static str> = $inverse;
            #[inline]
            fn apply<'a>(
                settings: &'a Self::Settings,
                key: &<Self::Key as ::rsrt::functions::Key>::Ref<'a>,
                a: <Self::Value as ::rsrt::Row>::Ref<'a>,
                b: <Self::Value as ::rsrt::Row>::Ref<'a>,
            ) -> <Self::Value as ::rsrt::Row>::Ref<'a> {
                let _ = (settings, key);
                $name($pass $pass_key a, b)
            }
        }
        ",
        &[
            ("marker", export.marker()),
            ("key", keyed.key_type()),
            ("value", a.of.with_static()),
            ("associative", flag(&arguments, "associative")),
            ("merge", named(&arguments, "merge")?),
            ("inverse", named(&arguments, "inverse")?),
            ("name", TokenTree::Ident(function.name.clone()).into()),
            ("pass", parameters.pass_settings()),
            ("pass_key", keyed.pass_key()),
        ],
    );
    let entries = "::rsrt::functions::reduce::<$marker>()";
    Ok(export.write(function.whole.clone(), entries, implementation))
}

pub fn aggregate(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = Arguments::parse(arguments, "aggregate", &["merge"])?;
    let (what, expected) = ("an aggregate", "fn(&[T]) -> U` or `fn(key, &[T]) -> U");
    let function = Function::parse(item, what)?;
    let parameters = Parameters::of(&function, expected)?;
    let keyed = Keyed::<1>::of(&function, &parameters, what, expected)?;
    let values = items(&function, what, expected, keyed.rest[0])?;
    let result = result(&function, what, expected)?;
    let export = Export::of(&function, parameters.settings.as_ref());
    let implementation = fill(
        r"
        impl ::rsrt::functions::Aggregate for $marker {
            type Key = $key;
            type Value = $value;
            type Output = $output;
            const MERGE: ::core::option::Option<&'static str> = $merge;
            #[inline]
            fn apply<'a>(
                settings: &'a Self::Settings,
                key: &<Self::Key as ::rsrt::functions::Key>::Ref<'a>,
                values: &[<Self::Value as ::rsrt::Row>::Ref<'a>],
            ) -> <Self::Output as ::rsrt::Row>::Ref<'a> {
                let _ = (settings, key);
                $name($pass $pass_key values)
            }
        }
        ",
        &[
            ("marker", export.marker()),
            ("key", keyed.key_type()),
            ("value", values.with_static()),
            ("output", result.with_static()),
            ("merge", named(&arguments, "merge")?),
            ("name", TokenTree::Ident(function.name.clone()).into()),
            ("pass", parameters.pass_settings()),
            ("pass_key", keyed.pass_key()),
        ],
    );
    let entries = "::rsrt::functions::aggregate::<$marker>()";
    Ok(export.write(function.whole.clone(), entries, implementation))
}

/// `T` of a parameter `&[T]`.
fn items(function: &Function, what: &str, expected: &str, of: &Parameter) -> Result<Type> {
    of.of.items().ok_or_else(|| {
        let found = format!("`{}`", of.of.text());
        wrong(function, what, expected, of.of.at, &found)
    })
}

/// `T` of `Option<T>`.
fn optional(function: &Function, what: &str, expected: &str, of: &Type) -> Result<Type> {
    of.inside("Option").ok_or_else(|| {
        let found = format!("`{}`", of.text());
        wrong(function, what, expected, of.at, &found)
    })
}

pub fn update_state(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = Arguments::parse(arguments, "update_state", &["skips_idle", "version"])?;
    let what = "an update-state";
    let expected = "fn(&[T], Option<S>) -> Option<S>` or `fn(key, &[T], Option<S>) -> Option<S>";
    let function = Function::parse(item, what)?;
    let parameters = Parameters::of(&function, expected)?;
    let keyed = Keyed::<2>::of(&function, &parameters, what, expected)?;
    let [new, state] = keyed.rest;
    let values = items(&function, what, expected, new)?;
    let before = optional(&function, what, expected, &state.of)?;
    let result = result(&function, what, expected)?;
    let after = optional(&function, what, expected, &result)?;
    same(&function, what, expected, &before, &after)?;
    let export = Export::of(&function, parameters.settings.as_ref());
    let version = number(&arguments, "version")?.unwrap_or_else(|| fill("1", &[]));
    let implementation = fill(
        r"
        impl ::rsrt::functions::UpdateState for $marker {
            type Key = $key;
            type Value = $value;
            type State = $state;
            const VERSION: u32 = $version;
            const SKIPS_IDLE: bool = $skips_idle;
            #[inline]
            fn apply<'a>(
                settings: &'a Self::Settings,
                key: &<Self::Key as ::rsrt::functions::Key>::Ref<'a>,
                new: &[<Self::Value as ::rsrt::Row>::Ref<'a>],
                state: ::core::option::Option<<Self::State as ::rsrt::Row>::Ref<'a>>,
            ) -> ::core::option::Option<<Self::State as ::rsrt::Row>::Ref<'a>> {
                let _ = (settings, key);
                $name($pass $pass_key new, state)
            }
        }
        ",
        &[
            ("marker", export.marker()),
            ("key", keyed.key_type()),
            ("value", values.with_static()),
            ("state", before.with_static()),
            ("version", version),
            ("skips_idle", flag(&arguments, "skips_idle")),
            ("name", TokenTree::Ident(function.name.clone()).into()),
            ("pass", parameters.pass_settings()),
            ("pass_key", keyed.pass_key()),
        ],
    );
    let entries = "::rsrt::functions::update_state::<$marker>()";
    Ok(export.write(function.whole.clone(), entries, implementation))
}

pub fn map_with_state(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = Arguments::parse(arguments, "map_with_state", &["version"])?;
    let what = "a map-with-state";
    let expected = "fn(Option<T>, &mut State<S>) -> Option<U>`, with the key first if wanted, or without a result `fn(Option<T>, &mut State<S>)";
    let function = Function::parse(item, what)?;
    let parameters = Parameters::of(&function, expected)?;
    let keyed = Keyed::<2>::of(&function, &parameters, what, expected)?;
    let [value, state] = keyed.rest;
    let values = optional(&function, what, expected, &value.of)?;
    let state = state.of.behind_mut("State").ok_or_else(|| {
        let found = format!("`{}`", state.of.text());
        wrong(&function, what, expected, state.of.at, &found)
    })?;
    if state.borrows() {
        let message = "a state is kept, so it cannot borrow: use String for text, Vec<u8> for bytes, \
            and structs without lifetimes";
        return Err(Error::new(state.at, message));
    }
    let (output, wrap) = match &function.result {
        Some(result) => {
            let output = optional(&function, what, expected, result)?;
            (output.with_static(), "$call")
        }
        None => (
            fill("::rsrt::row::NoRows", &[]),
            "{ $call; ::core::option::Option::None }",
        ),
    };
    let export = Export::of(&function, parameters.settings.as_ref());
    let version = number(&arguments, "version")?.unwrap_or_else(|| fill("1", &[]));
    let call = fill(
        "$name($pass $pass_key value, state)",
        &[
            ("name", TokenTree::Ident(function.name.clone()).into()),
            ("pass", parameters.pass_settings()),
            ("pass_key", keyed.pass_key()),
        ],
    );
    let implementation = fill(
        r"
        impl ::rsrt::functions::MapWithState for $marker {
            type Key = $key;
            type Value = $value;
            type State = $state;
            type Output = $output;
            const VERSION: u32 = $version;
            #[inline]
            fn apply<'a>(
                settings: &'a Self::Settings,
                key: &<Self::Key as ::rsrt::functions::Key>::Ref<'a>,
                value: ::core::option::Option<<Self::Value as ::rsrt::Row>::Ref<'a>>,
                state: &mut ::rsrt::State<Self::State>,
            ) -> ::core::option::Option<<Self::Output as ::rsrt::Row>::Ref<'a>> {
                let _ = (settings, key);
                $wrapped
            }
        }
        ",
        &[
            ("marker", export.marker()),
            ("key", keyed.key_type()),
            ("value", values.with_static()),
            ("state", state.with_static()),
            ("output", output),
            ("version", version),
            ("wrapped", fill(wrap, &[("call", call)])),
        ],
    );
    let entries = "::rsrt::functions::map_with_state::<$marker>()";
    Ok(export.write(function.whole.clone(), entries, implementation))
}

pub fn migrate(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = Arguments::parse(arguments, "migrate", &["function", "since"])?;
    let (what, expected) = (
        "a migration",
        "fn(Old) -> State` or `fn(Old) -> Result<State, Reject>",
    );
    let function = Function::parse(item, what)?;
    let parameters = Parameters::of(&function, expected)?;
    let [old] = parameters.rows[..] else {
        let found = count(parameters.rows.len());
        return Err(wrong(
            &function,
            what,
            expected,
            function.parameters_at,
            &found,
        ));
    };
    let result = result(&function, what, expected)?;
    let missing = || {
        let message = "expected #[rsrt::migrate(function = running, since = 1)]: \
            whose state it is, and the version it comes from";
        Error::new(function.name.span(), message)
    };
    let path = arguments.get("function").ok_or_else(missing)?;
    let (_, of) = names::marker_of(path).ok_or_else(missing)?;
    let since = number(&arguments, "since")?.ok_or_else(missing)?;
    let export = Export::of(&function, None);
    let implementation = fill(
        r"
        impl ::rsrt::functions::Migrate for $marker {
            const OF: &'static str = $of;
            const SINCE: u32 = $since;
            type Old = $old;
            type State = $value;
            fn apply(
                old: <Self::Old as ::rsrt::Row>::Ref<'_>,
            ) -> ::core::result::Result<<Self::State as ::rsrt::Row>::Ref<'_>, ::rsrt::Reject> {
                ::rsrt::outcome::Returned::outcome($name(old))
            }
        }
        ",
        &[
            ("marker", export.marker()),
            ("of", text(&of)),
            ("since", since),
            ("old", old.of.with_static()),
            ("value", value_of(&result)),
            ("name", TokenTree::Ident(function.name.clone()).into()),
        ],
    );
    let entries = "::rsrt::functions::migrate::<$marker>()";
    Ok(export.write(function.whole.clone(), entries, implementation))
}
