//! Names of functions: as Rust writes them, as topologies do, and as this crate marks them.

use proc_macro::{Ident, TokenStream, TokenTree};

/// `field_of` or `FieldOf` as `field-of`.
pub fn kebab(name: &Ident) -> String {
    let mut out = String::new();
    for letter in plain(name).chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        match letter {
            '_' => out.push('-'),
            letter => out.extend(letter.to_lowercase()),
        }
    }
    out
}

/// Without `r#`.
pub fn plain(name: &Ident) -> String {
    let name = name.to_string();
    name.strip_prefix("r#").map_or(name.clone(), str::to_owned)
}

/// The type that stands for a function: it cannot be named like it.
pub fn marker(name: &Ident) -> Ident {
    Ident::new(&format!("__rsrt_{}", plain(name)), name.span())
}

/// The marker of a function named by a path, and its name as topologies write it.
pub fn marker_of(path: &[TokenTree]) -> Option<(TokenStream, String)> {
    let (last, before) = path.split_last()?;
    let TokenTree::Ident(name) = last else {
        return None;
    };
    let mut marked: TokenStream = before.iter().cloned().collect();
    marked.extend([TokenTree::Ident(marker(name))]);
    Some((marked, kebab(name)))
}
