//! The derives: structs as rows, and as settings.

use proc_macro::{Delimiter, Ident, Span, TokenStream, TokenTree};

use crate::{
    error::{Error, Result},
    function::{Attributes, generics, split, unquote, visibility},
    names,
    template::{fill, text},
    types::{Type, is},
};

/// A struct with named fields.
struct Struct {
    name: Ident,
    /// What stands between `<` and `>`: lifetimes only.
    generics: Vec<TokenTree>,
    fields: Vec<Field>,
}

struct Field {
    attributes: Attributes,
    name: Ident,
    of: Type,
}

impl Struct {
    fn parse(item: TokenStream, derive: &str) -> Result<Self> {
        let wrong = |at: Span| {
            let message = format!("#[derive({derive})] is for structs with named fields");
            Error::new(at, message)
        };
        let mut tokens = item.into_iter().peekable();
        Attributes::parse(&mut tokens);
        visibility(&mut tokens);
        match tokens.next() {
            Some(token) if token.to_string() == "struct" => {}
            token => return Err(wrong(token.map_or_else(Span::call_site, |t| t.span()))),
        }
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            return Err(wrong(Span::call_site()));
        };
        let generics = generics(&mut tokens);
        for part in split(generics.iter().cloned(), ',') {
            if let Some(first) = part.first().filter(|first| !is(first, '\'')) {
                let message = format!(
                    "#[derive({derive})]: a struct may have lifetimes, but no `{first}`: its columns are of one type"
                );
                return Err(Error::new(first.span(), message));
            }
        }
        match tokens.next() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let fields = split(group.stream(), ',').into_iter().map(field);
                let fields = fields.collect::<Option<Vec<_>>>();
                let fields = fields.filter(|fields| !fields.is_empty());
                Ok(Self {
                    fields: fields.ok_or_else(|| wrong(group.span()))?,
                    name,
                    generics,
                })
            }
            _ => Err(wrong(name.span())),
        }
    }

    /// The struct with `lifetime` for each of its lifetimes.
    fn with_lifetimes(&self, lifetime: &str) -> TokenStream {
        let all = split(self.generics.iter().cloned(), ',');
        let list = vec![lifetime; all.len()].join(", ");
        let list = if all.is_empty() {
            list
        } else {
            format!("<{list}>")
        };
        fill(
            &format!("$name {list}"),
            &[("name", TokenTree::Ident(self.name.clone()).into())],
        )
    }

    /// `template` once for each field, with `$field`, `$name` (text), `$of` and `$at`.
    fn each(&self, template: &str, name: impl Fn(&Field) -> String) -> TokenStream {
        let mut out = TokenStream::new();
        for (at, field) in self.fields.iter().enumerate() {
            let at = proc_macro::Literal::usize_unsuffixed(at);
            out.extend(fill(
                template,
                &[
                    ("field", TokenTree::Ident(field.name.clone()).into()),
                    ("name", text(&name(field))),
                    ("of", field.of.with_static()),
                    ("at", TokenTree::Literal(at).into()),
                ],
            ));
        }
        out
    }
}

fn field(tokens: Vec<TokenTree>) -> Option<Field> {
    let stream: TokenStream = tokens.into_iter().collect();
    let mut tokens = stream.into_iter().peekable();
    let attributes = Attributes::parse(&mut tokens);
    visibility(&mut tokens);
    let Some(TokenTree::Ident(name)) = tokens.next() else {
        return None;
    };
    tokens.next_if(|token| is(token, ':'))?;
    let of = Type::new(tokens.collect(), name.span());
    Some(Field {
        attributes,
        name,
        of,
    })
}

