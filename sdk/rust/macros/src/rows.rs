//! `map`, `flat_map` and `filter`: functions of one row.

use proc_macro::{Span, TokenStream, TokenTree};

use crate::{
    arguments::Arguments,
    error::{Error, Result},
    export::{Export, Parameters},
    function::{Function, split, unquote},
    names,
    template::{fill, fill_at, text},
    types::Type,
};

/// An error about the signature as a whole.
pub fn wrong(function: &Function, what: &str, expected: &str, at: Span, found: &str) -> Error {
    let name = &function.name;
    Error::new(
        at,
        format!("`{name}` is {what}: expected `{expected}`, found {found}"),
    )
}

/// "1 parameter", "2 parameters".
pub fn count(parameters: usize) -> String {
    match parameters {
        0 => "no parameters".into(),
        1 => "1 parameter".into(),
        n => format!("{n} parameters"),
    }
}

pub fn map(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    Arguments::parse(arguments, "map", &[])?;
    let expected = "fn(row) -> T` or `fn(row) -> Result<T, Reject>";
    let function = Function::parse(item, "a map")?;
    let parameters = Parameters::of(&function, expected)?;
    let row = one_row(&function, &parameters, "a map", expected)?;
    let result = result(&function, "a map", expected)?;
    let export = Export::of(&function, parameters.settings.as_ref());
    let implementation = fill(
        r"
        impl ::rsrt::functions::Map for $marker {
            type Input = $input;
            type Output = $value;
            #[inline]
            fn apply<'a>(
                settings: &'a Self::Settings,
                row: <Self::Input as ::rsrt::Row>::Ref<'a>,
            ) -> ::core::result::Result<<Self::Output as ::rsrt::Row>::Ref<'a>, ::rsrt::Reject> {
                let _ = settings;
                ::rsrt::outcome::Returned::outcome($name($pass row))
            }
        }
        ",
        &[
            ("marker", export.marker()),
            ("input", row.with_static()),
            ("value", value_of(&result)),
            ("name", TokenTree::Ident(function.name.clone()).into()),
            ("pass", parameters.pass_settings()),
        ],
    );
    let entries = "::rsrt::functions::map::<$marker>()";
    Ok(export.write(function.whole.clone(), entries, implementation))
}

pub fn filter(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    Arguments::parse(arguments, "filter", &[])?;
    let expected = "fn(row) -> bool` or `fn(row) -> Result<bool, Reject>";
    let function = Function::parse(item, "a filter")?;
    let parameters = Parameters::of(&function, expected)?;
    let row = one_row(&function, &parameters, "a filter", expected)?;
    let result = result(&function, "a filter", expected)?;
    if result.text() != "bool" && result.inside("Result").is_none() {
        let found = format!("`{}`", result.text());
        return Err(wrong(&function, "a filter", expected, result.at, &found));
    }
    let export = Export::of(&function, parameters.settings.as_ref());
    let implementation = fill(
        r"
        impl ::rsrt::functions::Filter for $marker {
            type Input = $input;
            #[inline]
            fn keeps(
                settings: &Self::Settings,
                row: <Self::Input as ::rsrt::Row>::Ref<'_>,
            ) -> ::core::result::Result<bool, ::rsrt::Reject> {
                let _ = settings;
                ::rsrt::outcome::Returned::outcome($name($pass row))
            }
        }
        ",
        &[
            ("marker", export.marker()),
            ("input", row.with_static()),
            ("name", TokenTree::Ident(function.name.clone()).into()),
            ("pass", parameters.pass_settings()),
        ],
    );
    let entries = "::rsrt::functions::filter::<$marker>()";
    Ok(export.write(function.whole.clone(), entries, implementation))
}

const FLAT_MAP: &str = "fn(row, &mut Emitter<T>)";

