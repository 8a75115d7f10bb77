//! Running a tool to its end and keeping what it said.

use std::process::{Command, Stdio};

/// A tool did not do its work; reads as a sentence, with the tool's own words behind it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    #[error("`{program}` could not be started: {reason}")]
    NotStarted { program: String, reason: String },
    #[error("`{command}` failed ({status}):\n{output}")]
    Failed {
        command: String,
        status: String,
        output: String,
    },
}

/// Standard output of a command that ended well.
pub(super) fn output_of(command: &mut Command) -> Result<Vec<u8>, CommandError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| CommandError::NotStarted {
                program,
                reason: error.to_string(),
            })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(CommandError::Failed {
        command: line(command),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned(),
    })
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_tells_its_own_words() {
        let error = output_of(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c echo why >&2; exit 3` failed (exit status: 3):\nwhy"
        );
        let error = output_of(&mut Command::new("/no/such/tool")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`/no/such/tool` could not be started: ")
        );
    }
}
