//! Values at rest.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rsrt::{
    model::{Namespace, Secret, SecretName},
    secrets::{Store, StoreError, StoreFile},
};

use super::VALUE;

fn name(name: &str) -> SecretName {
    name.parse().unwrap()
}

fn of(store: &Store, namespace: &str) -> StoreFile {
    store.of(&namespace.parse::<Namespace>().unwrap())
}

fn secret(value: &str) -> Secret {
    Secret::new(value.to_owned())
}

fn value(store: &StoreFile, of: &str) -> Option<String> {
    let value = store.get(&name(of)).unwrap();
    value.map(|value| value.expose().to_owned())
}

struct Kept {
    folder: tempfile::TempDir,
    store: Store,
}

/// A store with `key` in the namespaces `a` and `b`, and `other` in `a`.
fn kept() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("data/secrets")).unwrap();
    of(&store, "a").set(&name("key"), &secret(VALUE)).unwrap();
    of(&store, "a")
        .set(&name("other"), &secret("another value"))
        .unwrap();
    of(&store, "b")
        .set(&name("key"), &secret("the value of b"))
        .unwrap();
    Kept { folder, store }
}

impl Kept {
    fn directory(&self) -> std::path::PathBuf {
        self.folder.path().join("data/secrets")
    }

    /// What is written of `namespace`, changed.
    fn change(&self, namespace: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let path = self.directory().join(format!("{namespace}.secrets"));
        let mut content = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut content);
        fs::write(&path, content.to_string()).unwrap();
    }

    fn error(&self, namespace: &str, of_name: &str) -> StoreError {
        of(&self.store, namespace).get(&name(of_name)).unwrap_err()
    }
}

/// The bytes of all files below a folder, one after the other.
pub(crate) fn everything_below(folder: &Path) -> Vec<u8> {
    let files = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = files.filter(|file| file.file_type().is_file());
    files
        .flat_map(|file| fs::read(file.path()).unwrap())
        .collect()
}

pub(crate) fn has(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_value_comes_back_and_is_nowhere_on_the_disk() {
    let kept = kept();
    let again = Store::open(&kept.directory()).unwrap();
    assert_eq!(value(&of(&again, "a"), "key").as_deref(), Some(VALUE));
    assert_eq!(
        value(&of(&again, "b"), "key").as_deref(),
        Some("the value of b")
    );
    assert_eq!(value(&of(&again, "b"), "other"), None);
    assert_eq!(value(&of(&again, "c"), "key"), None);
    assert_eq!(
        of(&again, "a").names().unwrap(),
        [name("key"), name("other")]
    );
    let written = everything_below(kept.folder.path());
    assert!(has(&written, "other"), "this is where it lies");
    for hidden in [
        VALUE,
        &hex::encode(VALUE),
        "another value",
        "the value of b",
    ] {
        assert!(!has(&written, hidden));
    }
}

#[test]
fn a_value_can_be_replaced_and_removed() {
    let kept = kept();
    let a = of(&kept.store, "a");
    a.set(&name("key"), &secret("new")).unwrap();
    assert_eq!(value(&a, "key").as_deref(), Some("new"));
    assert!(a.remove(&name("key")).unwrap());
    assert!(!a.remove(&name("key")).unwrap());
    assert_eq!(a.names().unwrap(), [name("other")]);
    kept.store.remove_all(&"a".parse().unwrap()).unwrap();
    assert_eq!(a.names().unwrap(), []);
    assert_eq!(
        value(&of(&kept.store, "b"), "key").as_deref(),
        Some("the value of b")
    );
}

#[test]
fn the_same_value_is_never_written_the_same_way() {
    let kept = kept();
    let entry = || everything_below(&kept.directory());
    let before = entry();
    of(&kept.store, "a")
        .set(&name("key"), &secret(VALUE))
        .unwrap();
    assert_ne!(before, entry());
}

#[test]
fn only_the_owner_may_look() {
    let kept = kept();
    let directory = kept.directory();
    assert_eq!(mode(&directory), 0o700);
    for file in ["key", "a.secrets", "b.secrets"] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
    let key = directory.join("key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        kept.error("a", "key"),
        StoreError::Open { mode: 0o640, .. }
    ));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Store::open(&directory).unwrap_err().to_string();
    assert!(error.contains("run `chmod 700"), "{error}");
}

