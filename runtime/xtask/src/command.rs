//! Running commands: shown as one would type them, output passed through.

use std::{
    fmt,
    process::{Command, Stdio},
};

/// A chore could not be done, and why.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl<E: fmt::Display> From<E> for Failed {
    fn from(why: E) -> Self {
        Self(why.to_string())
    }
}

/// Shows the command on standard error and runs it there: standard output is not touched.
pub(crate) fn execute(command: &mut Command) -> Result<(), Failed> {
    execute_to(command.stdout(Stdio::from(std::io::stderr())))
}

/// As [`execute`], but the command's standard output is wherever the caller put it.
pub(crate) fn execute_to(command: &mut Command) -> Result<(), Failed> {
    let line = line(command);
    eprintln!("+ {line}");
    let status = command
        .status()
        .map_err(|error| Failed(format!("`{line}` could not be started: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed(format!("`{line}` failed ({status})")))
    }
}

/// Whether a tool is there.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}