pub fn record(item: TokenStream) -> Result<TokenStream> {
    let item = Struct::parse(item, "Record")?;
    let name = |field: &Field| names::plain(&field.name);
    let each = |template: &str| item.each(template, name);
    Ok(fill(
        r#"
        #[allow(clippy::pedantic, reason = "not written by hand")]
        const _: () = {
            use ::rsrt::row::{Columns, Room, join};
            use ::rsrt::abi::{columns::{Column, Field}, faults::Fault};
            use ::rsrt::Row as __Row;
            impl<$generics> __Row for $itself {
                type Ref<'__r> = $ref;
                type Reader<'__r> = ($readers);
                type Builder = ($builders);
                const LISTED: bool = $listed false;
                fn fields(name: &str, out: &mut ::std::vec::Vec<Field>) {
                    $fields
                }
                fn schema() -> ::std::vec::Vec<Field> {
                    let mut fields = ::std::vec::Vec::new();
                    Self::fields("", &mut fields);
                    fields
                }
                fn read<'__r>(
                    columns: &mut Columns<'__r>,
                ) -> ::core::result::Result<Self::Reader<'__r>, Fault> {
                    ::core::result::Result::Ok(($read))
                }
                #[inline]
                fn get<'__r>(reader: &Self::Reader<'__r>, at: usize) -> Self::Ref<'__r> {
                    $struct { $get }
                }
                fn build(room: Room) -> Self::Builder {
                    ($build)
                }
                #[inline]
                fn push(builder: &mut Self::Builder, row: Self::Ref<'_>) {
                    $push
                }
                fn push_blank(builder: &mut Self::Builder) {
                    $push_blank
                }
                fn truncate(builder: &mut Self::Builder, rows: usize) {
                    $truncate
                }
                fn close(builder: Self::Builder, out: &mut ::std::vec::Vec<Column>) {
                    $close
                }
            }
        };
        "#,
        &[
            ("generics", item.generics.iter().cloned().collect()),
            ("itself", itself(&item)),
            ("ref", item.with_lifetimes("'__r")),
            ("struct", TokenTree::Ident(item.name.clone()).into()),
            ("readers", each("<$of as __Row>::Reader<'__r>,")),
            ("builders", each("<$of as __Row>::Builder,")),
            ("listed", each("<$of as __Row>::LISTED ||")),
            (
                "fields",
                each("<$of as __Row>::fields(&join(name, $name), out);"),
            ),
            ("read", each("<$of as __Row>::read(columns)?,")),
            ("get", each("$field: <$of as __Row>::get(&reader.$at, at),")),
            ("build", each("<$of as __Row>::build(room),")),
            (
                "push",
                each("<$of as __Row>::push(&mut builder.$at, row.$field);"),
            ),
            (
                "push_blank",
                each("<$of as __Row>::push_blank(&mut builder.$at);"),
            ),
            (
                "truncate",
                each("<$of as __Row>::truncate(&mut builder.$at, rows);"),
            ),
            ("close", each("<$of as __Row>::close(builder.$at, out);")),
        ],
    ))
}

/// The struct with its own lifetimes.
fn itself(item: &Struct) -> TokenStream {
    let mut out: TokenStream = TokenTree::Ident(item.name.clone()).into();
    if !item.generics.is_empty() {
        let generics = item.generics.iter().cloned().collect();
        out.extend(fill("<$generics>", &[("generics", generics)]));
    }
    out
}

pub fn settings(item: TokenStream) -> Result<TokenStream> {
    let item = Struct::parse(item, "Settings")?;
    if let Some(first) = item.generics.first() {
        let message = "settings own what they hold: no lifetimes";
        return Err(Error::new(first.span(), message));
    }
    let mut fields = TokenStream::new();
    for field in &item.fields {
        let take = match (default(field)?, field.of.inside("Option")) {
            (None, Some(_)) => fill("given.take_option($name)?", &[named(field)]),
            (None, None) => fill(
                "given.take($name, ::core::option::Option::None)?",
                &[named(field)],
            ),
            (Some(default), _) => fill(
                "given.take($name, ::core::option::Option::Some($default))?",
                &[named(field), ("default", text(&default))],
            ),
        };
        fields.extend(fill(
            "$field: $take,",
            &[
                ("field", TokenTree::Ident(field.name.clone()).into()),
                ("take", take),
            ],
        ));
    }
    Ok(fill(
        r"
        impl ::rsrt::Settings for $name {
            fn take(
                given: &mut ::rsrt::settings::Given,
            ) -> ::core::result::Result<Self, ::std::string::String> {
                ::core::result::Result::Ok(Self { $fields })
            }
        }
        ",
        &[
            ("name", TokenTree::Ident(item.name.clone()).into()),
            ("fields", fields),
        ],
    ))
}

fn named(field: &Field) -> (&'static str, TokenStream) {
    ("name", text(&names::kebab(&field.name)))
}

/// The default that `#[setting(default = "x")]` gives, as text.
fn default(field: &Field) -> Result<Option<String>> {
    let Some((_, arguments)) = field.attributes.ours.first() else {
        return Ok(None);
    };
    let arguments: Vec<TokenTree> = arguments.clone().into_iter().collect();
    match arguments.as_slice() {
        [word, equals, value @ ..] if word.to_string() == "default" && is(equals, '=') => {
            let value: Vec<String> = value.iter().map(|t| unquote(&t.to_string())).collect();
            Ok(Some(value.concat()))
        }
        _ => {
            let message = "expected #[setting(default = \"x\")]";
            Err(Error::new(field.name.span(), message))
        }
    }
}