pub fn flat_map(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = Arguments::parse(arguments, "flat_map", &["combine"])?;
    let function = Function::parse(item, "a flat-map")?;
    let parameters = Parameters::of(&function, FLAT_MAP)?;
    let [row, out] = parameters.rows[..] else {
        let found = count(parameters.rows.len());
        let at = function.parameters_at;
        return Err(wrong(&function, "a flat-map", FLAT_MAP, at, &found));
    };
    let output = emitted(&function, &out.of, "a flat-map", FLAT_MAP)?;
    let export = Export::of(&function, parameters.settings.as_ref());
    let mut entries = "::rsrt::functions::flat_map::<$marker>()".to_owned();
    let mut implementations = fill(
        r"
        impl ::rsrt::functions::FlatMap for $marker {
            type Input = $input;
            type Output = $output;
            #[inline]
            fn apply(
                settings: &Self::Settings,
                row: <Self::Input as ::rsrt::Row>::Ref<'_>,
                out: &mut ::rsrt::Emitter<Self::Output>,
            ) -> ::core::result::Result<(), ::rsrt::Reject> {
                let _ = settings;
                $done($name($pass row, out))
            }
        }
        ",
        &[
            ("marker", export.marker()),
            ("input", row.of.with_static()),
            ("output", output.with_static()),
            ("done", done(&function)),
            ("name", TokenTree::Ident(function.name.clone()).into()),
            ("pass", parameters.pass_settings()),
        ],
    );
    for (at, combine) in combines(&arguments)?.into_iter().enumerate() {
        entries += ", ::rsrt::functions::fused::<Fused";
        entries += &at.to_string();
        entries += ">()";
        implementations.extend(fused(
            &function,
            &parameters,
            &output,
            &export,
            at,
            &combine,
        ));
    }
    Ok(export.write(function.whole.clone(), &entries, implementations))
}

/// A function to combine with.
struct Combine {
    /// As the plugin or the host calls it.
    name: String,
    marker: TokenStream,
}

/// The functions that `combine` names.
fn combines(arguments: &Arguments) -> Result<Vec<Combine>> {
    let Some(value) = arguments.get("combine") else {
        return Ok(Vec::new());
    };
    let list = match value {
        [TokenTree::Group(group)] => split(group.stream(), ','),
        one => vec![one.to_vec()],
    };
    let expected = "expected `combine = sum`, with a #[rsrt::reduce(associative)] function, \
        `combine = \"std:sum\"`, or a list of these in brackets";
    let combine = |path: &Vec<TokenTree>| match path.as_slice() {
        [TokenTree::Literal(name)] if unquote(&name.to_string()) == "std:sum" => Ok(Combine {
            name: "std:sum".into(),
            marker: fill(
                "::rsrt::functions::StdSum<<Self as ::rsrt::functions::Fused>::Value>",
                &[],
            ),
        }),
        path => match names::marker_of(path) {
            Some((marker, name)) => Ok(Combine { name, marker }),
            None => Err(Error::new(arguments.at("combine"), expected)),
        },
    };
    list.iter().map(combine).collect()
}

