//! A file of secrets, changed.

use std::fs;

use proptest::prelude::*;
use rsrt::{model::Secret, secrets::Store};

use super::{cases, changed, changes};

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_changed_store_gives_what_was_set_or_an_error(changes in changes(3), key in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("secrets");
        let store = Store::open(&directory).unwrap().of(&"mine".parse().unwrap());
        let name = "database".parse().unwrap();
        store.set(&name, &Secret::new("the value".to_owned())).unwrap();
        let file = directory.join(if key { "key" } else { "mine.secrets" });
        let before = fs::read(&file).unwrap();
        fs::write(&file, changed(before, &changes)).unwrap();
        match store.get(&name) {
            Ok(Some(value)) => prop_assert_eq!(value.expose(), "the value"),
            // The name itself was changed.
            Ok(None) => prop_assert!(!key && !store.names().unwrap().contains(&name)),
            Err(error) => prop_assert!(!error.to_string().contains("the value")),
        }
    }
}
