//! `cargo xtask demo`: the most frequent words of real text, from nothing but a Rust toolchain.
//!
//! Standard output carries what the topology's sink prints and nothing else.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use crate::{
    command::{Failed, execute_to},
    repository::Repository,
};

/// Text that every Debian machine has.
const LICENCES: &str = "/usr/share/common-licenses";
const TOPOLOGY: &str = "examples/word-count/topo.toml";

pub(crate) fn run(files: &[PathBuf]) -> Result<(), Failed> {
    let repository = Repository::find()?;
    let files = if files.is_empty() {
        text_at_hand(&repository)?
    } else {
        files.to_vec()
    };
    let text = joined(&repository, &files)?;

    let host = repository.release_host()?;
    let plugin = repository.build_plugin(&host, "word-count")?;

    eprintln!("\nreading {}", files_in_words(&files));
    let mut rsrt = host.command();
    rsrt.arg("run").arg(&plugin).args(["--topology", TOPOLOGY]);
    rsrt.arg("--set")
        .arg(format!("source.lines.path={}", text.display()));
    execute_to(&mut rsrt)?;

    let (program, plugin) = (shown(&host.program), shown(&plugin));
    let (program, plugin) = (program.display(), plugin.display());
    eprintln!(
        "\nWhat to try next:\
         \n  your own text:\n    cargo xtask demo FILE...\
         \n  what the plugin is and may do:\n    {program} inspect {plugin}\
         \n  words that you type, counted each second (`nc -lk 9999` in another terminal first):\
         \n    {program} run {plugin} --topology examples/network-word-count/topo.toml\
         \n  a plugin of your own:\n    {program} new my-plugin",
    );
    Ok(())
}

/// The licence texts that Debian installs, else the texts of this repository.
fn text_at_hand(repository: &Repository) -> Result<Vec<PathBuf>, Failed> {
    let licences = real_files(Path::new(LICENCES));
    if !licences.is_empty() {
        return Ok(licences);
    }
    let folders = ["", "wit", "runtime", "sdk/rust", "examples/word-count"];
    let files: Vec<_> = folders
        .iter()
        .flat_map(|folder| real_files(&repository.root.join(folder)))
        .filter(|file| file.extension().is_some_and(|e| e == "md" || e == "wit"))
        .collect();
    if files.is_empty() {
        return Err(Failed("no text was found: give a file".to_owned()));
    }
    Ok(files)
}

/// Files of a folder, sorted; not those that are only links to others of them.
fn real_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

/// One file with the text of all, each starting on a new line; a single one stays where it is.
fn joined(repository: &Repository, files: &[PathBuf]) -> Result<PathBuf, Failed> {
    if let [file] = files {
        return fs::canonicalize(file).map_err(|error| unreadable(file, &error));
    }
    let path = repository.fresh_folder("demo")?.join("text.txt");
    let mut joined = fs::File::create(&path)?;
    for file in files {
        let text = fs::read(file).map_err(|error| unreadable(file, &error))?;
        joined.write_all(&text)?;
        if !text.ends_with(b"\n") {
            joined.write_all(b"\n")?;
        }
    }
    Ok(path)
}

/// As short as it can be typed from where the user is.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_owned()
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failed {
    Failed(format!("{}: {error}", file.display()))
}

fn files_in_words(files: &[PathBuf]) -> String {
    match files {
        [file] => file.display().to_string(),
        [first, ..] => format!("{} files of text, from {} on", files.len(), first.display()),
        [] => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_joined_line_by_line_and_links_do_not_count_twice() {
        let target = std::env::temp_dir().join(format!("rsrt-xtask-{}", std::process::id()));
        let texts = target.join("texts");
        fs::create_dir_all(&texts).unwrap();
        fs::write(texts.join("b"), "two\n").unwrap();
        fs::write(texts.join("a"), "one").unwrap();
        std::os::unix::fs::symlink("a", texts.join("c")).unwrap();
        let repository = Repository {
            root: target.clone(),
            target: target.clone(),
        };

        let files = real_files(&texts);
        let text = fs::read_to_string(joined(&repository, &files).unwrap()).unwrap();

        fs::remove_dir_all(&target).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }
}
