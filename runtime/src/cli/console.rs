//! Standard error and standard output, shared with the progress line.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::telemetry::Colors;

/// Where people are told things. Clones share one progress line, which steps aside for every other
/// line.
#[derive(Debug, Clone)]
pub(super) struct Console {
    line: ProgressBar,
    pub(super) colors: Colors,
}

impl Console {
    /// Without a progress line.
    pub(super) fn plain(colors: Colors) -> Self {
        Self {
            line: ProgressBar::hidden(),
            colors,
        }
    }

    /// With a progress line on standard error, which is a terminal.
    pub(super) fn with_progress(colors: Colors) -> Self {
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            line.set_style(style);
        }
        Self { line, colors }
    }

    /// Text on standard error, as it is. Nobody may be listening any more, which is no reason to
    /// stop.
    pub(super) fn write(&self, text: &str) {
        self.line.suspend(|| {
            let _ = io::stderr().lock().write_all(text.as_bytes());
        });
    }

    /// `error: ...` on a line of its own.
    pub(super) fn error(&self, text: &str) {
        self.write(&format!("{}: {text}\n", self.colors.paint("1;31", "error")));
    }

    /// `warning: ...` on a line of its own.
    pub(super) fn warning(&self, text: &str) {
        self.write(&format!(
            "{}: {text}\n",
            self.colors.paint("1;33", "warning")
        ));
    }

    /// Shows how far things are.
    pub(super) fn progress(&self, text: String) {
        self.line.set_message(text);
    }

    /// Takes the progress line away.
    pub(super) fn end_progress(&self) {
        self.line.finish_and_clear();
    }

    /// Standard output.
    pub(super) fn output(&self) -> Output {
        Output(self.line.clone())
    }
}

/// Standard output, from which the progress line steps aside.
#[derive(Debug)]
pub(super) struct Output(ProgressBar);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stdout().write(bytes))
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.suspend(|| io::stdout().write_all(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.suspend(|| io::stdout().flush())
    }
}

/// Writes what is logged.
#[derive(Debug)]
pub(super) struct LogLine<'a>(&'a Console);

impl Write for LogLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Console {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine(self)
    }
}
