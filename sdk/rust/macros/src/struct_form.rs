//! `map_partitions`, `transform` and `foreach`: `impl` blocks of a struct that keeps something
//! between rows.

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::{
    arguments::Arguments,
    error::{Error, Result},
    export::{Export, Parameters, settings_type},
    function::{Attributes, Function, visibility},
    names,
    rows::{count, emitted, wrong},
    template::{fill, text},
    types::{Type, is},
};

/// An `impl` block.
struct Block {
    doc: String,
    name: Ident,
    methods: Vec<Function>,
    settings: Option<Type>,
    /// All of it, without the attributes of this crate.
    whole: TokenStream,
}

impl Block {
    fn parse(item: TokenStream, what: &str) -> Result<Self> {
        let whole = crate::function::without_ours(item.clone());
        let mut tokens = item.into_iter().peekable();
        let attributes = Attributes::parse(&mut tokens);
        let wrong = |at: Span| {
            let message = format!("{what} stands on an `impl` block: `impl Name {{ .. }}`");
            Error::new(at, message)
        };
        let before: Vec<TokenTree> = tokens.collect();
        match before.as_slice() {
            [word, TokenTree::Ident(name), TokenTree::Group(body)]
                if word.to_string() == "impl" && body.delimiter() == Delimiter::Brace =>
            {
                let methods = methods(body, what)?;
                let settings = settings(&methods)?;
                Ok(Self {
                    doc: attributes.doc,
                    name: name.clone(),
                    methods,
                    settings,
                    whole,
                })
            }
            [first, ..] => Err(wrong(first.span())),
            [] => Err(wrong(Span::call_site())),
        }
    }

    fn method(&self, name: &str) -> Option<&Function> {
        self.methods
            .iter()
            .find(|method| method.name.to_string() == name)
    }

    /// A method that must be there.
    fn required(&self, name: &str, what: &str, expected: &str) -> Result<&Function> {
        self.method(name).ok_or_else(|| {
            let message = format!("`{}` is {what}: expected a method `{expected}`", self.name);
            Error::new(self.name.span(), message)
        })
    }

    /// The struct itself carries the implementations: so they are as visible as it is.
    fn export(&self) -> Export {
        let name = TokenTree::Ident(self.name.clone());
        let marker = TokenTree::Ident(names::marker(&self.name));
        Export {
            name: self.name.clone(),
            declaration: fill(
                "pub(crate) type $marker = $name;",
                &[("marker", marker.into()), ("name", name.into())],
            ),
            doc: self.doc.clone(),
            settings: settings_type(self.settings.as_ref()),
        }
    }

    /// `Self::start(settings)`, or the default.
    fn start(&self) -> TokenStream {
        let of = TokenTree::Ident(self.name.clone()).into();
        match self.method("start") {
            Some(_) => fill("<$of>::start(settings)", &[("of", of)]),
            None => fill(
                "<$of as ::core::default::Default>::default()",
                &[("of", of)],
            ),
        }
    }
}

fn methods(body: &Group, what: &str) -> Result<Vec<Function>> {
    let mut methods = Vec::new();
    let mut tokens = body.stream().into_iter().peekable();
    while tokens.peek().is_some() {
        let attributes = Attributes::parse(&mut tokens);
        let visibility = visibility(&mut tokens);
        if tokens.peek().is_some_and(|token| token.to_string() == "fn") {
            methods.push(Function::parse_rest(
                attributes,
                visibility,
                &mut tokens,
                what,
            )?);
        } else {
            // A constant, or something the compiler will complain of.
            for token in tokens.by_ref() {
                if is(&token, ';') {
                    break;
                }
            }
        }
    }
    Ok(methods)
}

