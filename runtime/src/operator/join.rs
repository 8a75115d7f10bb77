//! Joins: rows of two streams with equal keys, of the same batch (spec 5.2).
//!
//! The second stream is fed whole and indexed by key; the first runs through it chunk by chunk.
//! Rows come out in the order of the first stream, the partners of each in their own order; rows of
//! the second without a partner come last.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array, builder::UInt32Builder, new_null_array,
};
use arrow_schema::SchemaRef;
use arrow_select::{concat::concat, take::take};

use super::{
    Emitted, Step, StepError,
    group::Grouper,
    reducer::{in_group_order, lengths},
};
use crate::{
    model::{CHUNK_ROWS, Schema},
    topology::{Join, JoinKind},
};

/// Bytes that the rows of one task may take: a key that is frequent on both sides makes as many
/// rows as one side has times those of the other.
const MOST_BYTES: usize = 2 << 30;

/// Joins the rows pushed with those fed as side 0.
pub struct JoinStep {
    kind: JoinKind,
    left: Columns,
    right: Columns,
    output: SchemaRef,
    fed: Vec<RecordBatch>,
    index: Option<Index>,
    put_out: usize,
}

/// Which columns of a stream are what.
struct Columns {
    keys: Vec<usize>,
    values: Vec<usize>,
}

impl Columns {
    fn new(keys: &[usize], schema: &Schema) -> Self {
        let values = (0..schema.fields().len()).filter(|column| !keys.contains(column));
        Self {
            keys: keys.to_vec(),
            values: values.collect(),
        }
    }
}

/// The second stream, by key.
struct Index {
    keys: Grouper,
    /// All rows, column by column.
    columns: Vec<ArrayRef>,
    /// Row numbers, key after key.
    order: UInt32Array,
    /// Where the rows of each key begin in `order`; one more at the end.
    starts: Vec<usize>,
    /// Keys that have found a partner.
    matched: Vec<bool>,
}

impl Index {
    fn new(chunks: &[RecordBatch], columns: &Columns, width: usize) -> Result<Self, StepError> {
        let mut keys = Grouper::default();
        let (mut all, mut of_chunk) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let key = pick(chunk, &columns.keys);
            keys.assign(&key, chunk.num_rows(), &mut of_chunk)?;
            all.extend_from_slice(&of_chunk);
        }
        if all.len() >= u32::MAX as usize {
            return Err(StepError::Arrow("more than 2^32 rows in a join".into()));
        }
        let lengths = lengths(&all, keys.len());
        let mut starts = Vec::with_capacity(lengths.len() + 1);
        starts.push(0);
        starts.extend(lengths.iter().scan(0, |start, length| {
            *start += length;
            Some(*start)
        }));
        let columns = (0..width).map(|at| {
            let pieces: Vec<&dyn Array> = chunks.iter().map(|c| c.column(at).as_ref()).collect();
            concat(&pieces)
        });
        Ok(Self {
            order: in_group_order(&all, &lengths),
            starts,
            matched: vec![false; keys.len()],
            keys,
            columns: match chunks {
                [] => Vec::new(),
                _ => columns.collect::<Result<_, _>>()?,
            },
        })
    }

    fn rows(&self, group: usize) -> &[u32] {
        &self.order.values()[self.starts[group]..self.starts[group + 1]]
    }
}

impl JoinStep {
    /// `output` is as [`Join`] says.
    pub fn new(join: &Join, left: &Schema, right: &Schema, output: &Schema) -> Self {
        Self {
            kind: join.kind,
            left: Columns::new(&join.left_keys, left),
            right: Columns::new(&join.right_keys, right),
            output: output.to_arrow(),
            fed: Vec::new(),
            index: None,
            put_out: 0,
        }
    }

    fn index(&mut self) -> Result<Index, StepError> {
        if let Some(index) = self.index.take() {
            return Ok(index);
        }
        let chunks = std::mem::take(&mut self.fed);
        let width = self.right.keys.len() + self.right.values.len();
        Index::new(&chunks, &self.right, width)
    }

