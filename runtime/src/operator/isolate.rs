//! A step whose function may fail on some rows: they are found and left out.
//!
//! When the function fails on a chunk, the chunk is given to a fresh instance, then its halves, each
//! to a fresh instance, and so on until single rows (keys) remain on which it fails. Everything is
//! decided by the rows alone, so a batch that is made again leaves out the same. All instances of a
//! task share one limit on CPU time, and running out of that fails the task.

use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_select::{concat::concat_batches, take::take_record_batch};

use super::{
    Emitted, Letter, Step, StepError, TASK_OUTPUTS,
    group::Grouper,
    reducer::{in_group_order, lengths},
};
use crate::{model::pieces, plugin::Usage};

/// What is left out as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A row. The function sees each chunk by itself.
    Row,
    /// All rows of a key, which is in these columns. The function is called once all are there.
    Key(Vec<usize>),
    /// All rows of the partition, whose results wait until all of them are there.
    Partition,
}

/// A function that makes rows.
#[derive(Debug, Clone)]
pub struct Bounded {
    /// The plugin's own name.
    pub plugin: String,
    /// The function.
    pub function: String,
    /// Bytes that one call may put out.
    pub output: usize,
}

/// Makes the step with a fresh instance, given what those before it have used.
type Make = Box<dyn Fn(Usage) -> Option<Box<dyn Step>> + Send>;

/// See the module.
pub struct Isolate {
    make: Make,
    unit: Unit,
    /// Whose function makes the rows, and how many bytes of them there may be.
    bounded: Option<Bounded>,
    /// How many units may be left out.
    most: usize,
    step: Option<Box<dyn Step>>,
    sides: Vec<(usize, RecordBatch)>,
    chunks: Vec<RecordBatch>,
    spent: Usage,
    left_out: usize,
    /// Bytes put out so far.
    put_out: usize,
}

impl Isolate {
    /// Leaves out at most so many units of what the step that `make` makes fails on.
    pub fn new(
        make: impl Fn(Usage) -> Option<Box<dyn Step>> + Send + 'static,
        unit: Unit,
        bounded: Option<Bounded>,
        most: usize,
    ) -> Self {
        Self {
            make: Box::new(make),
            unit,
            bounded,
            most,
            step: None,
            sides: Vec::new(),
            chunks: Vec::new(),
            spent: Usage::default(),
            left_out: 0,
            put_out: 0,
        }
    }

    /// The step, fed with its sides. That a function fails on a side is no fault of the rows.
    fn step(&mut self) -> Result<&mut Box<dyn Step>, StepError> {
        if self.step.is_none() {
            let fresh = (self.make)(self.spent);
            let mut fresh = fresh.ok_or_else(|| StepError::Arrow("no step".to_owned()))?;
            for (side, chunk) in &self.sides {
                fresh.feed(*side, chunk.clone())?;
            }
            self.step = Some(fresh);
        }
        self.step
            .as_mut()
            .ok_or_else(|| StepError::Arrow("no step".to_owned()))
    }

    /// Drops the instance.
    fn renew(&mut self) {
        self.spent = self.usage();
        self.step = None;
    }

    /// What the function makes of these rows; none if it fails on them, and then why.
    fn attempt(
        &mut self,
        chunks: &[RecordBatch],
        finish: bool,
    ) -> Result<Result<Emitted, StepError>, StepError> {
        let step = self.step()?;
        let mut made = Emitted::default();
        let mut run = || {
            for chunk in chunks {
                step.push(chunk.clone(), &mut made)?;
            }
            match finish {
                true => step.finish(&mut made),
                false => Ok(()),
            }
        };
        match run() {
            Ok(()) => {
                self.count(&made)?;
                Ok(Ok(made))
            }
            Err(fault) if fault.is_poison() => {
                self.renew();
                Ok(Err(fault))
            }
            Err(error) => Err(error),
        }
    }

    /// Each instance has a limit of its own on what it puts out; this is over all of them.
    fn count(&mut self, made: &Emitted) -> Result<(), StepError> {
        let Some(bounded) = &self.bounded else {
            return Ok(());
        };
        let rows = made.rows.iter().map(RecordBatch::get_array_memory_size);
        self.put_out = self.put_out.saturating_add(rows.sum());
        let limit = bounded.output.saturating_mul(TASK_OUTPUTS);
        if self.put_out > limit {
            return Err(StepError::TaskOutput {
                plugin: bounded.plugin.clone(),
                function: bounded.function.clone(),
                limit,
            });
        }
        Ok(())
    }