/// The settings that methods take: `start`'s only parameter, or those marked.
fn settings(methods: &[Function]) -> Result<Option<Type>> {
    let mut found = None;
    for method in methods {
        let parameters = Parameters::of(method, "a method")?;
        found = found.or(parameters.settings);
        if method.name.to_string() == "start" {
            let [settings] = method.parameters.as_slice() else {
                let expected = "fn start(settings: &Settings) -> Self";
                let found = count(method.parameters.len());
                let at = method.parameters_at;
                return Err(wrong(method, "the start", expected, at, &found));
            };
            found = settings.of.behind_ref();
        }
    }
    Ok(found)
}

/// `kept.name(settings, row, out)`, with what the method takes.
fn call(method: &Function, arguments: &str) -> Result<TokenStream> {
    let parameters = Parameters::of(method, "a method")?;
    Ok(fill(
        &format!("kept.$name($pass {arguments})"),
        &[
            ("name", TokenTree::Ident(method.name.clone()).into()),
            ("pass", parameters.pass_settings()),
        ],
    ))
}

/// The parameters after `&mut self` and settings.
fn rest<'a, const N: usize>(
    method: &'a Function,
    what: &str,
    expected: &str,
) -> Result<[&'a Type; N]> {
    let parameters = Parameters::of(method, expected)?;
    let types: Vec<&Type> = parameters
        .rows
        .iter()
        .map(|parameter| &parameter.of)
        .collect();
    let error = |found: &str| wrong(method, what, expected, method.parameters_at, found);
    match types.split_first() {
        Some((_, types)) if method.takes_self() => {
            let found = count(types.len());
            types
                .try_into()
                .map_err(|_| error(&format!("{found} beside self")))
        }
        _ => Err(error("no self")),
    }
}

pub fn map_partitions(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    Arguments::parse(arguments, "map_partitions", &[])?;
    partitions(item, "a map-partitions", "map_partitions")
}

pub fn transform(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    Arguments::parse(arguments, "transform", &[])?;
    partitions(item, "a transform", "transform")
}

fn partitions(item: TokenStream, what: &str, entry: &str) -> Result<TokenStream> {
    let block = Block::parse(item, what)?;
    let expected = "fn process(&mut self, row, out: &mut Emitter<T>)";
    let process = block.required("process", what, expected)?;
    let [row, out] = rest(process, what, expected)?;
    let output = emitted(process, out, what, expected)?;
    let finish = match block.method("finish") {
        Some(finish) => {
            let expected = "fn finish(&mut self, out: &mut Emitter<T>)";
            let [last] = rest(finish, what, expected)?;
            emitted(finish, last, what, expected)?;
            call(finish, "out")?
        }
        None => TokenStream::new(),
    };
    let sides = sides(&block, what)?;
    let export = block.export();
    let implementation = fill(
        r"
        impl ::rsrt::functions::Partitions for $marker {
            type Input = $input;
            type Output = $output;
            type Kept = $kept;
            const SIDES: &'static [::rsrt::functions::SideOf<Self::Kept, Self::Settings>] = &[$sides];
            fn start(settings: &Self::Settings) -> Self::Kept {
                let _ = settings;
                $start
            }
            #[inline]
            fn apply(
                kept: &mut Self::Kept,
                settings: &Self::Settings,
                row: <Self::Input as ::rsrt::Row>::Ref<'_>,
                out: &mut ::rsrt::Emitter<Self::Output>,
            ) -> ::core::result::Result<(), ::rsrt::Reject> {
                let _ = settings;
                ::rsrt::outcome::Done::done($process)
            }
            fn finish(
                kept: &mut Self::Kept,
                settings: &Self::Settings,
                out: &mut ::rsrt::Emitter<Self::Output>,
            ) {
                let _ = (&kept, settings, &out);
                $finish
            }
        }
        ",
        &[
            ("marker", export.marker()),
            ("input", row.with_static()),
            ("output", output.with_static()),
            ("kept", TokenTree::Ident(block.name.clone()).into()),
            ("sides", sides),
            ("start", block.start()),
            ("process", call(process, "row, out")?),
            ("finish", finish),
        ],
    );
    let entries = format!("::rsrt::functions::{entry}::<$marker>()");
    Ok(export.write(block.whole.clone(), &entries, implementation))
}

