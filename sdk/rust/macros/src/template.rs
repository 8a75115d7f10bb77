//! Code from a template: Rust text in which `$name` stands for tokens.

use proc_macro::{Group, Span, TokenStream, TokenTree};

/// The template with every `$name` replaced. Tokens put in keep their places, so that the compiler
/// points at what the author wrote.
pub fn fill(template: &str, parts: &[(&str, TokenStream)]) -> TokenStream {
    let tokens = template
        .parse()
        .unwrap_or_else(|error| panic!("a template does not parse: {error}"));
    put(tokens, parts)
}

/// As [`fill`]; the compiler points at `at` where it complains about the template's own tokens.
pub fn fill_at(at: Span, template: &str, parts: &[(&str, TokenStream)]) -> TokenStream {
    let tokens: TokenStream = template
        .parse()
        .unwrap_or_else(|error| panic!("a template does not parse: {error}"));
    put(respan(tokens, Span::call_site().located_at(at)), parts)
}

fn respan(tokens: TokenStream, at: Span) -> TokenStream {
    let respan = |token| match token {
        TokenTree::Group(group) => {
            let mut group = Group::new(group.delimiter(), respan(group.stream(), at));
            group.set_span(at);
            TokenTree::Group(group)
        }
        mut token => {
            token.set_span(at);
            token
        }
    };
    tokens.into_iter().map(respan).collect()
}

fn put(template: TokenStream, parts: &[(&str, TokenStream)]) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = template.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '$' => {
                let name = tokens.next().map(|name| name.to_string());
                let part = parts
                    .iter()
                    .find(|(part, _)| Some(*part) == name.as_deref());
                match part {
                    Some((_, tokens)) => out.extend(tokens.clone()),
                    None => panic!("a template names {name:?}, which it is not given"),
                }
            }
            TokenTree::Group(group) => {
                let mut filled = Group::new(group.delimiter(), put(group.stream(), parts));
                filled.set_span(group.span());
                out.extend([TokenTree::Group(filled)]);
            }
            other => out.extend([other]),
        }
    }
    out
}

/// A string literal.
pub fn text(text: &str) -> TokenStream {
    TokenTree::Literal(proc_macro::Literal::string(text)).into()
}
