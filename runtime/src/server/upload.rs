//! What is uploaded to be deployed.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{api::Answer, problem::Problem};
use crate::hosting::{Upload, UploadedFile};

/// What is to be deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// What the topology's file is called, for messages.
    #[serde(default = "topo_toml")]
    pub file: String,
    /// The topology's text.
    pub topology: String,
    /// The plugins that it calls.
    #[serde(default)]
    pub plugins: Vec<PluginFile>,
    /// The files that it reads.
    #[serde(default)]
    pub files: Vec<DataFile>,
}

/// A plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginFile {
    /// What the topology calls it; none for the default plugin.
    #[serde(default)]
    pub name: Option<String>,
    /// Its bytes, in base64.
    pub bytes: String,
    /// BLAKE3 of its bytes, in hexadecimal digits; if it is given, it must be right.
    #[serde(default)]
    pub digest: Option<String>,
}

/// A file that a topology reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// As the topology names it: below its directory, names joined by `/`.
    pub path: String,
    /// Its bytes, in base64.
    pub bytes: String,
    /// BLAKE3 of its bytes, in hexadecimal digits; if it is given, it must be right.
    #[serde(default)]
    pub digest: Option<String>,
}

pub(super) fn topo_toml() -> String {
    "topo.toml".to_owned()
}

/// What a body says is to be deployed.
pub(super) fn read(body: &[u8]) -> Answer<Upload> {
    let deploy: Deploy = serde_json::from_slice(body)
        .map_err(|error| wrong(format!("the body is not what is deployed: {error}")))?;
    Ok(Upload {
        file: deploy.file,
        text: deploy.topology,
        plugins: plugins(deploy.plugins)?,
        files: files(deploy.files)?,
    })
}

/// Plugins with their bytes, by alias.
pub(super) fn plugins(plugins: Vec<PluginFile>) -> Answer<Vec<(Option<String>, Vec<u8>)>> {
    let plugins = plugins.into_iter().map(|plugin| {
        let name = plugin.name.as_deref().unwrap_or("the default");
        let bytes = bytes(&format!("plugin {name}"), &plugin.bytes, plugin.digest)?;
        Ok((plugin.name, bytes))
    });
    plugins.collect()
}

/// Files with their bytes.
pub(super) fn files(files: Vec<DataFile>) -> Answer<Vec<UploadedFile>> {
    let files = files.into_iter().map(|file| {
        let what = format!("file {}", file.path.escape_debug());
        let bytes = bytes(&what, &file.bytes, file.digest)?;
        let path = file.path;
        Ok(UploadedFile { path, bytes })
    });
    files.collect()
}

fn bytes(what: &str, base64: &str, digest: Option<String>) -> Answer<Vec<u8>> {
    let bytes = BASE64_STANDARD
        .decode(base64)
        .map_err(|error| wrong(format!("the bytes of {what} are no base64: {error}")))?;
    match digest {
        Some(digest) if digest != blake3::hash(&bytes).to_hex().as_str() => Err(wrong(format!(
            "the bytes of {what} are not those of its digest: they were changed on the way"
        ))),
        _ => Ok(bytes),
    }
}

pub(super) fn wrong(what: String) -> Problem {
    Problem::new(axum::http::StatusCode::BAD_REQUEST, what)
}
