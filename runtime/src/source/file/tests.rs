use std::{io::Write, num::NonZeroUsize, path::Path};

use arrow_array::{Array, cast::AsArray};
use proptest::prelude::*;

use super::*;
use crate::{
    model::{Field, Kind, Schema},
    topology::{Decoder, Format, OnInvalid},
};

const AT: BatchTime = BatchTime::from_millis(0);

fn some(value: usize) -> NonZeroUsize {
    NonZeroUsize::new(value).unwrap()
}

fn decoder(format: Format, on_invalid: OnInvalid) -> LineDecoder {
    let fields = ["value", "reason"].map(|name| Field::new(name, Kind::Utf8));
    let decoder = Decoder {
        format,
        on_invalid,
        max_line: some(1 << 20),
    };
    LineDecoder::new(
        &Schema::plain(Kind::Utf8),
        &Schema::new(fields.to_vec()).unwrap(),
        &decoder,
    )
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn open(path: &Path, batch_bytes: usize, partitions: usize) -> FileSource {
    let decoder = decoder(Format::Text, OnInvalid::Replace);
    let name = "lines".parse().unwrap();
    FileSource::open(&name, path, some(batch_bytes), some(partitions), decoder).unwrap()
}

fn read(reader: &mut dyn PartitionReader) -> Result<Vec<String>, SourceError> {
    let mut lines = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        let values = chunk.rows.column(0).as_string::<i32>();
        assert_eq!(values.null_count(), 0);
        lines.extend(values.iter().map(|line| line.unwrap().to_owned()));
    }
    Ok(lines)
}

/// Lines by batch and partition.
fn batches(mut source: FileSource) -> Vec<Vec<Vec<String>>> {
    let mut batches = Vec::new();
    while !source.is_exhausted() {
        let Claim::Batch(mut readers) = source.claim(AT).unwrap() else {
            panic!("a file always has a batch");
        };
        let partitions = readers
            .iter_mut()
            .map(|reader| read(reader.as_mut()).unwrap());
        batches.push(partitions.collect());
    }
    batches
}

#[test]
fn a_batch_ends_with_the_line_in_which_its_bytes_are_reached() {
    // batch-bytes, batches of "aa\nbb\ncc\ndd"
    let cases: &[(usize, &[&[&str]])] = &[
        (1, &[&["aa"], &["bb"], &["cc"], &["dd"]]),
        (3, &[&["aa"], &["bb"], &["cc"], &["dd"]]),
        (4, &[&["aa", "bb"], &["cc", "dd"]]),
        (6, &[&["aa", "bb"], &["cc", "dd"]]),
        (10, &[&["aa", "bb", "cc", "dd"]]),
        (usize::MAX, &[&["aa", "bb", "cc", "dd"]]),
    ];
    let file = file(b"aa\nbb\ncc\ndd");
    for (batch_bytes, expected) in cases {
        let got = batches(open(file.path(), *batch_bytes, 1));
        let got: Vec<_> = got.iter().map(|partitions| partitions[0].clone()).collect();
        assert_eq!(got, *expected, "{batch_bytes}");
    }
}

#[test]
fn an_empty_file_is_exhausted_at_once() {
    let file = file(b"");
    let mut source = open(file.path(), 1, 2);
    assert!(source.is_exhausted());
    assert!(matches!(source.claim(AT), Ok(Claim::Batch(readers)) if readers.len() == 2));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_at_once() {
    let name = "lines".parse().unwrap();
    let decoder = || decoder(Format::Text, OnInvalid::Replace);
    let missing = FileSource::open(
        &name,
        Path::new("no-such-file"),
        some(1),
        some(1),
        decoder(),
    );
    assert_eq!(
        missing.unwrap_err().to_string(),
        "source lines: cannot read no-such-file: No such file or directory (os error 2)"
    );
    let directory = tempfile::tempdir().unwrap();
    let directory = FileSource::open(&name, directory.path(), some(1), some(1), decoder());
    assert!(
        directory
            .unwrap_err()
            .to_string()
            .ends_with("it is no regular file")
    );
}

#[test]
fn a_file_that_shrinks_is_an_error_that_names_it() {
    let file = file(b"aa\nbb\ncc\n");
    let mut source = open(file.path(), 100, 1);
    let Claim::Batch(mut readers) = source.claim(AT).unwrap() else {
        panic!("a file always has a batch");
    };
    file.as_file().set_len(4).unwrap();
    let error = loop {
        match readers[0].next_chunk() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the rest was missed"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        error.contains(&file.path().display().to_string()),
        "{error}"
    );
    assert!(error.contains("shrank from 9 bytes to 4"), "{error}");
}

#[test]
fn an_invalid_line_that_fails_is_named_with_its_place() {
    let file = file(b"a\nb\n\xff\n");
    let decoder = decoder(Format::Text, OnInvalid::Fail);
    let name = "lines".parse().unwrap();
    let mut source = FileSource::open(&name, file.path(), some(9), some(1), decoder).unwrap();
    let Claim::Batch(mut readers) = source.claim(AT).unwrap() else {
        panic!("a file always has a batch");
    };
    let error = readers[0].next_chunk().unwrap_err().to_string();
    assert!(
        error.ends_with("bytes 0 to 6: line 3 is not valid: not UTF-8 at byte 0"),
        "{error}"
    );
}

#[test]
fn a_header_is_no_row_and_is_there_once() {
    let file = file(b"value\na\nb\n");
    let format = Format::Csv {
        separator: b',',
        header: true,
    };
    let decoder = decoder(format, OnInvalid::Fail);
    let name = "lines".parse().unwrap();
    let source = FileSource::open(&name, file.path(), some(7), some(2), decoder).unwrap();
    let lines: Vec<_> = batches(source).into_iter().flatten().flatten().collect();
    assert_eq!(lines, ["a", "b"]);
}

proptest! {
    #[test]
    fn batches_and_partitions_hold_every_line_once_and_in_order(
        lines in prop::collection::vec("[a-z]{0,9}", 0..40),
        batch_bytes in 1_usize..60,
        partitions in 1_usize..5,
    ) {
        let mut bytes = lines.join("\n").into_bytes();
        if !bytes.is_empty() {
            bytes.push(b'\n');
        }
        let file = file(&bytes);
        let got = batches(open(file.path(), batch_bytes, partitions));
        prop_assert!(got.iter().all(|batch| batch.len() == partitions));
        let got: Vec<_> = got.into_iter().flatten().flatten().collect();
        let expected: Vec<_> = if bytes.is_empty() { vec![] } else { lines };
        prop_assert_eq!(got, expected);
    }
}