#[test]
fn another_key_opens_nothing() {
    let kept = kept();
    let key = kept.directory().join("key");
    fs::write(&key, [7; 32]).unwrap();
    assert!(matches!(kept.error("a", "key"), StoreError::Foreign { .. }));
    for no_key in [&[7; 31][..], &[7; 33], &[]] {
        fs::write(&key, no_key).unwrap();
        assert!(matches!(kept.error("a", "key"), StoreError::BadKey { .. }));
    }
}

#[test]
fn a_lost_key_is_not_made_anew_while_there_are_values() {
    let kept = kept();
    fs::remove_file(kept.directory().join("key")).unwrap();
    assert!(matches!(kept.error("a", "key"), StoreError::NoKey { .. }));
    // Not even by a namespace that has none: the values of others would be lost.
    for namespace in ["a", "c"] {
        let set = of(&kept.store, namespace).set(&name("key"), &secret("x"));
        assert!(matches!(set.unwrap_err(), StoreError::NoKey { .. }));
    }
    assert!(of(&kept.store, "a").names().is_ok());
}

#[test]
fn an_entry_under_another_name_or_in_another_namespace_is_an_error() {
    let kept = kept();
    let mut stolen = serde_json::Value::Null;
    kept.change("a", |content| {
        stolen = content["secrets"]["key"].clone();
        content["secrets"]["other"] = stolen.clone();
    });
    assert!(matches!(
        kept.error("a", "other"),
        StoreError::Foreign { .. }
    ));
    kept.change("b", |content| content["secrets"]["key"] = stolen);
    let error = kept.error("b", "key");
    assert!(matches!(error, StoreError::Foreign { .. }));
    assert!(!error.to_string().contains(VALUE));
    assert_eq!(value(&of(&kept.store, "a"), "key").as_deref(), Some(VALUE));
}

#[test]
fn every_bit_of_an_entry_counts() {
    let kept = kept();
    let path = kept.directory().join("a.secrets");
    let content: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let entry = hex::decode(content["secrets"]["key"].as_str().unwrap()).unwrap();
    for at in 0..entry.len() {
        let mut changed = entry.clone();
        changed[at] ^= 1 << (at % 8);
        kept.change("a", |content| {
            content["secrets"]["key"] = hex::encode(&changed).into();
        });
        assert!(
            matches!(kept.error("a", "key"), StoreError::Foreign { .. }),
            "{at}"
        );
    }
    for cut in 0..entry.len() {
        kept.change("a", |content| {
            content["secrets"]["key"] = hex::encode(&entry[..cut]).into();
        });
        assert!(
            matches!(kept.error("a", "key"), StoreError::Foreign { .. }),
            "{cut}"
        );
    }
}

#[test]
fn a_file_that_is_no_store_is_an_error_and_stays() {
    let kept = kept();
    let path = kept.directory().join("a.secrets");
    let good = fs::read(&path).unwrap();
    for bad in [
        &b""[..],
        b"{}",
        b"[1]",
        b"\xff\xfe",
        br#"{"format":2,"secrets":{}}"#,
        br#"{"format":1,"secrets":{"key":"xyz"}}"#,
        br#"{"format":1,"secrets":{"../key":"00"}}"#,
        br#"{"format":1,"secrets":{},"more":1}"#,
        &good[..good.len() / 2],
    ] {
        fs::write(&path, bad).unwrap();
        let text = String::from_utf8_lossy(bad);
        assert!(
            matches!(kept.error("a", "key"), StoreError::Damaged { .. }),
            "{text}"
        );
        let set = of(&kept.store, "a").set(&name("key"), &secret("x"));
        assert!(
            matches!(set.unwrap_err(), StoreError::Damaged { .. }),
            "{text}"
        );
        assert_eq!(fs::read(&path).unwrap(), bad);
    }
}

#[test]
fn a_value_has_a_length() {
    let kept = kept();
    let set = |value: String| of(&kept.store, "a").set(&name("key"), &Secret::new(value));
    for bad in [String::new(), "x".repeat((64 << 10) + 1)] {
        assert!(matches!(set(bad).unwrap_err(), StoreError::BadValue { .. }));
    }
    set("x".repeat(64 << 10)).unwrap();
}

#[test]
fn those_who_write_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("secrets");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let directory = &directory;
            scope.spawn(move || {
                let store = Store::open(directory).unwrap();
                let own = name(&format!("of-{writer}"));
                of(&store, "a")
                    .set(&own, &secret(&format!("value {writer}")))
                    .unwrap();
            });
        }
    });
    let store = of(&Store::open(&directory).unwrap(), "a");
    for writer in 0..8 {
        let found = value(&store, &format!("of-{writer}"));
        assert_eq!(found, Some(format!("value {writer}")));
    }
}
