//! Keys as bytes: equal keys have equal bytes, and the bytes give the key back.

use crate::{
    abi::incoming_text,
    row::{Row, Timestamp},
};

/// A key that a map-side combine can look up.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a `combine`",
    note = "keys are bool, i64, f64, &str, String, &[u8], Vec<u8>, Timestamp, Option of these, and tuples of them"
)]
pub trait CombineKey: Row {
    /// The key's bytes: its own if it has any, else written to `scratch`.
    #[inline]
    fn with_bytes<R>(
        key: Self::Ref<'_>,
        scratch: &mut Vec<u8>,
        look_up: impl FnOnce(&[u8]) -> R,
    ) -> R {
        scratch.clear();
        Self::append(key, scratch);
        look_up(scratch)
    }
    /// The key that has these bytes.
    #[inline]
    fn from_bytes(mut bytes: &[u8]) -> Self::Ref<'_> {
        Self::split(&mut bytes)
    }
    /// Appends bytes that tell where they end.
    fn append(key: Self::Ref<'_>, out: &mut Vec<u8>);
    /// Takes a key off the front of bytes that `append` wrote.
    fn split<'a>(bytes: &mut &'a [u8]) -> Self::Ref<'a>;
}

/// Takes `N` bytes that `append` wrote.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    match bytes.split_first_chunk() {
        Some((first, rest)) => {
            *bytes = rest;
            *first
        }
        None => unreachable!("keys are read as they were written"),
    }
}

macro_rules! fixed {
    ($type:ty, $key:ident => $to:expr, $bytes:ident => $from:expr) => {
        impl CombineKey for $type {
            #[inline]
            fn with_bytes<R>(
                $key: Self::Ref<'_>,
                _: &mut Vec<u8>,
                look_up: impl FnOnce(&[u8]) -> R,
            ) -> R {
                look_up(&$to)
            }
            fn append($key: $type, out: &mut Vec<u8>) {
                out.extend_from_slice(&$to);
            }
            fn split<'a>(bytes: &mut &'a [u8]) -> Self::Ref<'a> {
                let $bytes = take(bytes);
                $from
            }
        }
    };
}

fixed!(i64, n => n.to_le_bytes(), b => i64::from_le_bytes(b));
fixed!(f64, n => n.to_le_bytes(), b => f64::from_le_bytes(b));
fixed!(Timestamp, t => t.0.to_le_bytes(), b => Timestamp(i64::from_le_bytes(b)));
fixed!(bool, b => [u8::from(b)], b => b == [1]);

macro_rules! items {
    ($type:ty, [$($generics:tt)*], $key:ident => $to:expr, $bytes:ident => $from:expr) => {
        impl $($generics)* CombineKey for $type {
            #[inline]
            fn with_bytes<R>(
                $key: Self::Ref<'_>,
                _: &mut Vec<u8>,
                look_up: impl FnOnce(&[u8]) -> R,
            ) -> R {
                look_up($to)
            }
            #[inline]
            fn from_bytes($bytes: &[u8]) -> Self::Ref<'_> {
                $from
            }
            fn append($key: Self::Ref<'_>, out: &mut Vec<u8>) {
                let bytes: &[u8] = $to;
                out.extend_from_slice(&crate::row::offset(bytes.len()));
                out.extend_from_slice(bytes);
            }
            fn split<'a>(bytes: &mut &'a [u8]) -> Self::Ref<'a> {
                let len = u32::from_le_bytes(take(bytes)) as usize;
                let ($bytes, rest) = bytes.split_at(len);
                *bytes = rest;
                $from
            }
        }
    };
}

items!(&'x str, [<'x>], key => key.as_bytes(), bytes => incoming_text(bytes));
items!(String, [], key => key.as_bytes(), bytes => incoming_text(bytes).to_owned());
items!(&'x [u8], [<'x>], key => key, bytes => bytes);
items!(Vec<u8>, [], key => &key, bytes => bytes.to_vec());

impl<T: CombineKey> CombineKey for Option<T>
where
    Option<T>: for<'a> Row<Ref<'a> = Option<T::Ref<'a>>>,
{
    fn append(key: Option<T::Ref<'_>>, out: &mut Vec<u8>) {
        out.push(u8::from(key.is_some()));
        if let Some(key) = key {
            T::append(key, out);
        }
    }
    fn split<'a>(bytes: &mut &'a [u8]) -> Option<T::Ref<'a>> {
        (take(bytes) == [1]).then(|| T::split(bytes))
    }
}

macro_rules! tuple {
    ($($part:ident $at:tt),+) => {
        impl<$($part: CombineKey),+> CombineKey for ($($part,)+) {
            fn append(key: Self::Ref<'_>, out: &mut Vec<u8>) {
                $($part::append(key.$at, out);)+
            }
            fn split<'a>(bytes: &mut &'a [u8]) -> Self::Ref<'a> {
                ($($part::split(bytes),)+)
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
