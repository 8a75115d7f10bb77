use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};

use super::*;
use crate::{crash_points::record, format::rows_from_json, model::Kind};

const AT: BatchTime = BatchTime::from_millis(2_000);

fn batch(partitions: &[Value]) -> Batch {
    let schema = Schema::pair(Kind::Utf8, Kind::Int64);
    let chunk = |rows: &Value| rows_from_json(&schema, rows.as_array().unwrap()).unwrap();
    let partitions = partitions.iter().map(|rows| vec![chunk(rows)]).collect();
    Batch { schema, partitions }
}

fn text_sink(path: &Path) -> FilesSink {
    let schema = Schema::pair(Kind::Utf8, Kind::Int64);
    FilesSink::new(&"out".parse().unwrap(), &schema, path, FileFormat::Text)
}

/// All files below, by path.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(directory) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(directory).unwrap();
            let text = fs::read_to_string(entry.path()).unwrap();
            found.insert(path.display().to_string(), text);
        }
    }
    found
}

fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let files = files.iter();
    files
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect()
}

#[test]
fn a_batch_is_a_directory_with_a_file_per_partition() {
    let root = tempfile::tempdir().unwrap();
    let batch = batch(&[json!([["a", 1], ["b", 2]]), json!([]), json!([["c", 3]])]);
    text_sink(&root.path().join("deep/er/out"))
        .write(AT, &batch)
        .unwrap();
    let parts = [
        ("deep/er/out-2000/part-00000", "(a,1)\n(b,2)\n"),
        ("deep/er/out-2000/part-00001", ""),
        ("deep/er/out-2000/part-00002", "(c,3)\n"),
    ];
    assert_eq!(files(root.path()), expected(&parts));
}

#[test]
fn json_files_hold_a_value_per_line() {
    let root = tempfile::tempdir().unwrap();
    let batch = batch(&[json!([["a", 1], ["b", 2]])]);
    let path = root.path().join("out/");
    let mut sink = FilesSink::new(
        &"out".parse().unwrap(),
        &batch.schema,
        &path,
        FileFormat::Json,
    );
    sink.write(AT, &batch).unwrap();
    let parts = [("out-2000/part-00000", "[\"a\",1]\n[\"b\",2]\n")];
    assert_eq!(files(root.path()), expected(&parts));
}

#[test]
fn object_files_hold_columns_and_types() {
    let root = tempfile::tempdir().unwrap();
    let batch = batch(&[json!([["a", 1], ["b", 2]]), json!([])]);
    let (name, path) = ("out".parse().unwrap(), root.path().join("out"));
    let mut sink = FilesSink::new(&name, &batch.schema, &path, FileFormat::Objects);
    sink.write(AT, &batch).unwrap();
    for (number, chunks) in batch.partitions.iter().enumerate() {
        let file = File::open(root.path().join(format!("out-2000/part-{number:05}"))).unwrap();
        let reader = arrow_ipc::reader::FileReader::try_new(file, None).unwrap();
        let read: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(&read, chunks);
    }
}

#[test]
fn an_empty_batch_has_a_directory_too() {
    let root = tempfile::tempdir().unwrap();
    text_sink(&root.path().join("out"))
        .write(AT, &batch(&[]))
        .unwrap();
    assert_eq!(files(root.path()), expected(&[("out-2000/part-00000", "")]));
}

#[test]
fn a_repeated_batch_replaces_what_was_there() {
    let root = tempfile::tempdir().unwrap();
    let mut sink = text_sink(&root.path().join("out"));
    sink.write(AT, &batch(&[json!([["a", 1]]), json!([["b", 2]])]))
        .unwrap();
    // A crash left this.
    fs::create_dir(root.path().join(".out-2000.tmp")).unwrap();
    fs::write(root.path().join(".out-2000.tmp/part-00007"), "half").unwrap();
    sink.write(AT, &batch(&[json!([["c", 3]])])).unwrap();
    assert_eq!(
        files(root.path()),
        expected(&[("out-2000/part-00000", "(c,3)\n")])
    );
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_directory_is_not_replaced() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("out-2000"), "mine").unwrap();
    let error = text_sink(&root.path().join("out"))
        .write(AT, &batch(&[]))
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("sink out, batch 2000 ms: cannot replace "),
        "{error}"
    );
    assert!(
        error.ends_with("out-2000: it is there and is no directory"),
        "{error}"
    );
    assert_eq!(files(root.path()), expected(&[("out-2000", "mine")]));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_failed_batch_leaves_nothing_and_what_was_there_stays() {
    let root = tempfile::tempdir().unwrap();
    let mut sink = text_sink(&root.path().join("out"));
    sink.write(AT, &batch(&[json!([["a", 1]])])).unwrap();
    let good = batch(&[json!([["b", 2]])]);
    let other = Schema::plain(Kind::Int64);
    let chunk = rows_from_json(&other, &[json!(1)]).unwrap();
    let mut bad = good.clone();
    bad.partitions.push(vec![chunk]);
    let error = sink.write(AT, &bad).unwrap_err().to_string();
    assert!(error.contains("(value: Int64)"), "{error}");
    assert_eq!(
        files(root.path()),
        expected(&[("out-2000/part-00000", "(a,1)\n")])
    );
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    let root = tempfile::tempdir().unwrap();
    let locked = root.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write anywhere: there, a file stands in the way instead.
    let path = if rustix::process::geteuid().is_root() {
        fs::write(root.path().join("file"), "").unwrap();
        root.path().join("file/out")
    } else {
        locked.join("out")
    };
    let error = text_sink(&path)
        .write(AT, &batch(&[]))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("sink out, batch 2000 ms: cannot make "),
        "{error}"
    );
    assert!(
        error.contains(&path.parent().unwrap().display().to_string()),
        "{error}"
    );
}

#[test]
fn a_suffix_ends_the_name_of_the_directory() {
    let root = tempfile::tempdir().unwrap();
    let mut sink = text_sink(&root.path().join("out")).with_suffix(Some("txt".to_owned()));
    sink.write(AT, &batch(&[json!([["a", 1]])])).unwrap();
    let parts = [("out-2000.txt/part-00000", "(a,1)\n")];
    assert_eq!(files(root.path()), expected(&parts));
}

#[test]
fn everything_is_on_the_disk_before_it_has_its_name_and_then_the_name_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = text_sink(&folder.path().join("made/out"));
    for (time, made) in [(1_000, &["directories"][..]), (2_000, &[])] {
        let two = batch(&[json!([["a", 1]]), json!([["b", 2]])]);
        let done = record::of(|| sink.write(BatchTime::from_millis(time), &two).unwrap());
        let steps = [
            "file-sync",
            "file-sync",
            "file-names",
            "file-rename",
            "file-names",
        ];
        assert_eq!(done, [made, &steps].concat());
    }
}
