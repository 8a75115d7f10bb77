//! What is wrong with what an author wrote, and where.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// One error.
pub struct Error {
    at: Span,
    message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(at: Span, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }

    /// A call of `compile_error!` at that place.
    pub fn into_tokens(self) -> TokenStream {
        let at = |mut token: TokenTree| {
            token.set_span(self.at);
            token
        };
        let message = at(Literal::string(&self.message).into());
        let colon = |spacing| at(Punct::new(':', spacing).into());
        let word = |word: &str| at(Ident::new(word, self.at).into());
        [
            colon(Spacing::Joint),
            colon(Spacing::Alone),
            word("core"),
            colon(Spacing::Joint),
            colon(Spacing::Alone),
            word("compile_error"),
            at(Punct::new('!', Spacing::Alone).into()),
            at(Group::new(Delimiter::Brace, message.into()).into()),
        ]
        .into_iter()
        .collect()
    }
}
