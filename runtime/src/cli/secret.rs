//! `rsrt secret`: values that a topology names and nobody reads.

use std::{
    io::{self, IsTerminal as _, Read as _},
    path::PathBuf,
    process::ExitCode,
};

use zeroize::Zeroizing;

use super::{
    Environment, Failure, output,
    remote::{self, Remote},
    secret_values,
};
use crate::model::{Secret, SecretName};

const EXAMPLES: &str = "\
Examples:
  rsrt secret set database --secrets my.secrets < url.txt
  rsrt secret list --secrets my.secrets
  rsrt run plugin.wasm --topology topo.toml --secrets my.secrets
  rsrt secret set database < url.txt                  on the server of RSRT_SERVER or the context

A topology names a secret where a text may stand: url = { secret = \"database\" }. Values are encrypted
with the key in FILE.key, which is made for the first one; who has both files has the values.
A line end behind the value is not part of it. There is no way to show a value.";

/// Keep secrets: of a namespace on a server, or for `rsrt run --secrets`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Set a secret; the value is read from standard input, or asked for on a terminal
    Set {
        /// 1 to 63 of a-z, 0-9 and '-', starting with a letter
        name: SecretName,
        #[command(flatten)]
        store: Place,
    },
    /// The names of all secrets, one a line
    List {
        #[command(flatten)]
        store: Place,
    },
    /// Forget a secret
    Remove {
        /// As it was set
        name: SecretName,
        #[command(flatten)]
        store: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// A file of this machine, instead of a server
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "context", "namespace", "format"])]
    secrets: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Set { name, store } => {
            let value = read(name)?;
            match &store.secrets {
                None => return remote::secrets::set(&store.remote, environment, name, &value),
                Some(file) => {
                    let store = secret_values::local(file)?;
                    store.set(name, &value).map_err(Failure::input)?;
                }
            }
        }
        Action::List { store } => {
            let Some(file) = &store.secrets else {
                return remote::secrets::list(&store.remote, environment);
            };
            let store = secret_values::local(file)?;
            let names = store.names().map_err(Failure::input)?;
            let lines = names.iter().map(|name| format!("{name}\n"));
            output::answer(&lines.collect::<String>())?;
        }
        Action::Remove { name, store } => {
            let Some(file) = &store.secrets else {
                return remote::secrets::remove(&store.remote, environment, name);
            };
            let store = secret_values::local(file)?;
            if !store.remove(name).map_err(Failure::input)? {
                let file = store.path().display();
                let failure = Failure::input(format!("{file} has no secret `{name}`"));
                return Err(failure.hint("`rsrt secret list` shows those that there are"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The value, less one line end.
fn read(name: &SecretName) -> Result<Secret, Failure> {
    let failed = |error: io::Error| Failure::input(format!("the value cannot be read: {error}"));
    if io::stdin().is_terminal() {
        let typed = rpassword::prompt_password(format!("value of {name}: "));
        return Ok(Secret::new(typed.map_err(failed)?));
    }
    let mut text = Zeroizing::new(String::new());
    io::stdin().read_to_string(&mut text).map_err(failed)?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    Ok(Secret::new(value.to_owned()))
}
