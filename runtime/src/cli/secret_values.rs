//! Where `rsrt run` finds the values of secrets.

use std::{env, ffi::OsString, path::Path};

use super::Failure;
use crate::{
    model::{InvalidName, Namespace, Secret, SecretError, SecretName, SecretSource},
    secrets::StoreFile,
};

/// The variable of a secret: `RSRT_SECRET_` and the name in upper case, with `_` for `-`.
pub(super) fn variable(name: &SecretName) -> String {
    let name = name.as_str().to_ascii_uppercase().replace('-', "_");
    format!("RSRT_SECRET_{name}")
}

/// The store in a file of this machine.
pub(super) fn local(file: &Path) -> Result<StoreFile, Failure> {
    let namespace: Result<Namespace, InvalidName> = "local".parse();
    Ok(StoreFile::at(file, namespace.map_err(Failure::input)?))
}

/// Variables of the environment, then a store, if one was given.
pub(super) struct SecretValues {
    store: Option<StoreFile>,
    variable: fn(&str) -> Option<OsString>,
}

impl SecretValues {
    pub(super) fn new(file: Option<&Path>) -> Result<Self, Failure> {
        if let Some(file) = file.filter(|file| !file.exists()) {
            let file = file.display();
            let failure = Failure::input(format!("there are no secrets at {file}"));
            return Err(failure.hint(format!("make them: rsrt secret set NAME --secrets {file}")));
        }
        Ok(Self {
            store: file.map(local).transpose()?,
            variable: |name| env::var_os(name),
        })
    }
}

impl SecretSource for SecretValues {
    fn secret(&self, name: &SecretName) -> Result<Option<Secret>, SecretError> {
        let variable = variable(name);
        match (self.variable)(&variable).filter(|value| !value.is_empty()) {
            Some(value) => match value.into_string() {
                Ok(value) => Ok(Some(Secret::new(value))),
                Err(_) => Err(SecretError(format!("{variable} is no UTF-8"))),
            },
            None => match &self.store {
                Some(store) => store.secret(name),
                None => Ok(None),
            },
        }
    }

    fn advice(&self, name: &SecretName) -> String {
        let variable = variable(name);
        match &self.store {
            Some(store) => {
                let file = store.path().display();
                format!("set {variable}, or `rsrt secret set {name} --secrets {file}`")
            }
            None => format!(
                "set {variable}, or run with --secrets FILE after `rsrt secret set {name} --secrets FILE`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_has_a_variable_of_its_own() {
        for (name, expected) in [
            ("database", "RSRT_SECRET_DATABASE"),
            ("api-key2", "RSRT_SECRET_API_KEY2"),
        ] {
            assert_eq!(variable(&name.parse().unwrap()), expected);
        }
    }

    #[test]
    fn a_variable_comes_first_and_an_empty_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = local(&folder.path().join("s")).unwrap();
        let (a, b, c) = (
            "a".parse().unwrap(),
            "b".parse().unwrap(),
            "c".parse().unwrap(),
        );
        for name in [&a, &b] {
            store.set(name, &Secret::new("stored".into())).unwrap();
        }
        let values = SecretValues {
            store: Some(store),
            variable: |name| match name {
                "RSRT_SECRET_A" => Some("set".into()),
                _ => Some(OsString::new()),
            },
        };
        let value = |name| values.secret(name).unwrap().map(|s| s.expose().to_owned());
        assert_eq!(value(&a).as_deref(), Some("set"));
        assert_eq!(value(&b).as_deref(), Some("stored"));
        assert_eq!(value(&c), None);
    }
}