    /// Puts out pairs of rows: of `left`, and of the index where there is one.
    fn pairs(
        &mut self,
        left: &RecordBatch,
        index: &Index,
        pairs: &mut Pairs,
        out: &mut Emitted,
    ) -> Result<(), StepError> {
        let rows = pairs.left.len();
        let lefts = UInt32Array::from(std::mem::take(&mut pairs.left));
        let rights = pairs.right.finish();
        let gather = |columns: &[usize]| -> Result<Vec<ArrayRef>, StepError> {
            let columns = columns
                .iter()
                .map(|&at| take(left.column(at), &lefts, None));
            Ok(columns.collect::<Result<_, _>>()?)
        };
        let mut columns = gather(&self.left.keys)?;
        if self.kind.keeps_right() {
            columns.push(Arc::new(BooleanArray::from(vec![true; rows])));
        }
        columns.extend(gather(&self.left.values)?);
        if self.kind.keeps_left() {
            let there = (0..rows).map(|row| Some(rights.is_valid(row)));
            columns.push(Arc::new(there.collect::<BooleanArray>()));
        }
        for &at in &self.right.values {
            columns.push(if let Some(column) = index.columns.get(at) {
                take(column, &rights, None)?
            } else {
                // Without any row on the right not even its types came.
                let data_type = self.output.field(columns.len()).data_type();
                new_null_array(data_type, rows)
            });
        }
        self.put_out(columns, out)
    }

    /// Puts out rows of the second stream that found no partner.
    fn lonely(
        &mut self,
        index: &Index,
        rows: Vec<u32>,
        out: &mut Emitted,
    ) -> Result<(), StepError> {
        let count = rows.len();
        let rows = UInt32Array::from(rows);
        let gather = |columns: &[usize]| -> Result<Vec<ArrayRef>, StepError> {
            let columns = columns
                .iter()
                .map(|&at| take(&index.columns[at], &rows, None));
            Ok(columns.collect::<Result<_, _>>()?)
        };
        let flag = |value| Arc::new(BooleanArray::from(vec![value; count])) as ArrayRef;
        let mut columns = gather(&self.right.keys)?;
        columns.push(flag(false));
        for _ in 0..self.left.values.len() {
            let data_type = self.output.field(columns.len()).data_type();
            columns.push(new_null_array(data_type, count));
        }
        if self.kind.keeps_left() {
            columns.push(flag(true));
        }
        columns.extend(gather(&self.right.values)?);
        self.put_out(columns, out)
    }

    fn put_out(&mut self, columns: Vec<ArrayRef>, out: &mut Emitted) -> Result<(), StepError> {
        let rows = RecordBatch::try_new(self.output.clone(), columns)?;
        self.put_out = self.put_out.saturating_add(rows.get_array_memory_size());
        if self.put_out > MOST_BYTES {
            return Err(StepError::JoinTooLarge { limit: MOST_BYTES });
        }
        if rows.num_rows() > 0 {
            out.rows.push(rows);
        }
        Ok(())
    }
}

/// Numbers of rows that belong together; none where there is no partner.
struct Pairs {
    left: Vec<u32>,
    right: UInt32Builder,
}

impl Step for JoinStep {
    fn feed(&mut self, side: usize, chunk: RecordBatch) -> Result<(), StepError> {
        if side > 0 {
            let rows = chunk.num_rows();
            return Err(StepError::NoSide { side, rows });
        }
        self.fed.push(chunk);
        Ok(())
    }

    fn push(&mut self, chunk: RecordBatch, out: &mut Emitted) -> Result<(), StepError> {
        let mut index = self.index()?;
        let keys = pick(&chunk, &self.left.keys);
        let found = index.keys.find(&keys, chunk.num_rows())?;
        let mut pairs = Pairs {
            left: Vec::with_capacity(CHUNK_ROWS),
            right: UInt32Builder::with_capacity(CHUNK_ROWS),
        };
        for (row, group) in found.into_iter().enumerate() {
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            let Some(group) = group else {
                if self.kind.keeps_left() {
                    pairs.left.push(row);
                    pairs.right.append_null();
                }
                continue;
            };
            let group = group as usize;
            index.matched[group] = true;
            let partners = index.rows(group).len();
            let mut from = 0;
            while from < partners {
                let room = CHUNK_ROWS - pairs.left.len();
                let some = &index.rows(group)[from..partners.min(from + room)];
                from += some.len();
                pairs.left.resize(pairs.left.len() + some.len(), row);
                pairs.right.append_slice(some);
                if pairs.left.len() >= CHUNK_ROWS {
                    self.pairs(&chunk, &index, &mut pairs, out)?;
                }
            }
        }
        self.pairs(&chunk, &index, &mut pairs, out)?;
        self.index = Some(index);
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        if !self.kind.keeps_right() {
            return Ok(());
        }
        let index = self.index()?;
        let mut lonely: Vec<u32> = Vec::new();
        for (group, matched) in index.matched.iter().enumerate() {
            if !matched {
                lonely.extend_from_slice(index.rows(group));
            }
        }
        lonely.sort_unstable();
        for rows in lonely.chunks(CHUNK_ROWS) {
            self.lonely(&index, rows.to_vec(), out)?;
        }
        Ok(())
    }
}

