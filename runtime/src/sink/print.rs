//! The first rows of each batch, for people (spec 13.1).

use std::io::Write;

use super::{Sink, SinkError, SinkProblem};
use crate::{
    format::{RowText, WrongColumns},
    model::{Batch, BatchTime, NodeName, Schema},
};

const RULE: &str = "-------------------------------------------";

/// Prints to `out`: a rule, the batch's time, a rule, up to `n` rows, `...` if there are more, and
/// an empty line. At least once: a batch that is repeated is printed again.
#[derive(Debug)]
pub struct PrintSink<W> {
    name: NodeName,
    rows: RowText,
    n: usize,
    out: W,
}

impl<W: Write + Send> PrintSink<W> {
    /// For rows of `schema`.
    pub fn new(name: &NodeName, schema: &Schema, n: usize, out: W) -> Self {
        Self {
            name: name.clone(),
            rows: RowText::new(schema),
            n,
            out,
        }
    }

    fn render(&self, time: BatchTime, batch: &Batch) -> Result<Vec<u8>, WrongColumns> {
        let mut text = format!("{RULE}\nTime: {} ms\n{RULE}\n", time.as_millis()).into_bytes();
        let mut left = self.n;
        let mut more = false;
        for chunk in batch.chunks() {
            let taken = left.min(chunk.num_rows());
            self.rows.write(chunk, 0..taken, &mut text)?;
            left -= taken;
            more |= taken < chunk.num_rows();
            if more {
                break;
            }
        }
        text.extend_from_slice(if more { b"...\n\n" } else { b"\n" });
        Ok(text)
    }
}

impl<W: Write + Send> Sink for PrintSink<W> {
    fn write(&mut self, time: BatchTime, batch: &Batch) -> Result<(), SinkError> {
        let text = self.render(time, batch);
        let text = text.map_err(|error| SinkError::new(&self.name, time, error.into()))?;
        let printed = self.out.write_all(&text).and_then(|()| self.out.flush());
        printed.map_err(|error| SinkError::new(&self.name, time, SinkProblem::Print(error)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::model::Kind;

    fn batch(rows: &[(&str, i64)]) -> Batch {
        let schema = Schema::pair(Kind::Utf8, Kind::Int64);
        let chunk = |rows: &[(&str, i64)]| {
            let keys = StringArray::from_iter_values(rows.iter().map(|(key, _)| key));
            let values = Int64Array::from_iter_values(rows.iter().map(|(_, value)| *value));
            let columns: Vec<arrow_array::ArrayRef> = vec![Arc::new(keys), Arc::new(values)];
            RecordBatch::try_new(schema.to_arrow(), columns).unwrap()
        };
        let partitions = rows.chunks(2).map(|rows| vec![chunk(rows)]).collect();
        Batch { schema, partitions }
    }

    fn printed(n: usize, rows: &[(&str, i64)]) -> String {
        let mut out = Vec::new();
        let batch = batch(rows);
        PrintSink::new(&"out".parse().unwrap(), &batch.schema, n, &mut out)
            .write(BatchTime::from_millis(1_000), &batch)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_batch_prints_as_in_spark() {
        insta::assert_snapshot!(printed(10, &[("hello", 1), ("a,b", -2), ("", 3)]), @r"
        -------------------------------------------
        Time: 1000 ms
        -------------------------------------------
        (hello,1)
        (a,b,-2)
        (,3)
        ");
    }

    #[test]
    fn more_rows_than_asked_for_end_in_dots() {
        for (n, expected) in [
            (0, "...\n\n"),
            (1, "(a,1)\n...\n\n"),
            (2, "(a,1)\n(b,2)\n...\n\n"),
            (3, "(a,1)\n(b,2)\n(c,3)\n\n"),
        ] {
            let text = printed(n, &[("a", 1), ("b", 2), ("c", 3)]);
            let head = format!("{RULE}\nTime: 1000 ms\n{RULE}\n");
            assert_eq!(text.strip_prefix(&head).unwrap(), expected, "n = {n}");
        }
        assert_eq!(RULE.len(), 43);
    }

    #[test]
    fn an_empty_batch_prints_its_head() {
        assert_eq!(
            printed(10, &[]),
            format!("{RULE}\nTime: 1000 ms\n{RULE}\n\n")
        );
    }

    #[test]
    fn a_full_disk_names_the_sink_and_the_batch() {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let batch = batch(&[("a", 1)]);
        let mut sink = PrintSink::new(&"out".parse().unwrap(), &batch.schema, 10, full);
        let error = sink.write(BatchTime::from_millis(7), &batch).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sink out, batch 7 ms: cannot print: No space left on device (os error 28)"
        );
    }
}
