//! A server, and what it is asked with.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, time::Duration};

use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::Remote;
use crate::{
    cli::{Environment, Failure},
    server::{Me, ProblemBody},
};

/// Longer than servers take by default.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Longer than servers are silent while they send lines.
const SILENCE: Duration = Duration::from_mins(1);

/// `~/.config/rsrt/config.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ConfigFile {
    /// The context that is used if none is named.
    context: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Context>,
}

/// A server that has a name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Context {
    server: Option<String>,
    token: Option<String>,
    /// A certificate (PEM) that is trusted besides the system's.
    certificate: Option<PathBuf>,
}

/// Asks a server for what is in one namespace.
pub(super) struct Client {
    runtime: Runtime,
    http: reqwest::Client,
    server: String,
    token: String,
    namespace: String,
    topologies: String,
}

impl Client {
    pub(super) fn new(remote: &Remote, environment: &Environment) -> Result<Self, Failure> {
        let mut client = Self::of_server(remote, environment)?;
        let namespace = match &remote.namespace {
            Some(namespace) => namespace.to_string(),
            None => client.own_namespace()?,
        };
        client.namespace = format!("/v1/namespaces/{namespace}");
        client.topologies = format!("{}/topologies", client.namespace);
        Ok(client)
    }

    /// One that asks for what is in no namespace.
    pub(super) fn of_server(remote: &Remote, environment: &Environment) -> Result<Self, Failure> {
        let context = context(remote, environment)?;
        let given = &environment.remote;
        let server = remote
            .server
            .clone()
            .or(given.server.clone())
            .or(context.server);
        let server = server.ok_or_else(|| {
            Failure::input("no server is given")
                .hint("set RSRT_SERVER, or --server, or a context in ~/.config/rsrt/config.toml")
        })?;
        let token = given.token.clone().or(context.token).ok_or_else(|| {
            Failure::input("no token is given")
                .hint("set RSRT_TOKEN, or a context in ~/.config/rsrt/config.toml; `rsrt token new` makes one")
        })?;
        let mut http = reqwest::Client::builder().connect_timeout(TIMEOUT);
        if let Some(path) = given.certificate.clone().or(context.certificate) {
            let bad = |why: &dyn std::fmt::Display| {
                Failure::input(format!(
                    "cannot use the certificate {}: {why}",
                    path.display()
                ))
            };
            let pem = fs::read(&path).map_err(|error| bad(&error))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| bad(&error))?;
            http = http.tls_certs_merge(certificates);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::run(format!("no thread for requests: {error}")))?;
        Ok(Self {
            runtime,
            http: http.build().map_err(Failure::run)?,
            server: server.trim_end_matches('/').to_owned(),
            token,
            namespace: String::new(),
            topologies: String::new(),
        })
    }

    fn own_namespace(&self) -> Result<String, Failure> {
        let me: Me = parsed(&self.ask(Method::GET, "/v1/me", None)?)?;
        me.namespace.ok_or_else(|| {
            Failure::input("an administrator's token has no namespace of its own")
                .hint("say which: --namespace NAME")
        })
    }

    /// What lies beside the topologies of the namespace.
    pub(super) fn get_beside<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.get_at(&format!("{}{path}", self.namespace))
    }

    /// What lies anywhere.
    pub(super) fn get_at<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        parsed(&self.ask(Method::GET, path, None)?)
    }

    /// Waits.
    pub(super) fn pause(&self, time: Duration) {
        self.runtime
            .block_on(async { tokio::time::sleep(time).await });
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        parsed(&self.ask(Method::GET, &format!("{}{path}", self.topologies), None)?)
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        parsed(&self.ask(Method::POST, &format!("{}{path}", self.topologies), body)?)
    }

    /// Removes something of which nothing is left to say.
    pub(super) fn remove(&self, path: &str) -> Result<(), Failure> {
        self.ask(Method::DELETE, &format!("{}{path}", self.topologies), None)?;
        Ok(())
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<(), Failure> {
        self.ask(
            Method::PUT,
            &format!("{}{path}", self.namespace),
            Some(body),
        )?;
        Ok(())
    }

    pub(super) fn delete_beside(&self, path: &str) -> Result<(), Failure> {
        self.ask(Method::DELETE, &format!("{}{path}", self.namespace), None)?;
        Ok(())
    }

    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        parsed(&self.ask(Method::DELETE, &format!("{}{path}", self.topologies), None)?)
    }

    /// The body of a good answer.
    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Vec<u8>, Failure> {
        let url = format!("{}{path}", self.server);
        let mut request = self.http.request(method, &url).bearer_auth(&self.token);
        request = request.timeout(TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answered = self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        });
        let (status, bytes) = answered.map_err(|error| self.silent(&error))?;
        match status.is_success() {
            true => Ok(bytes.to_vec()),
            false => Err(refused(status, &bytes)),
        }
    }

    /// The lines of an answer as they come, until there are no more or `line` answers with false.
    pub(super) fn lines(
        &self,
        path: &str,
        mut line: impl FnMut(&str) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let url = format!("{}{}{path}", self.server, self.topologies);
        let silent = |error: reqwest::Error| self.silent(&error);
        self.runtime.block_on(async {
            let asked = self.http.get(&url).bearer_auth(&self.token).send();
            let mut response = asked.await.map_err(silent)?;
            let status = response.status();
            if !status.is_success() {
                return Err(refused(status, &response.bytes().await.map_err(silent)?));
            }
            let mut text = Vec::new();
            loop {
                // Servers send an empty line now and then.
                let chunk = tokio::time::timeout(SILENCE, response.chunk()).await;
                let chunk = chunk
                    .map_err(|_| Failure::run(format!("{} has fallen silent", self.server)))?;
                let Some(chunk) = chunk.map_err(silent)? else {
                    return Ok(());
                };
                text.extend_from_slice(&chunk);
                let Some(end) = text.iter().rposition(|byte| *byte == b'\n') else {
                    continue;
                };
                let rest = text.split_off(end + 1);
                for one in String::from_utf8_lossy(&text).lines() {
                    if !one.is_empty() && !line(one)? {
                        return Ok(());
                    }
                }
                text = rest;
            }
        })
    }

    fn silent(&self, error: &reqwest::Error) -> Failure {
        let mut what = format!("{} does not answer: {error}", self.server);
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let _ = write!(what, ": {cause}"); // to memory
            source = cause.source();
        }
        Failure::run(what)
    }
}

