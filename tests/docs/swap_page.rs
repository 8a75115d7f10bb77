//! The walk through a swap is walked: its commands say what the page says.

use std::{fs, io::Write as _, net::TcpListener};

use super::root;
use crate::{guests, serve::Served};

/// How often a command is asked again until it says what the page says.
const ASKED: usize = 1_000;

/// A step of the page.
#[derive(Debug)]
enum Step {
    /// A line that is typed.
    Typed(String),
    /// A command, and lines of what it says.
    Command(Vec<String>, Vec<String>),
}

fn steps(page: &str) -> Vec<Step> {
    let blocks = page.split("```").skip(1).step_by(2);
    let console = blocks.filter_map(|block| block.strip_prefix("console\n"));
    let mut steps = Vec::new();
    for line in console.flat_map(str::lines) {
        if let Some(typed) = line.strip_prefix("< ") {
            steps.push(Step::Typed(typed.to_owned()));
        } else if let Some(command) = line.strip_prefix("$ rsrt ") {
            let words = command.split(' ').map(str::to_owned).collect();
            steps.push(Step::Command(words, Vec::new()));
        } else if let Some(Step::Command(_, said)) = steps.last_mut() {
            said.push(line.to_owned());
        }
    }
    steps
}

/// Each of these lines is in the text, one after the other; `...` stands for anything.
fn says(text: &str, expected: &[String]) -> bool {
    let mut lines = text.lines();
    let fits = |line: &str, expected: &str| {
        let mut rest = line;
        expected
            .split("...")
            .all(|part| match rest.find(part.trim()) {
                Some(at) => {
                    rest = &rest[at + part.trim().len()..];
                    true
                }
                None => false,
            })
    };
    expected.iter().all(|one| lines.any(|line| fits(line, one)))
}

#[test]
fn the_walk_through_a_swap_goes_as_the_page_says() {
    let example = root().join("examples/click-sessions");
    let page = fs::read_to_string(example.join("SWAP.md")).unwrap();
    let served = Served::with_local(&["shop"], "");
    let token = served.token(&["--namespace", "shop"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for file in ["topo.toml", "visits.toml"] {
        let text = fs::read_to_string(example.join(file)).unwrap();
        // Nobody wants to wait for what is shown.
        let text = text.replace("127.0.0.1:9999", &address).replace(
            "checkpoint = \"checkpoints\"",
            "checkpoint-interval = \"1s\"\ncheckpoint = \"checkpoints\"",
        );
        served.folder.write(file, text.as_bytes());
    }
    let plugin = fs::read(guests::plugin("sessions")).unwrap();
    served.folder.write("sessions.wasm", &plugin);
    let mut clicks = None;
    let steps = steps(&page);
    assert!(steps.len() > 12, "{steps:?}");
    for step in steps {
        match step {
            Step::Typed(line) => {
                let clicks = clicks.get_or_insert_with(|| listener.accept().unwrap().0);
                writeln!(clicks, "{line}").unwrap();
            }
            Step::Command(words, expected) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let asks = matches!(words[0], "state" | "history");
                let tries = if asks { ASKED } else { 1 };
                let said = (0..tries).map(|_| served.rsrt(&token, &words));
                let mut said = said.map(|ended| ended.stdout + &ended.stderr);
                if !said.any(|text| says(&text, &expected)) {
                    let now = served.rsrt(&token, &words);
                    panic!("{words:?}: {}{}, not {expected:#?}", now.stdout, now.stderr);
                }
            }
        }
    }
}
