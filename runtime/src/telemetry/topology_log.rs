//! What was logged about one topology, for those whose it is.
//!
//! A span has the log of its topology [attached](TopologyLog::attach); whatever is logged inside of
//! that span, on whichever thread, is kept there by [`Capture`], the last lines of it.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{
    Event, Level, Span, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::Context,
    registry::{LookupSpan, SpanRef},
};
use utoipa::ToSchema;

use super::{Fields, GUEST};

/// Lines that are kept of a topology.
const MOST_LINES: usize = 2_000;
/// Bytes of their text.
const MOST_BYTES: usize = 256 << 10;
/// Bytes of one line that are kept.
const LONGEST: usize = 8 << 10;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For whoever writes the plugin.
    Debug,
    /// News.
    Info,
    /// Someone should look at it.
    Warning,
    /// Something was not done.
    Error,
}

impl LogLevel {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warning,
            Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// A function of a plugin.
    Plugin,
    /// rsrt itself.
    Host,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Counts the lines of the topology; where numbers are missing lines are lost.
    pub number: u64,
    /// When it was logged, in milliseconds since the epoch.
    pub at: i64,
    /// How much it matters.
    pub level: LogLevel,
    /// Who says it.
    pub from: Speaker,
    /// The operator that it is about, if it is about one.
    pub operator: Option<String>,
    /// The batch, in milliseconds since the epoch, if it is about one.
    pub batch: Option<i64>,
    /// The partition, if it is about one.
    pub partition: Option<u32>,
    /// What is said.
    pub message: String,
}

/// Lines in order, and how many before them are lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogLines {
    /// Lines that are lost between what was asked for and the first of these.
    pub dropped: u64,
    /// The lines.
    pub lines: Vec<LogLine>,
}

/// The last lines about one topology.
pub struct TopologyLog {
    /// Whose they are, for a log that has lines of many.
    whose: String,
    now: Box<dyn Fn() -> i64 + Send + Sync>,
    kept: Mutex<Kept>,
    /// The number of the next line; the greatest there is when no more will come.
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    bytes: usize,
    next: u64,
}

impl TopologyLog {
    /// An empty one; `now` says what time it is, in milliseconds since the epoch.
    pub fn new(whose: String, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            whose,
            now: Box::new(now),
            kept: Mutex::default(),
            news: watch::Sender::new(0),
        }
    }

    /// Keeps what is logged in this span, if the process [captures](super::start_hosting).
    pub fn attach(self: &Arc<Self>, span: &Span) {
        span.with_subscriber(|(id, dispatch)| {
            let registry = dispatch.downcast_ref::<Registry>();
            if let Some(span) = registry.and_then(|registry| registry.span(id)) {
                span.extensions_mut().insert(self.clone());
            }
        });
    }

    /// Lines from this number on that are kept, at most so many.
    pub fn from(&self, number: u64, most: usize) -> LogLines {
        let kept = self.kept();
        let first = kept.next - kept.lines.len() as u64;
        let skipped = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        LogLines {
            dropped: first.saturating_sub(number),
            lines: kept
                .lines
                .iter()
                .skip(skipped)
                .take(most)
                .cloned()
                .collect(),
        }
    }

    /// The number that the next line gets; the greatest there is when no more will come.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// The number of the oldest line that is kept.
    pub fn first(&self) -> u64 {
        let kept = self.kept();
        kept.next - kept.lines.len() as u64
    }

    /// How many lines were logged.
    pub fn count(&self) -> u64 {
        self.kept().next
    }

    /// No more will come.
    pub fn close(&self) {
        self.news.send_replace(u64::MAX);
    }

    fn push(&self, line: LogLine) {
        let mut kept = self.kept();
        let number = kept.next;
        kept.next += 1;
        kept.bytes += line.message.len();
        kept.lines.push_back(LogLine { number, ..line });
        while kept.lines.len() > MOST_LINES || kept.bytes > MOST_BYTES {
            let Some(oldest) = kept.lines.pop_front() else {
                break;
            };
            kept.bytes -= oldest.message.len();
        }
        drop(kept);
        self.news
            .send_modify(|next| *next = (*next).max(number + 1));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TopologyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopologyLog")
            .field("whose", &self.whose)
            .finish_non_exhaustive()
    }
}

/// Gives each topology's log what is logged about it.
pub(super) struct Capture;

/// The batch that a span is about.
struct OfBatch(i64);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut batch = BatchField(None);
        attributes.record(&mut batch);
        if let (Some(batch), Some(span)) = (batch.0, context.span(id)) {
            span.extensions_mut().insert(OfBatch(batch));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let (mut batch, mut log) = (None, None);
        for span in context.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            batch = batch.or(extensions.get::<OfBatch>().map(|of| of.0));
            log = extensions.get::<Arc<TopologyLog>>().cloned();
            if log.is_some() {
                break;
            }
        }
        if let Some(log) = log {
            let mut fields = Fields::default();
            event.record(&mut fields);
            log.push(line(event, fields, batch, (log.now)()));
        }
    }
}

