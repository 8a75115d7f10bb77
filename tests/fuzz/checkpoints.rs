//! What lies in a checkpoint, changed: the next run says that it is damaged, or gives the same rows.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use proptest::{prelude::*, sample::Index};

use super::{cases, changed, changes};
use crate::cli::{Ended, Folder};

const TOPOLOGY: &str = r#"
name = "counts"
batch-interval = "1s"
checkpoint = "kept"
checkpoint-interval = "2s"
[source.lines]
type = "file"
path = "in.txt"
batch-bytes = "1B"
[operator.seen]
input = "lines"
count-by-value-and-window = "3s"
[sink.out]
input = "seen"
type = "json-files"
path = "out/b"
"#;

const LINES: &str = "a\nb\na\nc\nb\nb\na\nd\n";

type Files = BTreeMap<String, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let all = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = all.filter(|entry| entry.file_type().is_file());
    files
        .map(|file| {
            let name = file.path().strip_prefix(folder).unwrap();
            (
                name.to_str().unwrap().to_owned(),
                fs::read(file.path()).unwrap(),
            )
        })
        .collect()
}

fn run(folder: &Folder, more: &[&str]) -> Ended {
    folder.rsrt(&[&["run", "-t", "topo.toml", "--quiet"], more].concat())
}

/// Half of the batches made: all files, those of the checkpoint by their names, and what the sink
/// has in the end. Batches are named by their times, which are those of the first half.
struct Half {
    all: Files,
    kept: Vec<String>,
    rows: Files,
}

static HALF: LazyLock<Half> = LazyLock::new(|| {
    let folder = Folder::new(&[("topo.toml", TOPOLOGY), ("in.txt", LINES)]);
    run(&folder, &["--batches", "4"]).says(0, &[]);
    let all = files(folder.path());
    let kept = all
        .keys()
        .filter(|name| name.starts_with("kept/") && !name.ends_with("lock"));
    let kept: Vec<String> = kept.cloned().collect();
    assert!(kept.iter().any(|name| name.contains("journal")), "{kept:?}");
    assert!(kept.iter().any(|name| name.contains("state")), "{kept:?}");
    run(&folder, &[]).says(0, &[]);
    let rows = files(&folder.path().join("out"));
    assert!(rows.len() >= 8);
    Half { all, kept, rows }
});

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_changed_checkpoint_gives_the_same_rows_or_an_error(
        file in any::<Index>(),
        changes in changes(2),
    ) {
        let folder = Folder::new(&[]);
        for (name, bytes) in &HALF.all {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let name = file.get(&HALF.kept);
        folder.write(name, &changed(HALF.all[name].clone(), &changes));
        // What was written before is as it was, whatever comes.
        let before = files(&folder.path().join("out"));
        let ended = run(&folder, &[]);
        let rows = files(&folder.path().join("out"));
        prop_assert!(!ended.stderr.contains("panicked"), "{}: {}", name, ended.stderr);
        match ended.code {
            0 => prop_assert_eq!(&rows, &HALF.rows, "{}: {}", name, ended.stderr),
            1 | 2 => {
                prop_assert!(ended.stderr.contains("error"), "{}: {}", name, ended.stderr);
                for (file, bytes) in &before {
                    prop_assert_eq!(rows.get(file), Some(bytes), "{}", name);
                }
            }
            other => prop_assert!(false, "{}: {} {}", name, other, ended.stderr),
        }
    }
}