fn sides(block: &Block, what: &str) -> Result<TokenStream> {
    let mut sides = TokenStream::new();
    for method in block.methods.iter().filter(|method| method.is_side) {
        let [row] = rest(method, what, "fn side(&mut self, row)")?;
        sides.extend(fill(
            r"
            ::rsrt::functions::SideOf::new::<$row>($name, |kept, settings, input| {
                let _ = settings;
                ::rsrt::functions::feed_rows::<$row>(input, |row| $call)
            }),
            ",
            &[
                ("row", row.with_static()),
                ("name", text(&names::kebab(&method.name))),
                ("call", call(method, "row")?),
            ],
        ));
    }
    Ok(sides)
}

pub fn foreach(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    Arguments::parse(arguments, "foreach", &[])?;
    let what = "a foreach";
    let on_block = item
        .clone()
        .into_iter()
        .any(|token| token.to_string() == "impl");
    if !on_block {
        return foreach_function(item, what);
    }
    let block = Block::parse(item, what)?;
    let expected = "fn accept(&mut self, row)";
    let accept = block.required("accept", what, expected)?;
    let [row] = rest(accept, what, expected)?;
    let finish = match block.method("finish") {
        Some(finish) => {
            let [] = rest(finish, what, "fn finish(&mut self)")?;
            call(finish, "")?
        }
        None => fill("()", &[]),
    };
    let export = block.export();
    let implementation = fill(
        FOREACH,
        &[
            ("marker", export.marker()),
            ("input", row.with_static()),
            ("kept", TokenTree::Ident(block.name.clone()).into()),
            ("start", block.start()),
            ("accept", call(accept, "row")?),
            ("finish", finish),
        ],
    );
    let entries = "::rsrt::functions::foreach::<$marker>()";
    Ok(export.write(block.whole.clone(), entries, implementation))
}

fn foreach_function(item: TokenStream, what: &str) -> Result<TokenStream> {
    let expected = "fn(row)` or `fn(row) -> Result<(), Reject>";
    let function = Function::parse(item, what)?;
    let parameters = Parameters::of(&function, expected)?;
    let [row] = parameters.rows[..] else {
        let found = count(parameters.rows.len());
        return Err(wrong(
            &function,
            what,
            expected,
            function.parameters_at,
            &found,
        ));
    };
    let export = Export::of(&function, parameters.settings.as_ref());
    let accept = fill(
        "$name($pass row)",
        &[
            ("name", TokenTree::Ident(function.name.clone()).into()),
            ("pass", parameters.pass_settings()),
        ],
    );
    let implementation = fill(
        FOREACH,
        &[
            ("marker", export.marker()),
            ("input", row.of.with_static()),
            ("kept", fill("()", &[])),
            ("start", TokenStream::new()),
            ("accept", accept),
            ("finish", fill("()", &[])),
        ],
    );
    let entries = "::rsrt::functions::foreach::<$marker>()";
    Ok(export.write(function.whole.clone(), entries, implementation))
}

const FOREACH: &str = r"
    impl ::rsrt::functions::Foreach for $marker {
        type Input = $input;
        type Kept = $kept;
        fn start(settings: &Self::Settings) -> Self::Kept {
            let _ = settings;
            $start
        }
        #[inline]
        fn accept(
            kept: &mut Self::Kept,
            settings: &Self::Settings,
            row: <Self::Input as ::rsrt::Row>::Ref<'_>,
        ) -> ::core::result::Result<(), ::rsrt::Reject> {
            let _ = (&kept, settings);
            ::rsrt::outcome::Done::done($accept)
        }
        fn finish(
            kept: &mut Self::Kept,
            settings: &Self::Settings,
        ) -> ::core::result::Result<(), ::rsrt::Reject> {
            let _ = (&kept, settings);
            ::rsrt::outcome::Done::done($finish)
        }
    }
";