/// A second copy of the function, compiled against the table of its combine.
fn fused(
    function: &Function,
    parameters: &Parameters,
    output: &Type,
    export: &Export,
    at: usize,
    combine: &Combine,
) -> TokenStream {
    let first = names::kebab(&function.name);
    let fused = format!("{first}+{}", combine.name.replace(':', "-"));
    let doc = format!("`{first}`, then `{}` by key, in one go.", combine.name);
    let result = match &function.result {
        Some(result) => result.with_static(),
        None => fill("()", &[]),
    };
    let mut written = TokenStream::new();
    let mut seen = 0;
    for parameter in &function.parameters {
        seen += usize::from(!parameter.is_settings);
        if seen == 2 {
            written.extend(fill(
                "$pattern: &mut ::rsrt::Emitter<$output, __Sink>,",
                &[
                    ("pattern", parameter.pattern.clone()),
                    ("output", output.with_static()),
                ],
            ));
            seen += 1;
        } else {
            written.extend(parameter.written());
        }
    }
    let mut generics: TokenStream = function.generics.iter().cloned().collect();
    if !function.generics.is_empty()
        && !function
            .generics
            .last()
            .is_some_and(|token| crate::types::is(token, ','))
    {
        generics.extend(fill(",", &[]));
    }
    fill(
        r"
        enum $fused {}
        impl ::rsrt::functions::Function for $fused {
            const NAME: &'static str = $fused_name;
            const DOC: &'static str = $doc;
            type Settings = $settings;
        }
        impl ::rsrt::functions::Fused for $fused {
            const FIRST: &'static str = $first;
            const COMBINE: &'static str = $combine_name;
            const FALLIBLE: bool = <$result as ::rsrt::outcome::Done>::FALLIBLE;
            type Input = $input;
            type Key = <$output as ::rsrt::combine::Pair>::Key;
            type Value = <$output as ::rsrt::combine::Pair>::Value;
            type Combine = $combine;
            #[inline]
            fn apply<__S: ::rsrt::Sink<(Self::Key, Self::Value)>>(
                settings: &Self::Settings,
                row: <Self::Input as ::rsrt::Row>::Ref<'_>,
                out: &mut ::rsrt::Emitter<(Self::Key, Self::Value), __S>,
            ) -> ::core::result::Result<(), ::rsrt::Reject> {
                #[inline]
                $attributes
                fn $name<$generics __Sink: ::rsrt::Sink<$output>>($parameters) $arrow $body
                let _ = settings;
                $done($name($pass row, out))
            }
        }
        ",
        &[
            ("fused", fill(&format!("Fused{at}"), &[])),
            ("fused_name", text(&fused)),
            ("doc", text(&doc)),
            ("settings", export.settings.clone()),
            ("first", text(&first)),
            ("combine_name", text(&combine.name)),
            ("combine", combine.marker.clone()),
            ("result", result),
            ("input", parameters.rows[0].of.with_static()),
            ("output", output.with_static()),
            ("done", done(function)),
            ("attributes", function.attributes.clone()),
            ("name", TokenTree::Ident(function.name.clone()).into()),
            ("generics", generics),
            ("parameters", written),
            ("arrow", function.arrow()),
            ("body", TokenTree::Group(function.body.clone()).into()),
            ("pass", parameters.pass_settings()),
        ],
    )
}

fn one_row(
    function: &Function,
    parameters: &Parameters,
    what: &str,
    expected: &str,
) -> Result<Type> {
    match parameters.rows[..] {
        [row] if !row.of.tokens.is_empty() => Ok(row.of.clone()),
        _ => {
            let found = count(parameters.rows.len());
            Err(wrong(
                function,
                what,
                expected,
                function.parameters_at,
                &found,
            ))
        }
    }
}

/// The row type of a result that may be a `Result`. Complaints point at the result.
pub fn value_of(result: &Type) -> TokenStream {
    let parts = [("result", result.with_static())];
    fill_at(
        result.at,
        "<$result as ::rsrt::outcome::Returned>::Value",
        &parts,
    )
}

/// `Done::done`. Complaints point at the result, if there is one.
pub fn done(function: &Function) -> TokenStream {
    let at = function
        .result
        .as_ref()
        .map_or(function.name.span(), |result| result.at);
    fill_at(at, "::rsrt::outcome::Done::done", &[])
}

/// The result type, which must be there.
pub fn result(function: &Function, what: &str, expected: &str) -> Result<Type> {
    function.result.clone().ok_or_else(|| {
        let at = function.name.span();
        wrong(function, what, expected, at, "no result")
    })
}

/// `T` of `&mut Emitter<T>`.
pub fn emitted(function: &Function, out: &Type, what: &str, expected: &str) -> Result<Type> {
    let Some(output) = out.behind_mut("Emitter") else {
        let found = format!("`{}`", out.text());
        return Err(wrong(function, what, expected, out.at, &found));
    };
    if let Some(lifetime) = output.named_lifetime() {
        let message = format!(
            "rows are copied when they are emitted: write `'_`, or nothing, for `'{lifetime}`"
        );
        return Err(Error::new(lifetime.span(), message));
    }
    Ok(output)
}