fn pick(chunk: &RecordBatch, columns: &[usize]) -> Vec<ArrayRef> {
    columns.iter().map(|&at| chunk.column(at).clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use arrow_array::{Int64Array, cast::AsArray, types::Int64Type};
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Field, Kind};

    type Row = (i64, Option<i64>, Option<i64>);

    fn chunk(rows: &[(i64, i64)]) -> RecordBatch {
        let (keys, values): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(keys)),
            Arc::new(Int64Array::from(values)),
        ];
        let schema = Schema::pair(Kind::Int64, Kind::Int64);
        RecordBatch::try_new(schema.to_arrow(), columns).unwrap()
    }

    fn join(
        kind: JoinKind,
        left: &[(i64, i64)],
        right: &[(i64, i64)],
        chunk_rows: usize,
    ) -> Vec<Row> {
        let mut fields = vec![Field::new("key", Kind::Int64)];
        for (name, absent) in [("left", kind.keeps_right()), ("right", kind.keeps_left())] {
            if absent {
                fields.push(Field::new(format!("{name}.present"), Kind::Boolean));
                fields.push(Field {
                    nullable: true,
                    ..Field::new(format!("{name}.value"), Kind::Int64)
                });
            } else {
                fields.push(Field::new(name, Kind::Int64));
            }
        }
        let spec = Join {
            kind,
            left_keys: vec![0],
            right_keys: vec![0],
            partitions: NonZeroUsize::MIN,
        };
        let pairs = Schema::pair(Kind::Int64, Kind::Int64);
        let output = Schema::new(fields).unwrap();
        let mut step = JoinStep::new(&spec, &pairs, &pairs, &output);
        let mut out = Emitted::default();
        for rows in right.chunks(chunk_rows) {
            step.feed(0, chunk(rows)).unwrap();
        }
        for rows in left.chunks(chunk_rows) {
            step.push(chunk(rows), &mut out).unwrap();
        }
        step.finish(&mut out).unwrap();
        let rows = out.rows.iter().flat_map(|rows| {
            let numbers: Vec<_> = (0..rows.num_columns())
                .filter_map(|at| rows.column(at).as_primitive_opt::<Int64Type>())
                .collect();
            let at = |column: usize, row| {
                let column = numbers[column];
                column.is_valid(row).then(|| column.value(row))
            };
            let rows =
                (0..rows.num_rows()).map(|row| (numbers[0].value(row), at(1, row), at(2, row)));
            rows.collect::<Vec<_>>()
        });
        rows.collect()
    }

    /// What the spec says, row by row.
    fn nested_loops(kind: JoinKind, left: &[(i64, i64)], right: &[(i64, i64)]) -> Vec<Row> {
        let mut rows = Vec::new();
        for (key, l) in left {
            let partners: Vec<_> = right.iter().filter(|(k, _)| k == key).collect();
            rows.extend(partners.iter().map(|(_, r)| (*key, Some(*l), Some(*r))));
            if partners.is_empty() && kind.keeps_left() {
                rows.push((*key, Some(*l), None));
            }
        }
        for (key, r) in right {
            if kind.keeps_right() && left.iter().all(|(k, _)| k != key) {
                rows.push((*key, None, Some(*r)));
            }
        }
        rows
    }

    const KINDS: [JoinKind; 4] = [
        JoinKind::Inner,
        JoinKind::LeftOuter,
        JoinKind::RightOuter,
        JoinKind::FullOuter,
    ];

    proptest! {
        #[test]
        fn a_join_is_what_nested_loops_say(
            left in prop::collection::vec((0..6_i64, 0..100_i64), 0..20),
            right in prop::collection::vec((0..6_i64, 0..100_i64), 0..20),
            kind in prop::sample::select(KINDS.to_vec()),
            chunk_rows in prop::sample::select(vec![1, 2, 4096_usize]),
        ) {
            let expected = nested_loops(kind, &left, &right);
            prop_assert_eq!(join(kind, &left, &right, chunk_rows), expected);
        }
    }

    #[test]
    fn many_partners_come_in_several_chunks() {
        let right: Vec<_> = (0..10_000).map(|n| (1, n)).collect();
        let rows = join(JoinKind::Inner, &[(1, 0), (1, 1)], &right, 4096);
        assert_eq!(rows.len(), 20_000);
        assert_eq!(rows[10_000], (1, Some(1), Some(0)));
    }
}
