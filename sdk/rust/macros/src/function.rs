//! A function as its author wrote it, and the parser that finds its parts.

use std::iter::Peekable;

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree, token_stream::IntoIter};

use crate::{
    error::{Error, Result},
    types::{Type, is},
};

/// A function.
pub struct Function {
    /// Attributes other than documentation and those of this crate.
    pub attributes: TokenStream,
    /// Its documentation, as one text.
    pub doc: String,
    pub visibility: TokenStream,
    pub name: Ident,
    /// What stands between `<` and `>`.
    pub generics: Vec<TokenTree>,
    pub parameters: Vec<Parameter>,
    /// Where the parameters stand.
    pub parameters_at: Span,
    pub result: Option<Type>,
    pub body: Group,
    /// Has `#[side]`.
    pub is_side: bool,
    /// All of it, without the attributes of this crate.
    pub whole: TokenStream,
}

/// A parameter of a function.
pub struct Parameter {
    /// Has `#[settings]`.
    pub is_settings: bool,
    /// What stands before the colon.
    pub pattern: TokenStream,
    pub of: Type,
}

pub type Tokens = Peekable<IntoIter>;

/// What stands before an item.
#[derive(Default)]
pub struct Attributes {
    pub doc: String,
    pub rest: TokenStream,
    /// Words of this crate, with what stands after them in parentheses: `#[settings]`, `#[side]`,
    /// `#[setting(default = 1)]`.
    pub ours: Vec<(String, TokenStream)>,
}

impl Attributes {
    pub fn parse(tokens: &mut Tokens) -> Self {
        let mut found = Self::default();
        while let Some(hash) = tokens.next_if(|token| is(token, '#')) {
            let Some(TokenTree::Group(group)) = tokens.next() else {
                break;
            };
            let mut inner = group.stream().into_iter();
            let name = inner
                .next()
                .map(|name| name.to_string())
                .unwrap_or_default();
            match name.as_str() {
                "doc" => {
                    if let Some(TokenTree::Literal(text)) = inner.nth(1) {
                        if !found.doc.is_empty() {
                            found.doc.push('\n');
                        }
                        found.doc.push_str(unquote(&text.to_string()).trim());
                    }
                }
                "settings" | "side" | "setting" => {
                    let arguments = match inner.next() {
                        Some(TokenTree::Group(group)) => group.stream(),
                        _ => TokenStream::new(),
                    };
                    found.ours.push((name, arguments));
                }
                _ => found.rest.extend([hash, TokenTree::Group(group)]),
            }
        }
        found
    }

    pub fn has(&self, word: &str) -> bool {
        self.ours.iter().any(|(name, _)| name == word)
    }
}

/// What a string literal says. Escapes other than `\"` and `\\` stay as they are.
pub fn unquote(literal: &str) -> String {
    match literal.strip_prefix('"').and_then(|l| l.strip_suffix('"')) {
        Some(text) => text
            .replace("\\\"", "\"")
            .replace("\\'", "'")
            .replace("\\\\", "\\"),
        None => literal.to_owned(),
    }
}

pub fn visibility(tokens: &mut Tokens) -> TokenStream {
    let mut visibility = TokenStream::new();
    if let Some(public) = tokens.next_if(|token| token.to_string() == "pub") {
        visibility.extend([public]);
        let of = |token: &TokenTree| matches!(token, TokenTree::Group(g) if g.delimiter() == Delimiter::Parenthesis);
        visibility.extend(tokens.next_if(of));
    }
    visibility
}

impl Function {
    /// The function that an attribute stands on; `what` is "a flat-map", say.
    pub fn parse(item: TokenStream, what: &str) -> Result<Self> {
        let mut tokens = item.into_iter().peekable();
        let attributes = Attributes::parse(&mut tokens);
        let visibility = visibility(&mut tokens);
        Self::parse_rest(attributes, visibility, &mut tokens, what)
    }

    /// The rest, from `fn` on.
    pub fn parse_rest(
        attributes: Attributes,
        visibility: TokenStream,
        tokens: &mut Tokens,
        what: &str,
    ) -> Result<Self> {
        match tokens.next() {
            Some(token) if token.to_string() == "fn" => {}
            Some(token) => {
                let message = format!("{what} is a plain function: expected `fn`, found `{token}`");
                return Err(Error::new(token.span(), message));
            }
            None => {
                return Err(Error::new(
                    Span::call_site(),
                    format!("{what} is a function"),
                ));
            }
        }
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            return Err(Error::new(Span::call_site(), "expected a name after `fn`"));
        };
        let generics = generics(tokens);
        let Some(TokenTree::Group(group)) = tokens.next() else {
            return Err(Error::new(
                name.span(),
                "expected parameters after the name",
            ));
        };
        let parameters = parameters(&group)?;
        let (result, body) = result_and_body(&name, tokens)?;

