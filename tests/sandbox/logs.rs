//! What guests log.

use std::sync::{Arc, Mutex};

use rsrt::plugin::{InstanceLimits, Preempt, Tick, Unhurried};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use super::{FAULTY, call, instance, instance_for, limits};

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

/// Keeps whose lines they are.
#[derive(Clone, Default)]
struct Speakers(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Speakers {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut self.clone());
    }
}

impl Visit for Speakers {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "operator" {
            self.0.lock().unwrap().push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

struct InShadow;

impl Preempt for InShadow {
    fn tick(&self) -> Tick {
        Tick::Continue
    }

    fn is_shadow(&self) -> bool {
        true
    }
}

#[test]
fn what_a_shadow_says_is_told_apart() {
    let alone: Arc<dyn Preempt> = Arc::new(Unhurried);
    for (preempt, expected) in [
        (alone, "operator"),
        (Arc::new(InShadow), "operator (shadow)"),
    ] {
        let speakers = Speakers::default();
        let subscriber = tracing_subscriber::registry().with(speakers.clone());
        tracing::subscriber::with_default(subscriber, || {
            let limits = InstanceLimits {
                log_lines: 2,
                ..limits()
            };
            let mut called = instance_for(&FAULTY, &limits, preempt).unwrap();
            call(&mut called, &FAULTY, "floods-the-log", &["a"]).unwrap();
        });
        // Two lines, and that more were dropped.
        assert_eq!(*speakers.0.lock().unwrap(), [expected; 3]);
    }
}
