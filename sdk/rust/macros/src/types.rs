//! Types, as tokens.

use proc_macro::{Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};

/// A type as its author wrote it.
#[derive(Clone)]
pub struct Type {
    pub tokens: Vec<TokenTree>,
    pub at: Span,
}

impl Type {
    pub fn new(tokens: Vec<TokenTree>, otherwise: Span) -> Self {
        let at = tokens.first().map_or(otherwise, TokenTree::span);
        Self { tokens, at }
    }

    /// The same with `'static` for every lifetime, also for those that are left out.
    pub fn with_static(&self) -> TokenStream {
        make_static(self.tokens.iter().cloned())
    }

    /// The same for people.
    pub fn text(&self) -> String {
        let tokens: TokenStream = self.tokens.iter().cloned().collect();
        tokens.to_string()
    }

    /// `T` of `&T`.
    pub fn behind_ref(&self) -> Option<Type> {
        let rest = after_ref(&self.tokens)?;
        Some(Type::new(rest.to_vec(), self.at))
    }

    /// `T` of `&mut Name<T>`.
    pub fn behind_mut(&self, name: &str) -> Option<Type> {
        let (mutable, rest) = after_ref(&self.tokens)?.split_first()?;
        (mutable.to_string() == "mut")
            .then(|| Type::new(rest.to_vec(), self.at))?
            .inside(name)
    }

    /// `T` of `&[T]`.
    pub fn items(&self) -> Option<Type> {
        match after_ref(&self.tokens)? {
            [TokenTree::Group(group)] if group.delimiter() == proc_macro::Delimiter::Bracket => {
                Some(Type::new(
                    group.stream().into_iter().collect(),
                    group.span(),
                ))
            }
            _ => None,
        }
    }

    /// `T` of `Name<T>` or `path::to::Name<T>`.
    pub fn inside(&self, name: &str) -> Option<Type> {
        let open = self.tokens.iter().position(|token| is(token, '<'))?;
        let path = self.tokens.get(open.checked_sub(1)?)?;
        let (last, rest) = self.tokens.split_last()?;
        (path.to_string() == name && is(last, '>'))
            .then(|| Type::new(rest[open + 1..].to_vec(), self.at))
    }

    /// Has a reference or a lifetime in it.
    pub fn borrows(&self) -> bool {
        borrows(self.tokens.iter().cloned())
    }

    /// The first lifetime that has a name, other than `'_` and `'static`.
    pub fn named_lifetime(&self) -> Option<Ident> {
        named_lifetime(self.tokens.iter().cloned())
    }
}

fn borrows(tokens: impl IntoIterator<Item = TokenTree>) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => borrows(group.stream()),
        token => is(&token, '&') || is(&token, '\''),
    })
}

fn named_lifetime(tokens: impl IntoIterator<Item = TokenTree>) -> Option<Ident> {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                if let Some(found) = named_lifetime(group.stream()) {
                    return Some(found);
                }
            }
            token if is(&token, '\'') => match tokens.next() {
                Some(TokenTree::Ident(name))
                    if !["_", "static"].contains(&name.to_string().as_str()) =>
                {
                    return Some(name);
                }
                _ => {}
            },
            _ => {}
        }
    }
    None
}

pub fn is(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == punct)
}

/// What follows `&` or `&'a`.
fn after_ref(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    match tokens {
        [and, tick, _, rest @ ..] if is(and, '&') && is(tick, '\'') => Some(rest),
        [and, rest @ ..] if is(and, '&') => Some(rest),
        _ => None,
    }
}

fn make_static(tokens: impl IntoIterator<Item = TokenTree>) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), make_static(group.stream()));
                inner.set_span(group.span());
                out.extend([TokenTree::Group(inner)]);
            }
            token if is(&token, '\'') => {
                tokens.next();
                out.extend(lifetime(token.span()));
            }
            token if is(&token, '&') => {
                let at = token.span();
                out.extend([token]);
                if !tokens.peek().is_some_and(|next| is(next, '\'')) {
                    out.extend(lifetime(at));
                }
            }
            token => out.extend([token]),
        }
    }
    out
}

/// `'static`.
fn lifetime(at: Span) -> [TokenTree; 2] {
    let mut tick = Punct::new('\'', Spacing::Joint);
    tick.set_span(at);
    [tick.into(), Ident::new("static", at).into()]
}