/// A path of these parts, whatever characters are in them.
pub(super) fn path(parts: &[&str]) -> Result<String, Failure> {
    let bad = || Failure::input(format!("{parts:?} make no path"));
    let mut url = Url::parse("http://server").map_err(|_| bad())?;
    url.path_segments_mut().map_err(|()| bad())?.extend(parts);
    Ok(url.path().to_owned())
}

/// A path with what is asked behind the question mark.
pub(super) fn query(path: &str, asked: &[(&str, &str)]) -> Result<String, Failure> {
    let url = Url::parse_with_params(&format!("http://server{path}"), asked);
    let url = url.map_err(|error| Failure::input(format!("{asked:?} cannot be asked: {error}")))?;
    Ok(format!(
        "{}?{}",
        url.path(),
        url.query().unwrap_or_default()
    ))
}

fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let problem: ProblemBody = match serde_json::from_slice(body) {
        Ok(problem) => problem,
        Err(_) => return Failure::run(format!("the server answers with {status}")),
    };
    match problem.report {
        Some(report) => Failure::Report(report),
        None if status.is_client_error() => Failure::input(problem.error),
        None => Failure::run(problem.error),
    }
}

pub(super) fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::run(format!(
            "the server's answer is not understood: {error}; is it another version?"
        ))
    })
}

/// There is a server that could be asked. Whether what is said of it is right shows when it is.
pub(super) fn is_known(remote: &Remote, environment: &Environment) -> bool {
    let given = remote.server.is_some() || environment.remote.server.is_some();
    given || context(remote, environment).map_or(true, |context| context.server.is_some())
}

/// The context that is asked for, or the one that the file says; an empty one without a file.
fn context(remote: &Remote, environment: &Environment) -> Result<Context, Failure> {
    let read = environment
        .remote
        .config
        .as_ref()
        .map(|path| (path, fs::read_to_string(path)));
    let file = match read {
        Some((path, Ok(text))) => toml::from_str::<ConfigFile>(&text)
            .map_err(|error| Failure::input(format!("{}: {error}", path.display())))?,
        Some((path, Err(error))) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::input(format!(
                "cannot read {}: {error}",
                path.display()
            )));
        }
        _ => ConfigFile::default(),
    };
    let Some(name) = remote.context.as_ref().or(file.context.as_ref()) else {
        return Ok(Context::default());
    };
    file.contexts.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = file.contexts.keys().map(String::as_str).collect();
        Failure::input(format!("there is no context {name:?}"))
            .hint(format!("there are: {}", known.join(", ")))
    })
}