        let mut function = Self {
            attributes: attributes.rest,
            doc: attributes.doc,
            visibility,
            name,
            generics,
            parameters,
            parameters_at: group.span(),
            result,
            body,
            is_side: attributes.ours.iter().any(|(word, _)| word == "side"),
            whole: TokenStream::new(),
        };
        function.whole = function.written(&group);
        Ok(function)
    }

    /// All of it again, as it was written but for the attributes of this crate.
    fn written(&self, parameters: &Group) -> TokenStream {
        let mut out = TokenStream::new();
        for line in self.doc.lines() {
            out.extend(crate::template::fill(
                "#[doc = $text]",
                &[("text", crate::template::text(&format!(" {line}")))],
            ));
        }
        out.extend(self.attributes.clone());
        out.extend(self.visibility.clone());
        out.extend([TokenTree::Ident(Ident::new("fn", self.name.span()))]);
        out.extend([TokenTree::Ident(self.name.clone())]);
        out.extend(crate::template::fill(
            "<$generics>",
            &[("generics", self.generics.iter().cloned().collect())],
        ));
        let mut inner = TokenStream::new();
        for parameter in &self.parameters {
            inner.extend(parameter.written());
        }
        let mut group = Group::new(Delimiter::Parenthesis, inner);
        group.set_span(parameters.span());
        out.extend([TokenTree::Group(group)]);
        out.extend(self.arrow());
        out.extend([TokenTree::Group(self.body.clone())]);
        out
    }

    /// `-> T`, if there is a result.
    pub fn arrow(&self) -> TokenStream {
        match &self.result {
            None => TokenStream::new(),
            Some(of) => {
                crate::template::fill("-> $of", &[("of", of.tokens.iter().cloned().collect())])
            }
        }
    }
}

impl Parameter {
    /// `pattern: T,`
    pub fn written(&self) -> TokenStream {
        if self.of.tokens.is_empty() {
            return crate::template::fill("$self,", &[("self", self.pattern.clone())]);
        }
        let of = self.of.tokens.iter().cloned().collect();
        crate::template::fill(
            "$pattern: $of,",
            &[("pattern", self.pattern.clone()), ("of", of)],
        )
    }
}

/// What stands between `<` and `>`, if anything does.
pub fn generics(tokens: &mut Tokens) -> Vec<TokenTree> {
    let mut inner = Vec::new();
    if tokens.next_if(|token| is(token, '<')).is_none() {
        return inner;
    }
    let mut depth = 1;
    for token in tokens.by_ref() {
        depth += i32::from(is(&token, '<')) - i32::from(is(&token, '>'));
        if depth == 0 {
            break;
        }
        inner.push(token);
    }
    inner
}

/// The parts between commas that stand in no `<...>`.
pub fn split(tokens: impl IntoIterator<Item = TokenTree>, at: char) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    let mut depth = 0;
    let mut arrow = false;
    for token in tokens {
        if !arrow {
            depth += i32::from(is(&token, '<')) - i32::from(is(&token, '>'));
        }
        arrow = is(&token, '-');
        if depth == 0 && is(&token, at) {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(token);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn parameters(group: &Group) -> Result<Vec<Parameter>> {
    let parts = split(group.stream(), ',');
    parts
        .into_iter()
        .map(|part| {
            let stream: TokenStream = part.into_iter().collect();
            let mut tokens = stream.into_iter().peekable();
            let attributes = Attributes::parse(&mut tokens);
            let mut pattern = attributes.rest.clone();
            let mut of = Vec::new();
            let mut colon = false;
            for token in tokens {
                if colon {
                    of.push(token);
                } else if is(&token, ':') {
                    colon = true;
                } else {
                    pattern.extend([token]);
                }
            }
            Ok(Parameter {
                is_settings: attributes.has("settings"),
                pattern,
                of: Type::new(of, group.span()),
            })
        })
        .collect()
}

fn result_and_body(name: &Ident, tokens: &mut Tokens) -> Result<(Option<Type>, Group)> {
    let mut result = None;
    let mut before = Vec::new();
    for token in tokens.by_ref() {
        match token {
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
                if !before.is_empty() {
                    // `- > T`
                    result = Some(Type::new(
                        before.split_off(2.min(before.len())),
                        name.span(),
                    ));
                }
                return Ok((result, body));
            }
            token if token.to_string() == "where" => {
                let message = "a function of a plugin has no `where`: its rows are of one type";
                return Err(Error::new(token.span(), message));
            }
            token => before.push(token),
        }
    }
    Err(Error::new(name.span(), "expected a body"))
}

/// The item without the attributes of this crate that would not be known any more.
pub fn without_ours(item: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = item.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let ours = match (&token, tokens.peek()) {
            (hash, Some(TokenTree::Group(group))) if is(hash, '#') => {
                let word = group.stream().to_string();
                word == "settings" || word == "side"
            }
            _ => false,
        };
        match token {
            _ if ours => drop(tokens.next()),
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_ours(group.stream()));
                inner.set_span(group.span());
                out.extend([TokenTree::Group(inner)]);
            }
            other => out.extend([other]),
        }
    }
    out
}
