//! The attributes and derives of `rsrt-sdk`, which documents them. Parsed by hand, so that nothing
//! else needs to be compiled for a plugin.

mod arguments;
mod error;
mod export;
mod function;
mod keyed;
mod names;
mod plugin;
mod record;
mod rows;
mod struct_form;
mod template;
mod types;

use proc_macro::TokenStream;

fn tokens(result: error::Result<TokenStream>, item: TokenStream) -> TokenStream {
    result.unwrap_or_else(|error| {
        // The item stays, so that one error is not followed by "not found in this scope".
        let mut tokens = function::without_ours(item);
        tokens.extend(error.into_tokens());
        tokens
    })
}

/// One row for each row: `fn(row) -> T`, or `-> Result<T, Reject>` to reject rows.
#[proc_macro_attribute]
pub fn map(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(rows::map(arguments, item.clone()), item)
}

/// Any number of rows for each row: `fn(row, &mut Emitter<T>)`.
///
/// `combine = sum` adds a map-side combine with that `reduce` function (or `"std:sum"`; a list in
/// brackets for several), which the host uses where it can.
#[proc_macro_attribute]
pub fn flat_map(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(rows::flat_map(arguments, item.clone()), item)
}

/// Keep a row or not: `fn(row) -> bool`, or `-> Result<bool, Reject>` to reject rows.
#[proc_macro_attribute]
pub fn filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(rows::filter(arguments, item.clone()), item)
}

/// Over a partition, with something kept between rows: on an `impl` block with
/// `process(&mut self, row, &mut Emitter<T>)` and, if wanted, `finish(&mut self, &mut Emitter<T>)`
/// and `start(&Settings) -> Self` (else `Default` is used).
#[proc_macro_attribute]
pub fn map_partitions(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(struct_form::map_partitions(arguments, item.clone()), item)
}

/// Over a whole batch: as `map_partitions`, and a method with `#[side]` takes the rows of a second
/// stream or of reference data, `fn blocked(&mut self, row)`, before the first `process`.
#[proc_macro_attribute]
pub fn transform(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(struct_form::transform(arguments, item.clone()), item)
}

/// Rows out of the topology: `fn(row)`, or an `impl` block with `accept(&mut self, row)` and
/// `finish(&mut self)`; both may return `Result<(), Reject>`.
#[proc_macro_attribute]
pub fn foreach(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(struct_form::foreach(arguments, item.clone()), item)
}

/// Two values of a key to one: `fn(T, T) -> T`, or `fn(key, T, T) -> T`.
///
/// `associative` allows to reduce in parts; `inverse = subtract` names the function that takes
/// values out of a window; `merge = self_or_other` names the one for `combine-by-key`.
#[proc_macro_attribute]
pub fn reduce(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(keyed::reduce(arguments, item.clone()), item)
}

/// All values of a key to one row: `fn(&[T]) -> U`, or `fn(key, &[T]) -> U`.
///
/// `merge = add` names the associative `reduce` function over `U` that `combine-by-key` merges
/// with.
#[proc_macro_attribute]
pub fn aggregate(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(keyed::aggregate(arguments, item.clone()), item)
}

/// A key's new values and its state to its next state: `fn(&[T], Option<S>) -> Option<S>`, or with
/// the key first. `None` forgets the key.
///
/// `skips_idle`: no new values leave a state as it is. `version = 2`: see `migrate`.
#[proc_macro_attribute]
pub fn update_state(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(keyed::update_state(arguments, item.clone()), item)
}

/// One value of a key after another: `fn(Option<T>, &mut State<S>) -> Option<U>`, or with the key
/// first. There is no value when the key times out. `version = 2`: see `migrate`.
#[proc_macro_attribute]
pub fn map_with_state(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(keyed::map_with_state(arguments, item.clone()), item)
}

/// The state of an older version as today's: `fn(Old) -> S`.
///
/// `function = running, since = 1` say whose state it is and which version `Old` is.
#[proc_macro_attribute]
pub fn migrate(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tokens(keyed::migrate(arguments, item.clone()), item)
}

/// The list of a plugin's functions: `rsrt::plugin! { split, sum }`. Name, version and description
/// are the crate's.
#[proc_macro]
pub fn plugin(list: TokenStream) -> TokenStream {
    plugin::plugin(list).unwrap_or_else(error::Error::into_tokens)
}

/// A struct as a row: one column a field. It may borrow (`struct Click<'a> { user: &'a str }`).
#[proc_macro_derive(Record)]
pub fn record(item: TokenStream) -> TokenStream {
    record::record(item).unwrap_or_else(error::Error::into_tokens)
}

/// A struct as a function's settings: one setting a field, `min_length` as `min-length`.
///
/// A field is any `FromStr` type; `Option` need not be set; `#[setting(default = "x")]` need not
/// either.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn settings(item: TokenStream) -> TokenStream {
    record::settings(item).unwrap_or_else(error::Error::into_tokens)
}
