//! What the log looks like: one line an event, for people, on the writer that it is given.
//!
//! `warning: the receiver starts again in 2 s (source: lines)`; a plugin's own lines say where they
//! come from: `info: operator words, batch 1000 ms, partition 0: ...`. No times: a terminal has
//! none of them, and a service manager adds its own.

mod topology_log;

use std::fmt::{self, Write as _};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

pub use topology_log::{LogLevel, LogLine, LogLines, Speaker, TopologyLog};

/// The target of lines that plugins log.
const GUEST: &str = "guest";

/// A filter that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "{filter:?} is no log filter: {reason}; write a level (error, warn, info, debug, trace) or directives such as guest=debug,rsrt=info"
)]
pub struct BadFilter {
    filter: String,
    reason: String,
}

/// What is logged.
#[derive(Debug)]
pub struct LogFilter(EnvFilter);

impl LogFilter {
    /// A level for rsrt and its plugins, all else staying at warnings; or directives.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, BadFilter> {
        let is_level = text.parse::<tracing::level_filters::LevelFilter>().is_ok();
        let directives = if is_level && !text.contains(['=', ',']) {
            format!("warn,rsrt={text},{GUEST}={text}")
        } else {
            text.to_owned()
        };
        let filter = EnvFilter::builder().parse(directives);
        filter.map(Self).map_err(|error| BadFilter {
            filter: text.to_owned(),
            reason: error.to_string(),
        })
    }
}

/// Sends what the process logs to `writer`. Only the first call in a process counts.
pub fn start<W>(filter: LogFilter, colors: Colors, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter.0)
        .with_writer(writer)
        .event_format(Lines(colors))
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// As [`start`], and gives each [`TopologyLog`] the lines about its topology: what rsrt says from
/// `info` on, and all that plugins say.
pub fn start_hosting<W>(filter: LogFilter, colors: Colors, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .event_format(Lines(colors));
    let kept = EnvFilter::new(format!("warn,rsrt=info,{GUEST}=debug"));
    let subscriber = tracing_subscriber::registry()
        .with(lines.with_filter(filter.0))
        .with(topology_log::Capture.with_filter(kept));
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// With ANSI escapes.
    On,
    /// Plain.
    Off,
}

impl Colors {
    /// `text` in this ANSI style.
    pub fn paint(self, style: &str, text: &str) -> String {
        match self {
            Colors::On => format!("\x1b[{style}m{text}\x1b[0m"),
            Colors::Off => text.to_owned(),
        }
    }
}

struct Lines(Colors);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, style) = match *event.metadata().level() {
            Level::ERROR => ("error", "1;31"),
            Level::WARN => ("warning", "1;33"),
            Level::INFO => ("info", "1;32"),
            Level::DEBUG => ("debug", "1;34"),
            Level::TRACE => ("trace", "2"),
        };
        write!(to, "{}: ", self.0.paint(style, level))?;
        let mut spans = context.event_scope().into_iter().flatten();
        if let Some(whose) = spans.find_map(|span| topology_log::whose(&span)) {
            write!(to, "{whose}: ")?;
        }
        if event.metadata().target() == GUEST {
            return writeln!(to, "{}: {}", fields.place(), fields.message);
        }
        writeln!(to, "{}", fields.text())
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    /// Where a plugin's line comes from.
    fn place(&self) -> String {
        let value = |name: &str| {
            let found = self.others.iter().find(|(field, _)| *field == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        match value("operator") {
            "" => "a plugin that is being loaded".to_owned(),
            operator => format!(
                "operator {operator}, batch {} ms, partition {}",
                value("batch"),
                value("partition")
            ),
        }
    }

    /// The message with what else is known.
    fn text(&self) -> String {
        let others = self.others.iter();
        let others = others.map(|(name, value)| format!("{name}: {value}"));
        let others: Vec<String> = others.collect();
        match others.is_empty() {
            true => self.message.clone(),
            false => format!("{} ({})", self.message, others.join(", ")),
        }
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.others.iter().position(|(field, _)| *field == name)?;
        Some(self.others.swap_remove(at).1)
    }

    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}"); // to memory
        self.add(field, text);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(LogFilter::parse(filter).unwrap().0)
            .with_writer(move || writer.clone())
            .event_format(Lines(Colors::Off))
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_says_what_and_a_plugins_line_also_where() {
        let text = logged("info", || {
            tracing::warn!(source = %"lines", why = "refused", "starting again");
            tracing::info!(target: GUEST, operator = "words", batch = 1_000, partition = 2, "hello");
            tracing::info!(target: GUEST, operator = "", batch = 0, partition = 0, "hello");
            tracing::debug!("not this");
        });
        insta::assert_snapshot!(text, @r"
        warning: starting again (source: lines, why: refused)
        info: operator words, batch 1000 ms, partition 2: hello
        info: a plugin that is being loaded: hello
        ");
    }

    #[test]
    fn directives_name_what_is_logged() {
        let text = logged("off,guest=debug", || {
            tracing::error!("not this");
            tracing::debug!(target: GUEST, operator = "a", batch = 1, partition = 0, "this");
        });
        assert_eq!(text, "debug: operator a, batch 1 ms, partition 0: this\n");
        let error = LogFilter::parse("guest=loud").unwrap_err().to_string();
        assert!(
            error.starts_with("\"guest=loud\" is no log filter"),
            "{error}"
        );
    }
}
