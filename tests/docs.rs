//! What the documentation says is so: its topologies are right, its links lead somewhere, and the
//! commands it names are there.

mod cases;
mod promises;
mod swap_page;

use std::{
    collections::BTreeSet,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use rsrt::topology::{Defaults, Problem, compile};

use crate::guests;

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// What lies between two fences.
struct Block {
    /// Of the first fence.
    line: usize,
    /// Of the second.
    end: usize,
    info: String,
    text: String,
}

impl Block {
    /// The file that it is, if its info string ends with the name of one.
    fn file(&self) -> Option<&str> {
        let (_, name) = self.info.split_once(' ')?;
        name.contains('.').then_some(name)
    }
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

    /// Fenced blocks, in order.
    fn fenced(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = (1..).zip(self.text.lines());
        while let Some((line, text)) = lines.next() {
            let Some(info) = text.strip_prefix("```") else {
                continue;
            };
            let inside = lines.by_ref().take_while(|(_, line)| *line != "```");
            let inside: Vec<_> = inside.map(|(_, line)| line).collect();
            blocks.push(Block {
                line,
                end: line + inside.len() + 1,
                info: info.to_owned(),
                text: inside.join("\n"),
            });
        }
        blocks
    }

    /// Fenced blocks with this info string: the line on which each starts, and its text.
    fn blocks(&self, info: &str) -> Vec<(usize, String)> {
        let blocks = self.fenced().into_iter().filter(|block| block.info == info);
        blocks.map(|block| (block.line, block.text)).collect()
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
        let is_of_word = |c: &char| c.is_ascii_lowercase() || *c == '-';
        let word: String = rest.chars().take_while(is_of_word).collect();
        // What begins with a dash is a flag.
        word.starts_with(|c| c != '-').then_some(word)
    });
    words.collect()
}

/// The tables of the streams that parts may read from without defining them.
fn given() -> &'static [String] {
    static GIVEN: LazyLock<Vec<String>> = LazyLock::new(|| {
        let page = Page::read(root().join("runtime/TOPOLOGY.md"));
        let blocks = page.blocks("toml given");
        assert_eq!(blocks.len(), 1, "blocks of given streams");
        let tables = blocks[0].1.split("\n\n");
        tables.map(str::to_owned).collect()
    });
    &GIVEN
}

/// A topology with this part: what it reads from is added, and a sink for each of its operators.
fn whole(part: &str) -> String {
    let mut text = "name = \"a\"\nbatch-interval = \"1s\"\ncheckpoint = \"c\"\n\
        on-failed-batch = \"continue\"\n[plugin.text]\npath = \"text.wasm\"\n\
        [sink.any]\ninput = \"lines\"\ntype = \"null\"\n"
        .to_owned();
    let own: Vec<_> = part.lines().filter_map(defined).collect();
    for table in given() {
        let (_, name) = table.lines().find_map(defined).unwrap();
        if !own.iter().any(|(_, other)| *other == name) {
            text = format!("{text}{table}\n");
        }
    }
    text = format!("{text}{part}\n");
    for (kind, name) in own {
        if kind == "operator" {
            text = format!("{text}[sink.{name}-out]\ninput = \"{name}\"\ntype = \"null\"\n");
        }
    }
    text
}

/// The kind and the name of what a table defines, if this is its first line.
fn defined(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('[')?.strip_suffix(']')?.split_once('.')
}

fn problems_in(text: &str) -> Vec<Problem> {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: root(),
        needs_checkpoint: true,
    };
    match compile("topo.toml", text, guests::catalog(), &defaults) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid.problems().to_vec(),
    }
}

fn problems_of(text: &str) -> Vec<String> {
    let problems = problems_in(text).into_iter();
    problems.map(|problem| problem.kind.to_string()).collect()
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
            let text = whole(&part);
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
