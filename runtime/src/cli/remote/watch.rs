//! `rsrt status --watch`: again and again what topologies do.

use std::{io::IsTerminal as _, process::ExitCode, time::Duration};

use serde_json::json;

use super::{Client, StatusOf, table};
use crate::{
    cli::{
        Failure,
        output::{self, Format},
    },
    hosting::Status,
};

const EVERY: Duration = Duration::from_secs(1);

/// Moves to the first place and clears all that is there.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows what changes until nobody reads it any more.
pub(super) fn watch(arguments: &StatusOf, client: &Client) -> Result<ExitCode, Failure> {
    let is_terminal = std::io::stdout().is_terminal();
    let mut before = None;
    loop {
        let now = match &arguments.name {
            Some(name) => vec![client.get::<Status>(&format!("/{name}"))?],
            None => client.get("")?,
        };
        if before.as_ref() != Some(&now) {
            let text = match (arguments.remote.format, arguments.name.is_some()) {
                (Format::Json, true) => format!("{}\n", json!(now[0])),
                (Format::Json, false) => format!("{}\n", json!(now)),
                (Format::Text, true) => table::one(&now[0]),
                (Format::Text, false) => table::list(&now),
            };
            let clear = match arguments.remote.format {
                Format::Text if is_terminal => CLEAR,
                Format::Text | Format::Json => "",
            };
            if !output::goes_on(&format!("{clear}{text}"))? {
                return Ok(ExitCode::SUCCESS);
            }
            before = Some(now);
        }
        client.pause(EVERY);
    }
}
