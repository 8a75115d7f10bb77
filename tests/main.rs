//! The one integration binary of the crate `rsrt`.

mod sdk_bindings;
mod sdk_signatures;
