//! Figures as a table that people read, in Markdown.

use std::{fmt::Write, time::Duration};

use super::{measure::Cost, workload::Workload};

/// One workload at one number of threads, against the hand-written loop.
pub(super) struct Throughput {
    pub(super) workload: Workload,
    pub(super) threads: usize,
    /// Read by either.
    pub(super) bytes: u64,
    pub(super) rsrt: Cost,
    pub(super) native: Cost,
}

/// What does not depend on how much data there is.
pub(super) struct Fixed {
    /// CPU time of a one-line batch.
    pub(super) batch: Duration,
    /// CPU time of one more operator of a plugin in it.
    pub(super) operator: Duration,
    /// Peak memory after so many one-line batches.
    pub(super) memory_after: Vec<(u64, u64)>,
    /// CPU time of a batch of 10,000 records through `map-with-state`, by how many keys are known.
    pub(super) touched: Vec<(u64, Duration)>,
    /// From the start of the process to its end, with one line and a cached plugin.
    pub(super) one_line: Duration,
}

pub(super) fn throughput_table(rows: &[Throughput]) -> String {
    let mut table = "\
| workload | threads | rsrt, MB per CPU-second | hand-written | ratio | rsrt, MB per second | hand-written | rsrt, peak RSS | hand-written |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
"
    .to_owned();
    for row in rows {
        let bytes = row.bytes;
        let (rsrt, native) = (rate(bytes, row.rsrt.cpu), rate(bytes, row.native.cpu));
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {rsrt:.0} | {native:.0} | {:.2} | {:.0} | {:.0} | {} | {} |",
            row.workload.title(),
            row.threads,
            rsrt / native,
            rate(bytes, row.rsrt.wall),
            rate(bytes, row.native.wall),
            megabytes(row.rsrt.peak_memory),
            megabytes(row.native.peak_memory),
        );
    }
    table
}

pub(super) fn fixed_table(fixed: &Fixed) -> String {
    let mut table = "| what does not depend on the amount of data | |\n|---|---:|\n".to_owned();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let _ = writeln!(
        table,
        "| CPU time of a one-line batch | {:.3} ms |",
        milliseconds(fixed.batch)
    );
    let _ = writeln!(
        table,
        "| CPU time of one more operator in it (instance made, called once, dropped) | {:.1} us |",
        fixed.operator.as_secs_f64() * 1e6
    );
    for (batches, memory) in &fixed.memory_after {
        let _ = writeln!(
            table,
            "| peak RSS after {batches} one-line batches | {} |",
            megabytes(*memory)
        );
    }
    for (keys, time) in &fixed.touched {
        let _ = writeln!(
            table,
            "| CPU time of 10,000 records through map-with-state, {keys} keys known | {:.2} ms |",
            milliseconds(*time)
        );
    }
    let _ = writeln!(
        table,
        "| start to end of the process, one line, cached plugin | {:.0} ms |",
        milliseconds(fixed.one_line)
    );
    table
}

fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(milliseconds: u64) -> Cost {
        Cost {
            cpu: Duration::from_millis(milliseconds),
            wall: Duration::from_millis(milliseconds / 2),
            peak_memory: 12_400_000,
        }
    }

    #[test]
    fn rates_are_megabytes_per_second_and_the_ratio_is_ours_to_theirs() {
        let row = Throughput {
            bytes: 20_000_000,
            workload: Workload::Identity,
            threads: 2,
            rsrt: cost(400),
            native: cost(100),
        };
        let table = throughput_table(&[row]);
        assert_eq!(
            table.lines().last(),
            Some("| identity | 2 | 50 | 200 | 0.25 | 100 | 400 | 12 MB | 12 MB |")
        );
    }

    #[test]
    fn fixed_costs_have_a_row_each() {
        let table = fixed_table(&Fixed {
            touched: vec![(10_000, Duration::from_millis(2))],
            batch: Duration::from_micros(321),
            operator: Duration::from_nanos(12_340),
            memory_after: vec![(1_000, 30_000_000), (100_000, 31_000_000)],
            one_line: Duration::from_millis(42),
        });
        for part in [
            "0.321 ms",
            "12.3 us",
            "after 1000 one-line batches | 30 MB",
            "| 42 ms |",
        ] {
            assert!(table.contains(part), "{part}: {table}");
        }
    }
}
