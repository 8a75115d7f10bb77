use std::{
    fs::{self, FileTimes},
    num::NonZeroUsize,
};

use arrow_array::{Array, cast::AsArray};

use super::*;
use crate::{
    model::{Field, Kind, Schema},
    topology::{Decoder, Format, OnInvalid},
};

fn source(path: &Path) -> DirectorySource {
    let fields = ["value", "reason"].map(|name| Field::new(name, Kind::Utf8));
    let decoder = LineDecoder::new(
        &Schema::plain(Kind::Utf8),
        &Schema::new(fields.to_vec()).unwrap(),
        &Decoder {
            format: Format::Text,
            on_invalid: OnInvalid::Replace,
            max_line: NonZeroUsize::new(100).unwrap(),
        },
    );
    let interval = BatchInterval::new(Duration::from_secs(1)).unwrap();
    let name = "files".parse().unwrap();
    DirectorySource::new(
        &name,
        path,
        0,
        Duration::from_millis(59_500),
        interval,
        FileReading::Lines(Arc::new(decoder)),
    )
    .unwrap()
}

/// A file that was last changed at `modified`.
fn write(root: &Path, path: &str, modified: u64, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(modified);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_times(FileTimes::new().set_modified(modified))
        .unwrap();
}

/// The lines of each partition, joined by spaces.
fn claim(source: &mut DirectorySource, time: i64) -> Vec<String> {
    let Claim::Batch(readers) = source.claim(BatchTime::from_millis(time)).unwrap() else {
        panic!("a directory always has a batch");
    };
    let partitions = readers.into_iter().map(|mut reader| {
        let mut lines = Vec::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            let values = chunk.rows.column(0).as_string::<i32>();
            lines.extend((0..values.len()).map(|row| values.value(row).to_owned()));
        }
        lines.join(" ")
    });
    partitions.collect()
}

#[test]
fn new_files_are_partitions_by_path_and_are_read_once() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "b", 1_500, "b1\nb2");
    write(root.path(), "a", 2_000, "a1\n");
    write(root.path(), ".hidden", 1_500, "no");
    write(root.path(), "below/c", 1_500, "no");
    write(root.path(), "later", 2_500, "l");
    let mut source = source(root.path());
    assert_eq!(claim(&mut source, 2_000), ["a1", "b1 b2"]);
    assert_eq!(claim(&mut source, 3_000), ["l"]);
    assert_eq!(claim(&mut source, 4_000), [""; 0]);
}

#[test]
fn the_window_is_rounded_up_to_batches() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a", 40_001, "in");
    write(root.path(), "b", 40_000, "out");
    assert_eq!(claim(&mut source(root.path()), 100_000), ["in"]);
}

#[test]
fn a_glob_names_directories() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "in-1/a", 1_000, "1");
    write(root.path(), "in-2/a", 1_000, "2");
    write(root.path(), "in-3", 1_000, "a file");
    write(root.path(), "out/a", 1_000, "no");
    assert_eq!(
        claim(&mut source(&root.path().join("in-*")), 1_000),
        ["1", "2"]
    );
    assert_eq!(
        claim(&mut source(&root.path().join("{out,in-[2-9]}")), 1_000),
        ["2", "no"]
    );
    write(root.path(), "in-1/deep/b", 1_000, "deep");
    assert_eq!(
        claim(&mut source(&root.path().join("*/deep")), 1_000),
        ["deep"]
    );
}

#[test]
fn a_directory_that_is_not_there_gives_empty_batches_until_it_comes() {
    let root = tempfile::tempdir().unwrap();
    let mut source = source(&root.path().join("later"));
    assert_eq!(claim(&mut source, 1_000), [""; 0]);
    write(root.path(), "later/a", 500, "here");
    assert_eq!(claim(&mut source, 2_000), ["here"]);
}

#[test]
fn a_file_where_a_directory_should_be_gives_empty_batches() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a", 500, "here");
    let file = root.path().join("a");
    assert_eq!(claim(&mut source(&file), 1_000), [""; 0]);
    let (path, error) = list(&Place::from(""), &steps(&file).unwrap()).unwrap_err();
    assert!(
        is_absent(&error) && path.path().starts_with(&file),
        "{error}"
    );
}

#[test]
fn links_are_what_they_lead_to() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "in/a", 500, "a");
    write(root.path(), "out/b", 500, "b");
    for (to, link) in [
        ("in", "link"),
        ("../out/b", "in/b"),
        ("..", "in/above"),
        ("nowhere", "in/broken"),
    ] {
        symlink(to, root.path().join(link)).unwrap();
    }
    for path in ["link", "li*"] {
        assert_eq!(
            claim(&mut source(&root.path().join(path)), 1_000),
            ["a", "b"]
        );
    }
}

#[test]
fn what_is_appended_after_the_claim_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a", 1_000, "one\n");
    let mut source = source(root.path());
    let Claim::Batch(mut readers) = source.claim(BatchTime::from_millis(1_000)).unwrap() else {
        panic!("a directory always has a batch");
    };
    write(root.path(), "a", 1_000, "one\ntwo\n");
    let chunk = readers[0].next_chunk().unwrap().unwrap();
    assert_eq!(chunk.rows.num_rows(), 1);
    assert!(readers[0].next_chunk().unwrap().is_none());
}

#[test]
fn a_broken_pattern_is_named() {
    assert!(matches!(
        steps(Path::new("data/[a")),
        Err(SourceProblem::BadPattern { pattern, .. }) if pattern == "data/[a"
    ));
}
