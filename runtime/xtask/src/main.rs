//! Chores of the repository: `cargo xtask demo`, `test` and `bench`.
//!
//! Plain std and next to no dependencies: it must compile in seconds on a fresh machine. It knows
//! the host only as the command `rsrt`.

mod bench;
mod command;
mod crash;
mod demo;
mod repository;
mod test;

use std::{path::PathBuf, process::ExitCode};

use command::Failed;

const HELP: &str = "\
Chores of the repository.

cargo xtask demo [FILE...]   count the most frequent words of real text
cargo xtask test             every test; those of tables against PostgreSQL if it is installed
cargo xtask test --all       also with Debian's compiler and an S3 server
cargo xtask crash            kill runs again and again; every batch is there once
    --crashes N                  how often (default 40)
    --seed N                     of when and where (default 1)
    --only FLOW                  one flow
cargo xtask bench            measure against hand-written loops
    --runs N                     of which the median counts (default 5)
    --megabytes N                of generated text (default 200)
    --threads 1,2                numbers of threads (default 1,2)
    --only WORKLOAD              one workload
    --output FILE                writes the tables there too
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["demo", files @ ..] if files.iter().all(|file| !file.starts_with('-')) => {
            demo::run(&files.iter().map(PathBuf::from).collect::<Vec<_>>())
        }
        ["test"] => test::run(test::Scope::Usual),
        ["test", "--all"] => test::run(test::Scope::All),
        ["bench", options @ ..] => bench::run(options),
        ["crash", options @ ..] => crash::run(options),
        ["native", arguments @ ..] => bench::native::run(arguments),
        ["generate", arguments @ ..] => bench::generate(arguments),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(why)) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
