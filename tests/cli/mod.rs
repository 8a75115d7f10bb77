//! The command line, from outside: what comes out where, and the exit code.

mod bad_input;
mod checkpoint;
mod dead_letters;
mod faults;
mod foreach;
mod full_disk;
mod grants;
mod output;
mod persist;
mod replay;
mod signals;
mod sinks;
mod sources;
mod tables;
mod testing;
mod verbs;
mod versions;
mod watch;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A folder of its own, with files; gone at the end.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Names of what lies in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// `rsrt` with these arguments, started in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut rsrt = Command::new(env!("CARGO_BIN_EXE_rsrt"));
        rsrt.args(arguments)
            .current_dir(self.path())
            .env("RSRT_CACHE", cache())
            .env_remove("NO_COLOR")
            .stdin(Stdio::null());
        rsrt
    }

    pub(crate) fn rsrt(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// `rsrt run --topology topo.toml` with a plugin of `plugins/`.
    pub(crate) fn run_with(&self, plugin: &str, arguments: &[&str]) -> Ended {
        let plugin = crate::guests::plugin(plugin);
        let run = ["run", plugin.to_str().unwrap(), "-t", "topo.toml"];
        self.rsrt(&[&run[..], arguments].concat())
    }
}

/// Compiled plugins are shared by all tests of a build.
fn cache() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_rsrt"));
    program.ancestors().nth(2).unwrap().join("guests/cache")
}

/// What came of a process.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It ended with this code and said all of this on standard error, without falling over.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, words: &[&str]) -> &Self {
        for word in words {
            assert!(
                self.stderr.contains(word),
                "no {word:?} in\n{}",
                self.stderr
            );
        }
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(!self.stderr.contains(") panicked at"), "{}", self.stderr);
        self
    }

    /// What `print` put out of each batch: its rows.
    pub(crate) fn printed(&self) -> Vec<Vec<&str>> {
        let rule = "-------------------------------------------\n";
        let batches = self.stdout.split(rule).skip(2).step_by(2);
        batches
            .map(|rows| rows.lines().filter(|row| !row.is_empty()).collect())
            .collect()
    }
}

/// A topology that reads `in.txt` line by line, a line a batch, and prints what `operators` make of
/// `lines` as `result`.
pub(crate) fn lines_topology(head: &str, operators: &str, result: &str) -> String {
    format!(
        "name = \"lines\"\nbatch-interval = \"1s\"\n{head}\n\
         [source.lines]\ntype = \"file\"\npath = \"in.txt\"\nbatch-bytes = 1\npartitions = 1\n\
         {operators}\n\
         [sink.out]\ninput = \"{result}\"\ntype = \"print\"\n"
    )
}