    fn leave_out(
        &mut self,
        rows: RecordBatch,
        fault: &StepError,
        out: &mut Emitted,
    ) -> Result<(), StepError> {
        if self.left_out == self.most {
            return Err(StepError::TooManyFaults {
                most: self.most,
                first: fault.to_string(),
            });
        }
        self.left_out += 1;
        out.letters.push(Letter::new(rows, fault));
        Ok(())
    }

    /// Halves `count` units until those to blame are found. `rows` gives those of a range.
    fn bisect(
        &mut self,
        count: usize,
        finish: bool,
        rows: &dyn Fn(&Range<usize>) -> Result<RecordBatch, StepError>,
        out: &mut Emitted,
    ) -> Result<(), StepError> {
        let all = 0..count;
        let mut todo = Vec::from([all]);
        while let Some(range) = todo.pop() {
            self.renew();
            let chunk = rows(&range)?;
            let fault = match self.attempt(&pieces(&chunk).collect::<Vec<_>>(), finish)? {
                Ok(made) => {
                    append(out, made);
                    continue;
                }
                Err(fault) => fault,
            };
            if range.len() <= 1 {
                self.leave_out(chunk, &fault, out)?;
                continue;
            }
            let middle = range.start + range.len() / 2;
            // Those that came first are done first.
            todo.push(middle..range.end);
            todo.push(range.start..middle);
        }
        self.renew();
        Ok(())
    }

    /// All rows at once, in as many calls as it takes.
    fn all(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        let chunks = std::mem::take(&mut self.chunks);
        let fault = match self.attempt(&chunks, true)? {
            Ok(made) => {
                append(out, made);
                return Ok(());
            }
            Err(fault) => fault,
        };
        let Some(first) = chunks.first() else {
            // There is nothing to leave out, and it fails all the same.
            return Err(fault);
        };
        let all = concat_batches(&first.schema(), &chunks)?;
        if all.num_rows() == 0 {
            return Err(fault);
        }
        let Unit::Key(keys) = &self.unit else {
            return self.leave_out(all, &fault, out);
        };
        let columns: Vec<ArrayRef> = keys.iter().map(|&at| all.column(at).clone()).collect();
        let (mut grouper, mut groups) = (Grouper::default(), Vec::new());
        grouper.assign(&columns, all.num_rows(), &mut groups)?;
        // Keys stay in the order in which they came, as do the rows of each.
        let lengths = lengths(&groups, grouper.len());
        let order = in_group_order(&groups, &lengths);
        let mut ends = vec![0];
        ends.extend(lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        }));
        let rows = |range: &Range<usize>| {
            let (from, to) = (ends[range.start], ends[range.end]);
            Ok(take_record_batch(&all, &order.slice(from, to - from))?)
        };
        self.bisect(grouper.len(), true, &rows, out)
    }
}

fn append(out: &mut Emitted, mut made: Emitted) {
    out.rows.append(&mut made.rows);
    out.rejected.append(&mut made.rejected);
    out.snapshots.append(&mut made.snapshots);
    out.letters.append(&mut made.letters);
}

impl Step for Isolate {
    fn feed(&mut self, side: usize, chunk: RecordBatch) -> Result<(), StepError> {
        self.sides.push((side, chunk));
        Ok(())
    }

    fn push(&mut self, chunk: RecordBatch, out: &mut Emitted) -> Result<(), StepError> {
        if self.unit != Unit::Row {
            self.chunks.push(chunk);
            return Ok(());
        }
        for piece in pieces(&chunk) {
            match self.attempt(std::slice::from_ref(&piece), false)? {
                Ok(made) => append(out, made),
                Err(fault) if piece.num_rows() == 0 => return Err(fault),
                Err(_) => {
                    let rows = |range: &Range<usize>| Ok(piece.slice(range.start, range.len()));
                    self.bisect(piece.num_rows(), false, &rows, out)?;
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitted) -> Result<(), StepError> {
        match self.unit {
            Unit::Row => Ok(()),
            Unit::Key(_) | Unit::Partition => self.all(out),
        }
    }

    fn usage(&self) -> Usage {
        // A step counts on top of what those before it have used.
        let current = self.step.as_ref().map(|step| step.usage());
        let current = current.filter(|current| current.cpu > self.spent.cpu);
        current.unwrap_or(self.spent)
    }
}
