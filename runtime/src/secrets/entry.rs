//! One value, encrypted.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, KeyInit, Payload},
};
use zeroize::Zeroizing;

use super::{StoreError, key::Key};
use crate::model::{Namespace, Secret, SecretName};

/// Bytes of a nonce.
const NONCE: usize = 24;

/// What an entry is bound to. Names have no zero byte.
fn bound_to(namespace: &Namespace, name: &SecretName) -> String {
    format!("rsrt secret 1\0{namespace}\0{name}")
}

/// The nonce, then the encrypted value.
pub(super) fn seal(
    key: &Key,
    namespace: &Namespace,
    name: &SecretName,
    value: &Secret,
) -> Result<Vec<u8>, StoreError> {
    let nonce = XNonce::try_generate().map_err(|_| StoreError::NoRandom)?;
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    let bound = bound_to(namespace, name);
    let payload = Payload {
        msg: value.expose().as_bytes(),
        aad: bound.as_bytes(),
    };
    // It fails for values that memory cannot hold.
    let sealed = cipher
        .encrypt(&nonce, payload)
        .map_err(|_| StoreError::BadValue {
            name: name.clone(),
            why: "is too long",
        })?;
    Ok([&nonce[..], &sealed].concat())
}

/// The value; none if this is not what was sealed with this key under this name.
pub(super) fn unseal(
    key: &Key,
    namespace: &Namespace,
    name: &SecretName,
    entry: &[u8],
) -> Option<Secret> {
    let (nonce, sealed) = entry.split_first_chunk::<NONCE>()?;
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    let bound = bound_to(namespace, name);
    let payload = Payload {
        msg: sealed,
        aad: bound.as_bytes(),
    };
    let value = cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
    let value = Zeroizing::new(value);
    let text = std::str::from_utf8(&value).ok()?;
    Some(Secret::new(text.to_owned()))
}
