//! What the documentation says is so: its topologies are right, its links lead somewhere, and the
//! commands it names are there.

use std::{
    collections::BTreeSet,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
};

use rsrt::topology::{Defaults, compile};

use crate::guests;

/// Streams that fragments read from without defining them, each with its table.
const GIVEN: [(&str, &str); 6] = [
    (
        "lines",
        "[source.lines]\ntype = \"file\"\npath = \"in.txt\"",
    ),
    (
        "more-lines",
        "[source.more-lines]\ntype = \"file\"\npath = \"more.txt\"",
    ),
    (
        "words",
        "[operator.words]\ninput = \"lines\"\nflat-map = \"split\"",
    ),
    (
        "counts",
        "[operator.counts]\ninput = \"words\"\nreduce-by-key = \"std:sum\"",
    ),
    (
        "numbers",
        "[source.numbers]\ntype = \"queue\"\nschema = \"int64\"",
    ),
    (
        "clicks",
        "[source.clicks]\ntype = \"queue\"\nschema = { user = \"utf8\", amount = \"float64?\" }",
    ),
];

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// A Markdown file of the repository.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    /// All of them, but not the one that `rsrt new` writes elsewhere.
    fn all() -> Vec<Self> {
        let ignored = ["target", ".git", "template"];
        let files = walkdir::WalkDir::new(root()).into_iter();
        let files = files
            .filter_entry(|e| !ignored.iter().any(|name| e.file_name() == *name))
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.extension().is_some_and(|e| e == "md"));
        let pages: Vec<_> = files.map(Self::read).collect();
        assert!(pages.len() > 5);
        pages
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        Self { path, text }
    }

    fn name(&self) -> String {
        self.path
            .strip_prefix(root())
            .unwrap()
            .display()
            .to_string()
    }

    /// Fenced blocks with this info string: the line on which each starts, and its text.
    fn blocks(&self, info: &str) -> Vec<(usize, String)> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(found) = line.strip_prefix("```") else {
                continue;
            };
            let block = lines.by_ref().take_while(|(_, line)| *line != "```");
            let block: Vec<_> = block.map(|(_, line)| line).collect();
            let block = block.join("\n");
            if found == info {
                blocks.push((number + 1, block));
            }
        }
        blocks
    }

    /// The text outside of fenced blocks.
    fn prose(&self) -> String {
        let mut fenced = false;
        let lines = self.text.lines().filter(|line| {
            let fence = line.starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What a link can lead to in this page.
    fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let titles = prose.lines().filter(|line| line.starts_with('#'));
        titles
            .map(|title| {
                let title = title.trim_start_matches('#').trim().to_lowercase();
                let kept = title
                    .chars()
                    .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                kept.collect::<String>().replace(' ', "-")
            })
            .collect()
    }

    fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let after = prose.split("](").skip(1);
        after
            .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
            .collect()
    }

    /// Commands: in indented blocks and between backticks.
    fn commands(&self) -> String {
        let prose = self.prose();
        let indented = prose.lines().filter_map(|line| line.strip_prefix("    "));
        let inline = prose.split('`').skip(1).step_by(2);
        let commands = indented.chain(inline).map(|text| text.replace('\n', " "));
        commands.map(|command| command + "\n").collect()
    }
}

/// The word after each `before` at which a command can start.
fn words_after(commands: &str, before: &str) -> BTreeSet<String> {
    let words = commands.split(before).skip(1).filter_map(|rest| {
        let word: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
        (!word.is_empty()).then_some(word)
    });
    words.collect()
}

fn problems_of(text: &str) -> Vec<String> {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: root(),
        needs_checkpoint: true,
    };
    match compile("topo.toml", text, guests::catalog(), &defaults) {
        Ok(_) => Vec::new(),
        Err(invalid) => {
            let problems = invalid.problems().iter();
            problems.map(|problem| problem.kind.to_string()).collect()
        }
    }
}

#[test]
fn every_topology_in_the_documentation_is_right() {
    let mut found = 0;
    for page in Page::all() {
        for (line, text) in page.blocks("toml") {
            found += 1;
            assert_eq!(
                problems_of(&text),
                [""; 0],
                "{}:{line}\n{text}",
                page.name()
            );
        }
    }
    assert!(found >= 3, "{found} topologies");
}

#[test]
fn every_part_of_a_topology_in_the_documentation_is_right() {
    let mut found = 0;
    for page in Page::all() {
        for (line, part) in page.blocks("toml fragment") {
            found += 1;
            let mut text = "name = \"a\"\nbatch-interval = \"1s\"\ncheckpoint = \"c\"\n\
                [plugin.text]\npath = \"text.wasm\"\n"
                .to_owned();
            for (name, table) in GIVEN {
                let defines = |kind: &str| part.contains(&format!("[{kind}.{name}]"));
                if !defines("source") && !defines("operator") {
                    text = format!("{text}{table}\n");
                }
            }
            text = format!("{text}{part}\n[sink.any]\ninput = \"lines\"\ntype = \"null\"\n");
            assert_eq!(
                problems_of(&text),
                [""; 0],
                "{}:{line}\n{text}",
                page.name()
            );
        }
    }
    assert!(found > 10, "{found} parts");
}

#[test]
fn every_link_leads_somewhere() {
    for page in Page::all() {
        for link in page.links() {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = match link.split_once('#') {
                Some((file, anchor)) => (file, Some(anchor)),
                None => (link.as_str(), None),
            };
            let target = match file {
                "" => page.path.clone(),
                _ => page.path.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: {link}", page.name());
            if let Some(anchor) = anchor {
                let anchors = Page::read(target).anchors();
                assert!(
                    anchors.contains(anchor),
                    "{}: {link} {anchors:?}",
                    page.name()
                );
            }
        }
    }
}

#[test]
fn every_command_in_the_documentation_is_there() {
    let commands: String = Page::all().iter().map(Page::commands).collect();
    let program = env!("CARGO_BIN_EXE_rsrt");
    let subcommands = words_after(&commands, "rsrt ");
    for expected in ["run", "test", "check", "inspect", "new", "build"] {
        assert!(
            subcommands.contains(expected),
            "no page names `rsrt {expected}`"
        );
    }
    for subcommand in subcommands {
        let help = Command::new(program).args([&subcommand, "--help"]).output();
        assert!(help.unwrap().status.success(), "rsrt {subcommand}");
    }
    let xtask = include_str!("../runtime/xtask/src/main.rs");
    let chores = words_after(&commands, "cargo xtask ");
    assert!(
        chores.contains("demo") && chores.contains("test"),
        "{chores:?}"
    );
    for chore in chores {
        let named = format!("cargo xtask {chore} ");
        assert!(xtask.contains(&named), "cargo xtask {chore}");
    }
}
