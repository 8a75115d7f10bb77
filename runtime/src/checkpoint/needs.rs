//! Which segments of the journal are still needed, and by what. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::InputRange;

use super::fact::ClaimFact;

/// What lies in the journal and may be needed to make batches again.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Segments of blocks, by source and number.
    blocks: BTreeMap<(String, u64), u64>,
    /// By batch time.
    claims: BTreeMap<i64, Claimed>,
}

/// What a claim needs.
#[derive(Debug)]
struct Claimed {
    /// It lies there.
    segment: u64,
    /// By source and number.
    blocks: Vec<(String, u64)>,
    /// Digests.
    references: Vec<String>,
}

impl Needs {
    pub(super) fn block(&mut self, source: &str, id: u64, segment: u64) {
        self.blocks.insert((source.to_owned(), id), segment);
    }

    pub(super) fn claim(&mut self, claim: &ClaimFact, segment: u64) {
        let mut blocks = Vec::new();
        for taken in &claim.sources {
            if let InputRange::Blocks(ids) = &taken.range {
                let ids = ids.iter().map(|id| (taken.source.clone(), *id));
                // Those of sources that are not logged lie nowhere.
                blocks.extend(ids.filter(|block| self.blocks.contains_key(block)));
            }
        }
        let references = claim.references.clone();
        let claimed = Claimed {
            segment,
            blocks,
            references,
        };
        self.claims.insert(claim.time, claimed);
    }

    pub(super) fn no_claim(&mut self, time: i64, segment: u64) {
        let claimed = Claimed {
            segment,
            blocks: Vec::new(),
            references: Vec::new(),
        };
        self.claims.insert(time, claimed);
    }

    /// Batches up to this time are never made again: what they took is not needed any more.
    pub(super) fn covered(&mut self, until: i64) {
        let later = self.claims.split_off(&until.saturating_add(1));
        for claimed in std::mem::replace(&mut self.claims, later).into_values() {
            for block in claimed.blocks {
                self.blocks.remove(&block);
            }
        }
    }

    /// Batches after this time, or all of them.
    pub(super) fn claims_after(&self, time: Option<i64>) -> u64 {
        let first = time.map_or(i64::MIN, |time| time.saturating_add(1));
        self.claims.range(first..).count() as u64
    }

    /// Blocks that no claim takes.
    pub(super) fn unclaimed(&self) -> u64 {
        let claimed: usize = self
            .claims
            .values()
            .map(|claimed| claimed.blocks.len())
            .sum();
        self.blocks.len().saturating_sub(claimed) as u64
    }

    /// Digests of reference data that claims name.
    pub(super) fn references(&self) -> BTreeSet<String> {
        let claims = self.claims.values();
        claims
            .flat_map(|claimed| claimed.references.clone())
            .collect()
    }

    /// The first segment that is needed; none if none is.
    pub(super) fn first(&self) -> Option<u64> {
        let claims = self.claims.values().map(|claimed| claimed.segment);
        self.blocks.values().copied().chain(claims).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checkpoint::SourceFact, model::InputPosition};

    #[test]
    fn a_segment_is_needed_while_a_block_or_claim_in_it_is_not_covered() {
        let mut needs = Needs::default();
        needs.block("a", 0, 1);
        needs.block("a", 1, 2);
        let taken = SourceFact {
            source: "a".to_owned(),
            range: InputRange::Blocks(vec![0]),
            position: InputPosition::Blocks { controller: None },
        };
        let claim = ClaimFact {
            time: 1_000,
            number: 1,
            sources: vec![taken],
            references: Vec::new(),
        };
        needs.claim(&claim, 2);
        needs.no_claim(2_000, 3);
        assert_eq!(needs.first(), Some(1));
        assert_eq!(needs.claims_after(None), 2);
        assert_eq!(needs.claims_after(Some(1_000)), 1);
        needs.covered(999);
        assert_eq!(needs.first(), Some(1));
        needs.covered(1_000);
        assert_eq!(needs.first(), Some(2), "block 1 was not claimed");
        needs.covered(2_000);
        assert_eq!(needs.first(), Some(2));
    }
}
