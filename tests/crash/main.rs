//! What `cargo xtask crash` needs besides `rsrt`: a program with a receiver of its own, and eyes for
//! tables.
//!
//! - `receive ADDRESS`: runs `topo.toml`, whose source `lines` is a receiver that acknowledges;
//! - `sqlite FILE QUERY`, `postgres URL QUERY`: rows, cells between tabs.

mod acknowledging;
mod tables;

use std::process::ExitCode;

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let _points = fail::FailScenario::setup();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["receive", address] => acknowledging::run(address),
        ["sqlite", file, query] => tables::sqlite(file, query),
        ["postgres", url, query] => tables::postgres(url, query),
        _ => Err("receive ADDRESS, sqlite FILE QUERY or postgres URL QUERY".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
