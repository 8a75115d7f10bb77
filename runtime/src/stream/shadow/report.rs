//! What is known of a version that ran beside another one.

use std::{fmt, time::Duration};

use super::{DifferentRow, OperatorCost, ShadowCost};

/// Different rows that are shown.
const MOST_SHOWN: usize = 6;

/// How a version did that made the same batches as the running one, without effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShadowReport {
    /// Batches that both have made.
    pub batches: u64,
    /// Rows that sinks got from the running version.
    pub rows: u64,
    /// Rows that only one of both puts out, or puts out at another place.
    pub differing: u64,
    /// The first of these.
    pub different: Vec<DifferentRow>,
    /// What the batches cost in the running version.
    pub running: ShadowCost,
    /// And in the new one.
    pub shadow: ShadowCost,
}

impl ShadowReport {
    /// And what comes after it.
    pub(super) fn add(&mut self, more: Self) {
        self.batches += more.batches;
        self.rows += more.rows;
        self.differing += more.differing;
        for row in more.different {
            self.show(row);
        }
        self.running.add(more.running);
        self.shadow.add(more.shadow);
    }

    /// Shows a different row, if there are not enough already.
    pub(super) fn show(&mut self, row: DifferentRow) {
        if self.is_showing_more() {
            self.different.push(row);
        }
    }

    pub(super) fn is_showing_more(&self) -> bool {
        self.different.len() < MOST_SHOWN
    }
}

/// For people: a line of what was compared, one for each row that is shown, and what it cost.
impl fmt::Display for ShadowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            batches,
            rows,
            differing,
            different,
            running,
            shadow,
        } = self;
        write!(
            f,
            "shadow: {batches} batches, {rows} rows compared, {differing} differ; CPU {} (running version {})",
            Cpu(shadow.cpu),
            Cpu(running.cpu)
        )?;
        for row in different {
            write!(f, "\n  {row}")?;
        }
        let names = running.operators.keys();
        let new = shadow.operators.keys();
        let new = new.filter(|name| !running.operators.contains_key(*name));
        for name in names.chain(new) {
            let cost = |of: &ShadowCost| Cost(of.operators.get(name).copied());
            let (shadow, running) = (cost(shadow), cost(running));
            write!(
                f,
                "\n  operator {name}: {shadow} (running version {running})"
            )?;
        }
        Ok(())
    }
}

struct Cpu(Duration);

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.0.as_secs_f64() * 1e3)
    }
}

struct Cost(Option<OperatorCost>);

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cost) = self.0 else {
            return f.write_str("-");
        };
        let kib = cost.memory_peak.div_ceil(1 << 10);
        write!(f, "CPU {}, memory {kib} KiB", Cpu(cost.cpu))
    }
}
