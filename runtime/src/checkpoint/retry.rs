//! Dead letters that a batch takes once more.
//!
//! Who asks for it is heard by the next claims: one that takes letters holds them, so that the batch
//! can be made again, and once it is durable they are dead letters no more. A crash in between is made
//! up for when the checkpoint is opened. Only letters of committed batches are taken: those are never
//! written again.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    BatchLetters, Checkpoint, CheckpointError, DeadLetter,
    letters::{Sizes, forget_those, read_all, write_letters},
    recovered::RecoveredClaim,
    store::lock,
};
use crate::{
    format::read_rows,
    journal::Disk,
    scheduler::Again,
    topology::{OperatorId, Topology},
};

/// Bytes of rows, about, that one claim takes: the rest waits for the next.
const MOST_BYTES: usize = 4 << 20;

/// What was asked for: by operator, up to which batch.
pub(super) type Wanted = BTreeMap<String, i64>;

impl Checkpoint {
    /// The batches to come take the dead letters that there are, of one operator or of all, as soon
    /// as they can. Answers with how many these are.
    ///
    /// # Errors
    /// When they do not read.
    pub fn ask_to_retry(&self, operator: Option<&str>) -> Result<u64, CheckpointError> {
        let Some(until) = *lock(&self.committed) else {
            return Ok(0);
        };
        let batches = self.all_letters()?;
        let mut wanted = lock(&self.wanted);
        let mut count = 0;
        for batch in batches.iter().filter(|batch| batch.time <= until) {
            for letter in batch.letters.iter().filter(|letter| has_rows(letter)) {
                if operator.is_none_or(|name| name == letter.operator) {
                    wanted.insert(letter.operator.clone(), until);
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    /// These are to be retried, once they are [given back](Self::give_back).
    pub fn want(&self, letters: &[BatchLetters]) {
        let mut wanted = lock(&self.wanted);
        for of in letters {
            for letter in &of.letters {
                let until = wanted.entry(letter.operator.clone()).or_insert(of.time);
                *until = of.time.max(*until);
            }
        }
    }

    /// Operators whose dead letters are to be retried.
    pub fn wanted(&self) -> Vec<String> {
        lock(&self.wanted).keys().cloned().collect()
    }

    /// The dead letters of an operator are not retried after all.
    pub fn give_up_retry(&self, operator: &str) {
        lock(&self.wanted).remove(operator);
    }

    /// What the next claim takes of the dead letters of these operators; all of one operator and
    /// batch go together.
    ///
    /// # Errors
    /// When they do not read.
    pub fn to_retry(&self, ready: &BTreeSet<String>) -> Result<Vec<BatchLetters>, CheckpointError> {
        let batches = self.all_letters()?;
        let mut wanted = lock(&self.wanted);
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for operator in ready {
            let Some(until) = wanted.get(operator).copied() else {
                continue;
            };
            for batch in batches.iter().filter(|batch| batch.time <= until) {
                let own = batch.letters.iter();
                let own = own.filter(|letter| letter.operator == *operator && has_rows(letter));
                let letters: Vec<DeadLetter> = own.cloned().collect();
                if letters.is_empty() {
                    continue;
                }
                if bytes > MOST_BYTES {
                    return Ok(taken);
                }
                bytes += letters
                    .iter()
                    .map(|letter| letter.rows.len())
                    .sum::<usize>();
                taken.push(BatchLetters {
                    letters,
                    ..batch.clone()
                });
            }
            wanted.remove(operator);
        }
        Ok(taken)
    }

    /// What a claim had taken that is to be claimed anew become dead letters again, durably.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn give_back(&self, taken: &[BatchLetters]) -> Result<(), CheckpointError> {
        let mut sizes = lock(&self.letters);
        let disk = &*self.shared.disk;
        for back in taken {
            let there = read_all(disk)?.into_iter();
            let mut there = there.filter(|batch| batch.time == back.time);
            let mut batch = there.next().unwrap_or_else(|| BatchLetters {
                letters: Vec::new(),
                ..back.clone()
            });
            let goes = |letter: &DeadLetter| is_taken(back, batch.time, letter);
            batch.letters.retain(|letter| !goes(letter));
            batch.letters.extend(back.letters.iter().cloned());
            write_letters(disk, &mut sizes, &batch)?;
        }
        Ok(())
    }

    /// What a durable claim has taken are no dead letters any more.
    pub(super) fn forget_taken(&self, taken: &[BatchLetters]) -> Result<(), CheckpointError> {
        match taken.is_empty() {
            true => Ok(()),
            false => forget_taken(&*self.shared.disk, &mut lock(&self.letters), taken),
        }
    }

    fn all_letters(&self) -> Result<Vec<BatchLetters>, CheckpointError> {
        let _nobody_writes = lock(&self.letters);
        read_all(&*self.shared.disk)
    }
}

impl DeadLetter {
    /// It has the columns of its operator's input in this topology.
    pub fn fits(&self, topology: &Topology) -> bool {
        self.taker(topology).is_some()
    }

    /// Its rows, for its operator in this topology.
    ///
    /// # Errors
    /// One line that says why it cannot take them.
    pub fn again(&self, topology: &Topology) -> Result<Again, String> {
        let operator = self.taker(topology);
        let operator =
            operator.ok_or_else(|| format!("those of `{}` do not fit it", self.operator))?;
        let (_, rows) = read_rows(&self.rows).map_err(|error| error.to_string())?;
        Ok(Again {
            operator,
            partition: usize::try_from(self.partition).unwrap_or(0),
            rows,
        })
    }

    fn taker(&self, topology: &Topology) -> Option<OperatorId> {
        let mut operators = topology.operators.iter();
        let at = operators.position(|operator| operator.name.as_str() == self.operator)?;
        let input = topology.operators[at].inputs.first()?;
        let fields = topology.schema(*input).fields().iter();
        let fields = fields.map(|field| (field.name.clone(), field.type_text()));
        let fits = fields.eq(self.columns.iter().cloned());
        fits.then_some(OperatorId(at))
    }
}

/// Removes what claims have taken, if a crash kept whoever took it from that.
pub(super) fn forget_claimed(
    disk: &dyn Disk,
    sizes: &mut Sizes,
    claims: &[RecoveredClaim],
) -> Result<(), CheckpointError> {
    for claim in claims.iter().filter(|claim| !claim.letters.is_empty()) {
        forget_taken(disk, sizes, &claim.letters)?;
    }
    Ok(())
}

fn forget_taken(
    disk: &dyn Disk,
    sizes: &mut Sizes,
    taken: &[BatchLetters],
) -> Result<(), CheckpointError> {
    let goes =
        |time: i64, letter: &DeadLetter| taken.iter().any(|taken| is_taken(taken, time, letter));
    forget_those(disk, sizes, goes).map(|_| ())
}

/// All of one operator and batch are taken together.
fn is_taken(taken: &BatchLetters, time: i64, letter: &DeadLetter) -> bool {
    let first = taken.letters.first();
    let same = first.is_some_and(|first| first.operator == letter.operator);
    same && taken.time == time && has_rows(letter)
}

/// A key that had no values has none to be given again.
fn has_rows(letter: &DeadLetter) -> bool {
    !letter.columns.is_empty()
}
