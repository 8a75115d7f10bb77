//! Options of `cargo xtask bench`.

use std::{num::NonZeroUsize, path::PathBuf};

use super::workload::Workload;
use crate::command::Failed;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) runs: usize,
    pub(super) megabytes: u64,
    pub(super) threads: Vec<usize>,
    pub(super) workloads: Vec<Workload>,
    pub(super) output: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(arguments: &[&str]) -> Result<Self, Failed> {
        let mut options = Self {
            runs: 5,
            megabytes: 200,
            threads: vec![1, 2],
            workloads: Workload::ALL.to_vec(),
            output: None,
        };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("{option} takes a value"))?;
            let number = |text: &str| {
                let number: Result<NonZeroUsize, _> = text.parse();
                number.map_err(|_| format!("{option} takes numbers from 1 on, not {text:?}"))
            };
            match *option {
                "--runs" => options.runs = number(value)?.get(),
                "--megabytes" => options.megabytes = number(value)?.get() as u64,
                "--output" => options.output = Some(PathBuf::from(value)),
                "--threads" => {
                    let threads = value.split(',').map(|text| Ok(number(text)?.get()));
                    options.threads = threads.collect::<Result<_, String>>()?;
                }
                "--only" => {
                    let names = Workload::ALL.map(Workload::name).join(", ");
                    let workload = Workload::named(value)
                        .ok_or_else(|| format!("no workload {value:?}; there are {names}"))?;
                    options.workloads = vec![workload];
                }
                _ => return Err(Failed(format!("bench has no option {option}"))),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_bad_ones_named() {
        let options = Options::parse(&["--threads", "1,4", "--only", "identity"]).unwrap();
        assert_eq!(options.threads, [1, 4]);
        assert_eq!(options.workloads, [Workload::Identity]);
        let cases = [
            (&["--runs", "0"][..], "--runs takes numbers from 1 on"),
            (&["--runs"], "--runs takes a value"),
            (&["--only", "x"], "there are word-count"),
            (&["--speed", "1"], "no option --speed"),
        ];
        for (arguments, expected) in cases {
            let Failed(why) = Options::parse(arguments).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