/// Whose the lines in this span are.
pub(super) fn whose<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<String> {
    let log = span.extensions().get::<Arc<TopologyLog>>().cloned();
    log.map(|log| log.whose.clone())
}

fn line(event: &Event<'_>, mut fields: Fields, batch: Option<i64>, at: i64) -> LogLine {
    let operator = fields.take("operator").filter(|name| !name.is_empty());
    let is_of_task = operator.is_some();
    let own = fields.take("batch").and_then(|batch| batch.parse().ok());
    let partition = fields.take("partition").and_then(|at| at.parse().ok());
    let from = match event.metadata().target() {
        GUEST => Speaker::Plugin,
        _ => Speaker::Host,
    };
    let mut message = fields.text();
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST));
        message.push_str(" ...");
    }
    // A plugin that is being loaded has no task.
    let has_task = is_of_task || from == Speaker::Host;
    LogLine {
        number: 0,
        at,
        level: (*event.metadata().level()).into(),
        from,
        operator,
        batch: own.filter(|_| has_task).or(batch),
        partition: partition.filter(|_| has_task),
        message,
    }
}

struct BatchField(Option<i64>);

impl Visit for BatchField {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "batch" {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn log() -> Arc<TopologyLog> {
        Arc::new(TopologyLog::new("a/t".to_owned(), || 7))
    }

    fn captured(say: impl FnOnce()) {
        let subscriber = tracing_subscriber::registry().with(Capture);
        tracing::subscriber::with_default(subscriber, say);
    }

    #[test]
    fn a_topology_has_the_lines_of_its_span_and_no_others() {
        let (mine, theirs) = (log(), log());
        captured(|| {
            let span = tracing::info_span!("topology");
            mine.attach(&span);
            let other = tracing::info_span!("topology");
            theirs.attach(&other);
            tracing::info!("of nobody");
            other.in_scope(|| tracing::info!("of another"));
            let _inside = span.enter();
            let batch = tracing::info_span!("batch", batch = 1_000_i64).entered();
            tracing::warn!(source = %"lines", "starting again");
            tracing::info!(target: GUEST, operator = "words", batch = 2_000, partition = 3, "hi");
            drop(batch);
            tracing::info!(target: GUEST, operator = "", batch = 0, partition = 0, "loaded");
        });
        let lines = mine.from(0, 10).lines;
        assert_eq!(
            lines[0],
            LogLine {
                number: 0,
                at: 7,
                level: LogLevel::Warning,
                from: Speaker::Host,
                operator: None,
                batch: Some(1_000),
                partition: None,
                message: "starting again (source: lines)".to_owned(),
            }
        );
        assert_eq!(lines[1].operator.as_deref(), Some("words"));
        assert_eq!((lines[1].batch, lines[1].partition), (Some(2_000), Some(3)));
        assert_eq!((lines[1].from, &*lines[1].message), (Speaker::Plugin, "hi"));
        assert_eq!((lines[2].batch, lines[2].partition), (None, None));
        assert_eq!(lines.len(), 3);
        assert_eq!(theirs.from(0, 10).lines[0].message, "of another");
        assert_eq!(theirs.count(), 1);
    }

    #[test]
    fn the_last_lines_are_kept_and_what_is_lost_is_counted() {
        let log = log();
        let lines = MOST_LINES as u64;
        captured(|| {
            let span = tracing::info_span!("topology");
            log.attach(&span);
            let _inside = span.enter();
            for number in 0..lines + 5 {
                tracing::info!("line {number}");
            }
        });
        let found = log.from(3, 2);
        assert_eq!((found.dropped, found.lines.len()), (2, 2));
        assert_eq!(
            (found.lines[0].number, &*found.lines[0].message),
            (5, "line 5")
        );
        assert_eq!(log.from(lines + 5, 2), LogLines::default());
        assert_eq!(*log.news().borrow(), lines + 5);
        captured(|| {
            let span = tracing::info_span!("topology");
            log.attach(&span);
            let _inside = span.enter();
            let long = "\u{e4}".repeat(LONGEST);
            for _ in 0..MOST_BYTES / LONGEST + 5 {
                tracing::info!("{long}");
            }
        });
        let bytes: usize = log
            .from(0, MOST_LINES)
            .lines
            .iter()
            .map(|l| l.message.len())
            .sum();
        assert!(bytes > MOST_BYTES / 2 && bytes <= MOST_BYTES, "{bytes}");
        log.close();
        assert_eq!(*log.news().borrow(), u64::MAX);
    }
}
