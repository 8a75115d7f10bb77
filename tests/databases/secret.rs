//! A URL that is a secret.

use std::num::NonZeroUsize;

use rsrt::{
    model::{Secret, SecretError, SecretName, SecretSource},
    sink::open_sink,
    stream::Plugins,
    topology::{Defaults, SecretsOf, compile},
};
use serde_json::json;

use super::{AT, counts, server::Database};

struct Url(String);

impl SecretSource for Url {
    fn secret(&self, _: &SecretName) -> Result<Option<Secret>, SecretError> {
        Ok(Some(Secret::new(self.0.clone())))
    }

    fn advice(&self, name: &SecretName) -> String {
        format!("give {name}")
    }
}

const TOPOLOGY: &str = r#"
name = "a"
batch-interval = "1s"
[source.in]
type = "queue"
schema = { key = "utf8?", value = "int64?" }
[sink.out]
input = "in"
type = "postgres"
table = "words"
url = { secret = "database" }
"#;

/// Writes a batch to the database of this URL.
fn write(url: &str) -> Result<(), String> {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "".into(),
        needs_checkpoint: true,
    };
    let topology = compile("a.toml", TOPOLOGY, &Plugins::default(), &defaults).unwrap();
    let filled = topology.with_secrets(&Url(url.to_owned()), SecretsOf::Everything);
    let topology = filled.unwrap();
    let mut sink = open_sink(&topology.sinks[0], &topology, &[], None);
    let batch = counts(&[json!([["a", 1]])]);
    sink.write(AT, &batch).map_err(|error| error.to_string())
}

#[test]
fn what_the_server_says_is_shown_without_it() {
    let Some(database) = Database::new() else {
        return;
    };
    write(&database.url()).unwrap();
    assert_eq!(database.count("words"), 1);
    // The server repeats the names of users and databases that it does not know.
    for (user, base) in [("postgres", "zq7database"), ("zq7user", "zq7database")] {
        let url = database.url_of(user);
        let (head, _) = url.rsplit_once('/').unwrap();
        let error = write(&format!("{head}/{base}")).unwrap_err();
        assert!(error.contains("secret:database"), "{error}");
        assert!(error.contains("[secret]"), "{error}");
        assert!(!error.contains("zq7"), "{error}");
    }
}
