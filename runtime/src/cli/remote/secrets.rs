//! Secrets of a namespace, on a server.

use std::process::ExitCode;

use serde_json::json;

use super::{Remote, answer, client::Client};
use crate::{
    cli::{Environment, Failure},
    model::{Secret, SecretName},
    server::SecretEntry,
};

pub(in crate::cli) fn set(
    remote: &Remote,
    environment: &Environment,
    name: &SecretName,
    value: &Secret,
) -> Result<ExitCode, Failure> {
    let client = Client::new(remote, environment)?;
    let body = json!({ "value": value.expose() });
    client.put(&format!("/secrets/{name}"), &body)?;
    answer(remote.format, &json!({ "set": name.as_str() }), || {
        format!("{name} is set; topologies have it when they start next\n")
    })
}

pub(in crate::cli) fn list(
    remote: &Remote,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let client = Client::new(remote, environment)?;
    let all: Vec<SecretEntry> = client.get_beside("/secrets")?;
    answer(remote.format, &json!(all), || {
        let lines = all.iter().flat_map(|secret| [secret.name.as_str(), "\n"]);
        lines.collect()
    })
}

pub(in crate::cli) fn remove(
    remote: &Remote,
    environment: &Environment,
    name: &SecretName,
) -> Result<ExitCode, Failure> {
    let client = Client::new(remote, environment)?;
    client.delete_beside(&format!("/secrets/{name}"))?;
    answer(remote.format, &json!({ "removed": name.as_str() }), || {
        format!("{name} is forgotten\n")
    })
}
