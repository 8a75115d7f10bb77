//! `plugin!`: the list of a plugin's functions, and its exports.

use proc_macro::{Span, TokenStream};

use crate::{
    error::{Error, Result},
    function::split,
    names,
    template::{fill, text},
};

pub fn plugin(list: TokenStream) -> Result<TokenStream> {
    let mut functions = TokenStream::new();
    for path in split(list, ',') {
        let at = path
            .first()
            .map_or_else(Span::call_site, proc_macro::TokenTree::span);
        let (marker, _) = names::marker_of(&path)
            .ok_or_else(|| Error::new(at, "expected the names of functions: `split, sum`"))?;
        functions.extend(fill(
            "<$marker as ::rsrt::functions::Exported>::ENTRIES,",
            &[("marker", marker)],
        ));
    }
    #[allow(
        clippy::disallowed_methods,
        reason = "set by cargo for the crate at hand"
    )]
    let name = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    Ok(fill(
        r#"
        #[doc(hidden)]
        pub enum __RsrtPlugin {}
        impl ::rsrt::abi::Exports for __RsrtPlugin {
            const NAME: &'static str = $name;
            const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");
            const DOC: &'static str = ::core::env!("CARGO_PKG_DESCRIPTION");
            const FUNCTIONS: &'static [&'static [::rsrt::functions::Entry]] = &[$functions];
        }
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
        const _: () = {
            ::rsrt::abi::bindings::export_plugin!(__RsrtPlugin with_types_in ::rsrt::abi::bindings);
        };
        "#,
        &[
            ("name", text(&name.replace('_', "-").to_lowercase())),
            ("functions", functions),
        ],
    ))
}
