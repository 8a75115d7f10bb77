//! What guests log.

use std::sync::{Arc, Mutex};

use rsrt::plugin::InstanceLimits;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use super::{FAULTY, call, instance, limits};

/// Keeps lines that guests wrote, and how many were dropped.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<(Vec<String>, Vec<u64>)>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Fields {
            kept: self,
            is_guest: event.metadata().target() == "guest",
        });
    }
}

struct Fields<'a> {
    kept: &'a Kept,
    is_guest: bool,
}

impl Visit for Fields<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "dropped" {
            self.kept.0.lock().unwrap().1.push(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" && self.is_guest {
            self.kept.0.lock().unwrap().0.push(format!("{value:?}"));
        }
    }
}

/// The lines that a function logs, and how many were dropped.
fn logged(function: &str, lines: u32) -> (Vec<String>, Vec<u64>) {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::registry().with(kept.clone());
    tracing::subscriber::with_default(subscriber, || {
        let limits = InstanceLimits {
            log_lines: lines,
            output: 8 << 20,
            ..limits()
        };
        let mut called = instance(&FAULTY, &limits).unwrap();
        call(&mut called, &FAULTY, function, &["a"]).unwrap();
    });
    let kept = kept.0.lock().unwrap();
    kept.clone()
}

#[test]
fn a_flood_is_cut_and_counted() {
    let (lines, dropped) = logged("floods-the-log", 3);
    assert_eq!(lines, ["a: 0", "a: 1", "a: 2"]);
    assert_eq!(dropped, [997]);
}

#[test]
fn a_line_is_cut() {
    let (lines, dropped) = logged("logs-huge-lines", 3);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].len(), 4_000 + '…'.len_utf8());
    assert!(dropped.is_empty());
}

#[test]
fn a_line_cannot_forge_another_or_move_the_cursor() {
    let (lines, _) = logged("logs-control-characters", 3);
    assert_eq!(lines.len(), 1);
    assert!(!lines[0].contains(char::is_control), "{lines:?}");
}
