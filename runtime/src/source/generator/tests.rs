use std::{collections::BTreeMap, time::Duration};

use arrow_array::cast::AsArray;

use super::*;
use crate::{format::rows_to_json, model::Kind};

fn source(
    rate: usize,
    count: Option<u64>,
    partitions: usize,
    words: Option<usize>,
) -> GeneratorSource {
    let spec = GeneratorSpec {
        rate: NonZeroUsize::new(rate).unwrap(),
        count,
        partitions: None,
        words: words.and_then(NonZeroUsize::new),
    };
    let kind = if words.is_some() {
        Kind::Utf8
    } else {
        Kind::Int64
    };
    let interval = BatchInterval::new(Duration::from_millis(300)).unwrap();
    let partitions = NonZeroUsize::new(partitions).unwrap();
    let name = "load".parse().unwrap();
    GeneratorSource::new(&name, &Schema::plain(kind), &spec, partitions, interval)
}

fn chunks(source: &mut GeneratorSource, time: i64) -> Vec<Vec<RecordBatch>> {
    let Claim::Batch(readers) = source.claim(BatchTime::from_millis(time)).unwrap() else {
        panic!("a generator always has a batch");
    };
    let partitions = readers.into_iter().map(|mut reader| {
        let mut chunks = Vec::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            assert!(chunk.rows.num_rows() <= CHUNK_ROWS);
            chunks.push(chunk.rows);
        }
        chunks
    });
    partitions.collect()
}

#[test]
fn the_rate_holds_over_time_without_drift() {
    let mut source = source(7, None, 1, None);
    // 7 a second in steps of 300 ms: 2.1, 4.2, 6.3, ... rounded down.
    let mut made = Vec::new();
    for time in (900..=3_600).step_by(300) {
        chunks(&mut source, time);
        made.push(source.made);
    }
    assert_eq!(made, [2, 4, 6, 8, 10, 12, 14, 16, 18, 21]);
    assert!(!source.is_exhausted());
}

#[test]
fn rows_are_the_integers_from_zero_split_among_partitions() {
    let mut source = source(10, Some(5), 2, None);
    let rows = |batch: Vec<Vec<RecordBatch>>| -> Vec<String> {
        let text = |chunks: Vec<RecordBatch>| {
            let rows = chunks
                .iter()
                .flat_map(|c| rows_to_json(c, &Schema::plain(Kind::Int64)).unwrap());
            rows.map(|row| row.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        batch.into_iter().map(text).collect()
    };
    assert_eq!(rows(chunks(&mut source, 300)), ["0", "1 2"]);
    assert!(!source.is_exhausted());
    assert_eq!(rows(chunks(&mut source, 600)), ["3", "4"]);
    assert!(source.is_exhausted());
    assert_eq!(rows(chunks(&mut source, 900)), ["", ""]);
}

#[test]
fn lines_are_the_same_in_every_run_however_they_are_split() {
    let lines = |partitions| -> Vec<String> {
        let mut source = source(1_000, None, partitions, Some(8));
        let chunks = chunks(&mut source, 300).into_iter().flatten();
        let lines = chunks.flat_map(|chunk| {
            let values = chunk.column(0).as_string::<i32>().clone();
            (0..chunk.num_rows())
                .map(move |row| values.value(row).to_owned())
                .collect::<Vec<_>>()
        });
        lines.collect()
    };
    let whole = lines(1);
    assert_eq!(whole.len(), 300);
    assert_eq!(whole, lines(7));
    assert!(whole.iter().all(|line| line.split(' ').count() == 8));
    // Guards the text itself: benchmarks compare runs of different versions.
    insta::assert_snapshot!(whole[..3].join("\n"));
}

#[test]
fn few_words_are_frequent_and_many_are_rare() {
    let mut text = Vec::new();
    (0..2_000).for_each(|number| {
        write_line(number, 10, &mut text);
        text.push(b' ');
    });
    let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
    for word in text
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
    {
        *counts.entry(word).or_default() += 1;
    }
    let first = *counts.values().max().unwrap();
    assert!(
        (1_000..1_400).contains(&first),
        "a seventeenth of 20,000, not {first}"
    );
    assert!(counts.len() > 5_000, "{}", counts.len());
}

#[test]
fn a_large_batch_comes_in_chunks() {
    let mut source = source(100_000, None, 1, None);
    let sizes: Vec<_> = chunks(&mut source, 300)[0]
        .iter()
        .map(RecordBatch::num_rows)
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 30_000);
    assert_eq!(sizes.len(), 30_000_usize.div_ceil(CHUNK_ROWS));
}
