//! Dead letters that batches take once more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::batches::Batches;
use crate::{
    checkpoint::{BatchLetters, Checkpoint},
    model::BatchTime,
    scheduler::{Again, BatchError},
    source::Claim,
    topology::{Operator, OperatorId, SourceId},
};

impl Batches {
    /// What a batch with these claims takes of what someone wants to be retried.
    pub(super) fn to_retry(
        &self,
        number: u64,
        claims: &BTreeMap<SourceId, Claim>,
    ) -> Vec<BatchLetters> {
        let Some(checkpoint) = &self.checkpoint else {
            return Vec::new();
        };
        let wanted = checkpoint.wanted();
        if wanted.is_empty() {
            return Vec::new();
        }
        let has_batch = |(id, claim): (&SourceId, &Claim)| {
            let has_batch = matches!(claim, Claim::Batch(_));
            has_batch.then_some(*id)
        };
        let present = claims.iter().filter_map(has_batch).collect();
        let takers = self.executor.takers(number, &present);
        let mut ready = BTreeSet::new();
        for name in wanted {
            match self.operator(&name) {
                Some((id, operator)) if operator.verb.takes_rows_again() => {
                    if takers.contains(&id) {
                        ready.insert(name);
                    }
                }
                Some(_) => give_up(checkpoint, &name, "its verb takes no rows by themselves"),
                None => give_up(checkpoint, &name, "there is no such operator any more"),
            }
        }
        if ready.is_empty() {
            return Vec::new();
        }
        let letters = checkpoint.to_retry(&ready).unwrap_or_else(|error| {
            tracing::warn!("dead letters are not retried: {error}");
            Vec::new()
        });
        let (fit, others): (Vec<_>, Vec<_>) = letters.into_iter().partition(|of| self.fit(of));
        // All of one operator and batch are of one version of it.
        let operators = others.iter().flat_map(|of| &of.letters);
        let operators: BTreeSet<&str> = operators.map(|letter| &*letter.operator).collect();
        for operator in operators {
            give_up(checkpoint, operator, "its input has other columns now");
        }
        let letters: usize = fit.iter().map(|of| of.letters.len()).sum();
        if letters > 0 {
            tracing::info!("{letters} dead letters are tried again");
        }
        fit
    }

    /// What a batch had taken become dead letters again.
    pub(super) fn give_back(
        &self,
        time: BatchTime,
        letters: Vec<BatchLetters>,
    ) -> Result<(), BatchError> {
        let back = self.checkpoint.as_ref().filter(|_| !letters.is_empty());
        let back = back.map_or(Ok(()), |checkpoint| checkpoint.give_back(&letters));
        back.map_err(|error| BatchError::NotDurable {
            time,
            what: "give its dead letters back",
            why: error.to_string(),
        })
    }

    /// As [`give_back`](Self::give_back), and the next claim that can takes them.
    pub(super) fn retry_later(
        &self,
        time: BatchTime,
        letters: Vec<BatchLetters>,
    ) -> Result<(), BatchError> {
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.want(&letters);
        }
        self.give_back(time, letters)
    }

    /// Rows for the operators that take them again.
    pub(super) fn again(
        &self,
        time: BatchTime,
        letters: &[BatchLetters],
    ) -> Result<Vec<Again>, BatchError> {
        let letters = letters.iter().flat_map(|of| &of.letters);
        let again = letters.map(|letter| {
            let failed = |why: String| BatchError::NotDurable {
                time,
                what: "try dead letters again",
                why,
            };
            letter.again(&self.topology).map_err(failed)
        });
        again.collect()
    }

    /// All of them have the columns of their operators' inputs.
    pub(super) fn fit(&self, of: &BatchLetters) -> bool {
        let mut letters = of.letters.iter();
        letters.all(|letter| letter.fits(&self.topology))
    }

    fn operator(&self, name: &str) -> Option<(OperatorId, &Operator)> {
        let mut operators = self.topology.operators.iter().enumerate();
        let found = operators.find(|(_, operator)| operator.name.as_str() == name);
        found.map(|(at, operator)| (OperatorId(at), operator))
    }
}

fn give_up(checkpoint: &Arc<Checkpoint>, operator: &str, why: &str) {
    checkpoint.give_up_retry(operator);
    tracing::warn!(operator, "dead letters are not tried again: {why}");
}
