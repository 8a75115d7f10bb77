//! Golden cases: batches in, batches out, on a clock that stands at 0.
//!
//! [`CaseFile`] is what a person wrote, checked against a topology; [`run`](CaseRunner::run) runs a
//! case and collects what its sinks get; [`judge()`] compares, and knows nothing of how it was run.
//! Batch i (from 1) is at i times the batch interval.

mod capture;
mod case;
mod file;
mod judge;
mod run;

pub use capture::{CaptureSink, Captured};
pub use case::{Case, UnfitCase};
pub use file::{Batches, CaseEntry, CaseFile, InvalidCases};
pub use judge::{Difference, Got, Verdict, judge};
pub use run::CaseRunner;
