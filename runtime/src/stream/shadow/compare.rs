//! Compares what two versions put out, row by row. Pure.

use std::{collections::HashMap, fmt};

use arrow_array::RecordBatch;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, DataType};
use arrow_select::concat::concat_batches;

use super::ShadowReport;
use crate::{
    format::RowJson,
    model::{Batch, BatchTime, NodeName, Schema},
};

/// Equal rows of both that are all looked at, to find the longest sequence that is in both. Where
/// there are more, the first of equal rows is taken to be the first of the others, and so on.
const MOST_PAIRS: usize = 1 << 20;

/// Bytes of a row that are shown.
const LONGEST: usize = 200;

/// A row that only one of two versions puts out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferentRow {
    /// The batch.
    pub batch: BatchTime,
    /// The sink that gets it, or would.
    pub sink: NodeName,
    /// Who puts it out.
    pub only_in: OnlyIn,
    /// As JSON, cut off if it is long.
    pub row: String,
}

/// One of two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnlyIn {
    /// The one that runs.
    Running,
    /// The one that is tried.
    Shadow,
}

impl fmt::Display for DifferentRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.only_in {
            OnlyIn::Running => "running",
            OnlyIn::Shadow => "new",
        };
        write!(
            f,
            "batch {}, sink `{}`: only the {who} version has {}",
            self.batch, self.sink, self.row
        )
    }
}

/// What the sinks of one name get of one batch.
pub(super) struct Compare<'a> {
    sink: &'a NodeName,
    batch: BatchTime,
    was: Option<&'a Batch>,
    is: Option<&'a Batch>,
}

