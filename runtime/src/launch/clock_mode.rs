//! Whether time is the wall's or the data's. Pure.

use crate::{
    scheduler::Mode,
    topology::{Source, SourceKind},
};

/// A run was to end after some batches, but a source waits for others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "--batches needs sources that do not wait for anyone, but source {name} is a {kind}; stop it with Ctrl-C instead"
)]
pub struct Waits {
    name: String,
    kind: &'static str,
}

/// Virtual if each of these sources ends by itself, or none waits and the run ends after so many
/// batches; else live.
pub(super) fn of<'a>(
    sources: impl Iterator<Item = &'a Source>,
    is_limited: bool,
) -> Result<Mode, Waits> {
    let mut mode = Mode::Virtual;
    for source in sources {
        let waits = match &source.kind {
            SourceKind::File { .. } | SourceKind::Queue { .. } => continue,
            SourceKind::Generator(spec) if spec.count.is_some() || is_limited => continue,
            SourceKind::Generator(_) => None,
            SourceKind::Socket { .. } => Some("socket"),
            SourceKind::Receiver { .. } => Some("receiver"),
            SourceKind::Directory { .. } => Some("directory"),
        };
        if let (Some(kind), true) = (waits, is_limited) {
            return Err(Waits {
                name: source.name.to_string(),
                kind,
            });
        }
        mode = Mode::Live;
    }
    Ok(mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        stream::Plugins,
        topology::{Defaults, compile},
    };

    fn mode(source: &str, is_limited: bool) -> Result<Mode, String> {
        let text = format!(
            "name = \"a\"\nbatch-interval = \"1s\"\n[source.given]\ntype = \"queue\"\nschema = \"int64\"\n\
             [source.it]\n{source}\n[sink.out]\ninput = \"it\"\ntype = \"null\"\n"
        );
        let defaults = Defaults {
            parallelism: std::num::NonZeroUsize::MIN,
            base_dir: "".into(),
            needs_checkpoint: true,
        };
        let topology = compile("a.toml", &text, &Plugins::default(), &defaults).unwrap();
        of(topology.sources.iter(), is_limited).map_err(|error| error.to_string())
    }

    #[test]
    fn time_is_virtual_when_no_source_waits_and_all_end() {
        let counted = "type = \"generator\"\nrate = 1\ncount = 5";
        let endless = "type = \"generator\"\nrate = 1";
        let file = "type = \"file\"\npath = \"a\"";
        let socket = "type = \"socket\"\naddress = \"a:1\"";
        let directory = "type = \"directory\"\npath = \"a\"";
        let cases = [
            (counted, false, Ok(Mode::Virtual)),
            (endless, false, Ok(Mode::Live)),
            (endless, true, Ok(Mode::Virtual)),
            (file, false, Ok(Mode::Virtual)),
            (socket, false, Ok(Mode::Live)),
            (directory, false, Ok(Mode::Live)),
        ];
        for (source, is_limited, expected) in cases {
            assert_eq!(mode(source, is_limited), expected, "{source}");
        }
        assert_eq!(
            mode(socket, true).unwrap_err(),
            "--batches needs sources that do not wait for anyone, but source it is a socket; stop it with Ctrl-C instead"
        );
    }
}