impl<'a> Compare<'a> {
    /// A batch that is not there is one without rows.
    pub(super) fn new(
        (sink, batch): (&'a NodeName, BatchTime),
        was: Option<&'a Batch>,
        is: Option<&'a Batch>,
    ) -> Self {
        Self {
            sink,
            batch,
            was,
            is,
        }
    }

    /// Adds the rows that differ. The order of rows counts; how they are cut into partitions and
    /// chunks does not.
    pub(super) fn add_to(&self, report: &mut ShadowReport) {
        let count = |batch: Option<&Batch>| batch.map_or(0, Batch::rows);
        report.rows += count(self.was) as u64;
        let (old, new) = match self.only_in_one() {
            Ok(found) => found,
            // Rows of other columns are other rows, and so are those that do not compare.
            Err(_) => (
                (0..count(self.was)).collect(),
                (0..count(self.is)).collect(),
            ),
        };
        report.differing += (old.len() + new.len()) as u64;
        // Of each the first ones, in turns.
        let (mut old, mut new) = (old.into_iter(), new.into_iter());
        while report.is_showing_more() {
            let (old, new) = (old.next(), new.next());
            if old.is_none() && new.is_none() {
                break;
            }
            let mut show = |only_in, of: Option<&Batch>, at: Option<usize>| {
                if let (Some(of), Some(at)) = (of, at) {
                    report.show(DifferentRow {
                        batch: self.batch,
                        sink: self.sink.clone(),
                        only_in,
                        row: shown(of, at),
                    });
                }
            };
            show(OnlyIn::Running, self.was, old);
            show(OnlyIn::Shadow, self.is, new);
        }
    }

    /// The places of rows that are only in one of both.
    fn only_in_one(&self) -> Result<(Vec<usize>, Vec<usize>), ArrowError> {
        let columns = |batch: Option<&Batch>| batch.map(|batch| columns(&batch.schema));
        if let (Some(was), Some(is)) = (columns(self.was), columns(self.is))
            && was != is
        {
            return Err(ArrowError::SchemaError("other columns".to_owned()));
        }
        let (old, new) = (rows(self.was)?, rows(self.is)?);
        let row = |of: &Option<Rows>, at: usize| {
            let row = of.as_ref().map(|rows| rows.row(at).data().to_vec());
            row.unwrap_or_default()
        };
        let count = |of: &Option<Rows>| of.as_ref().map_or(0, Rows::num_rows);
        let (olds, news) = (count(&old), count(&new));
        let same = |i: usize, j: usize| match (&old, &new) {
            (Some(old), Some(new)) => old.row(i).data() == new.row(j).data(),
            _ => false,
        };
        let most = olds.min(news);
        let begin = (0..most).take_while(|at| same(*at, *at)).count();
        let end = (1..=most - begin)
            .take_while(|back| same(olds - back, news - back))
            .count();
        // What is equal there has the same number.
        let mut numbers: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut number = |row: Vec<u8>| {
            let next = numbers.len();
            *numbers.entry(row).or_insert(next)
        };
        let olds: Vec<usize> = (begin..olds - end)
            .map(|at| number(row(&old, at)))
            .collect();
        let news: Vec<usize> = (begin..news - end)
            .map(|at| number(row(&new, at)))
            .collect();
        let (old, new) = only_in_one(&olds, &news);
        let behind = |places: Vec<usize>| places.into_iter().map(|at| begin + at).collect();
        Ok((behind(old), behind(new)))
    }
}

/// The places of what is not in a long sequence that both have.
fn only_in_one(old: &[usize], new: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let kinds = old.iter().chain(new).max().map_or(0, |most| most + 1);
    let mut places = vec![Vec::new(); kinds];
    for (at, kind) in new.iter().enumerate() {
        places[*kind].push(at);
    }
    let pairs = old.iter().map(|kind| places[*kind].len());
    let all = pairs.sum::<usize>() <= MOST_PAIRS;
    let mut seen = vec![0; kinds];
    // Pairs of equal places, each with the one before it in the longest rising sequence that ends
    // there; and where the best ones of each length end.
    let mut found: Vec<(usize, usize, Option<usize>)> = Vec::new();
    let mut ends: Vec<usize> = Vec::new();
    for (i, kind) in old.iter().enumerate() {
        let of_kind = &places[*kind];
        let at = seen[*kind];
        seen[*kind] += 1;
        let partners = match all {
            true => &of_kind[..],
            false => of_kind.get(at..=at).unwrap_or_default(),
        };
        // The last one first, so that no two of them are in one sequence.
        for j in partners.iter().rev() {
            let length = ends.partition_point(|end| found[*end].1 < *j);
            let before = length.checked_sub(1).map(|at| ends[at]);
            found.push((i, *j, before));
            match ends.get_mut(length) {
                Some(end) => *end = found.len() - 1,
                None => ends.push(found.len() - 1),
            }
        }
    }
    let (mut in_old, mut in_new) = (vec![false; old.len()], vec![false; new.len()]);
    let mut next = ends.last().copied();
    while let Some(at) = next {
        let (i, j, before) = found[at];
        (in_old[i], in_new[j]) = (true, true);
        next = before;
    }
    let others = |is_in: Vec<bool>| {
        let places = is_in.into_iter().enumerate();
        places
            .filter(|(_, is_in)| !is_in)
            .map(|(at, _)| at)
            .collect()
    };
    (others(in_old), others(in_new))
}

/// Names and types, whether or not there can be nulls.
fn columns(schema: &Schema) -> Vec<(String, DataType)> {
    let schema = schema.to_arrow();
    let fields = schema.fields().iter();
    fields
        .map(|field| (field.name().clone(), field.data_type().clone()))
        .collect()
}

/// The rows, as bytes that are equal if they are.
fn rows(batch: Option<&Batch>) -> Result<Option<Rows>, ArrowError> {
    let Some(batch) = batch else { return Ok(None) };
    let schema = batch.schema.to_arrow();
    let fields = schema.fields().iter();
    let fields = fields.map(|field| SortField::new(field.data_type().clone()));
    let converter = RowConverter::new(fields.collect())?;
    let chunks: Vec<&RecordBatch> = batch.chunks().collect();
    let all = concat_batches(
        chunks.first().map_or(&schema, |first| first.schema_ref()),
        chunks,
    )?;
    converter.convert_columns(all.columns()).map(Some)
}

/// A row for people.
fn shown(batch: &Batch, mut at: usize) -> String {
    for chunk in batch.chunks() {
        if at < chunk.num_rows() {
            let mut text = Vec::new();
            let written = RowJson::new(&batch.schema).write(chunk, at..at + 1, &mut text);
            let text = String::from_utf8_lossy(&text);
            let text = text.trim_end();
            return match written {
                Err(error) => error.to_string(),
                Ok(()) if text.len() <= LONGEST => text.to_owned(),
                Ok(()) => format!("{}...", &text[..text.floor_char_boundary(LONGEST)]),
            };
        }
        at -= chunk.num_rows();
    }
    String::new()
}

#[cfg(test)]
mod tests;
