//! From the state before a batch to the batch.

use std::collections::BTreeMap;

use super::{
    Difference, Made, ReplayError, Runnable,
    difference::differences,
    looked_at::looked_at,
    maker::{Maker, Point},
};
use crate::{
    checkpoint::{Before, RecoveredClaim, Retained, Version},
    clock::Clock,
    model::BatchTime,
    scheduler::Tenant,
    topology::{Change, ChangedPart, Code, Diff, Edition, Fate},
};

/// What a batch is made from, once more.
pub struct Replay<'a> {
    /// What the checkpoint keeps.
    pub retained: &'a Retained,
    /// What there was before the batch.
    pub before: &'a Before,
    /// The programs of its [`way`], by their versions' numbers.
    pub programs: &'a BTreeMap<u64, Runnable>,
    /// Runs tasks.
    pub tenant: &'a Tenant,
    /// Measures durations.
    pub clock: &'a dyn Clock,
    /// Looks at this stream instead of those of the sinks: `x`, `x.rejected`, `x.snapshots`.
    pub stream: Option<&'a str>,
}

/// What lies between a state and a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The versions that make or claimed the batches, in their order.
    pub versions: Vec<Version>,
    /// Batches that must be made before.
    pub batches: usize,
}

/// A batch, made once more.
#[derive(Debug)]
pub struct Replayed {
    /// What it took, and what became of it then.
    pub claim: RecoveredClaim,
    /// The number of the version that makes it.
    pub version: u64,
    /// As that version makes it.
    pub made: Made,
    /// As the other program makes it, if there is one, and what is different.
    pub other: Option<(Made, Vec<Difference>)>,
    /// What else is to be known: state that the other program does not take over.
    pub notes: Vec<String>,
}

impl Replayed {
    /// It fails although it succeeded then.
    pub fn has_changed(&self) -> bool {
        self.claim.committed == Some(false) && self.made.error.is_some()
    }

    /// Both programs make the same.
    pub fn is_equal(&self) -> bool {
        let Some((other, differences)) = &self.other else {
            return true;
        };
        let same = |difference: &Difference| difference.verdict == super::Verdict::Equal;
        other.error.is_some() == self.made.error.is_some() && differences.iter().all(same)
    }
}

/// What lies between the state before a batch and the batch.
pub fn way(retained: &Retained, before: &Before, batch: BatchTime) -> Way {
    let claims = retained.claims(before.state, batch);
    let line = retained.line(batch);
    let mut versions: Vec<Version> = Vec::new();
    for claim in claims {
        let makers = [line.maker(claim.time).cloned(), claimed_by(retained, claim)];
        for version in makers.into_iter().flatten() {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
    }
    Way {
        versions,
        batches: claims.len().saturating_sub(1),
    }
}

impl Replay<'_> {
    /// Makes the batch, by the version that made it, and by the other program if there is one: as
    /// if that had taken over at this batch.
    ///
    /// # Errors
    /// When it cannot be made as it was; not when it fails as it did, or in the other program.
    pub fn make(
        &self,
        batch: BatchTime,
        other: Option<&Runnable>,
    ) -> Result<Replayed, ReplayError> {
        let claims = self.retained.claims(self.before.state, batch);
        let Some((claim, earlier)) = claims.split_last().filter(|(last, _)| last.time == batch)
        else {
            return Err(self
                .retained
                .before(batch)
                .map_or_else(ReplayError::from, |_| {
                    ReplayError::Internal("the state is not that before the batch".to_owned())
                }));
        };
        let mut point = Point {
            memory: self.before.memory.clone(),
            sources: self.before.sources.clone(),
        };
        let line = self.retained.line(batch);
        let maker = |claim: &RecoveredClaim| line.maker(claim.time).cloned();
        let forgotten = |after: Option<BatchTime>, version: &Version| {
            after.map_or_else(Vec::new, |after| line.forgotten(after, version))
        };
        let mut at = self.before.state;
        let mut earlier = earlier;
        while let Some((first, version)) = earlier.first().and_then(|c| Some((c, maker(c)?))) {
            let own = earlier.iter();
            let own = own.take_while(|claim| maker(claim).as_ref() == Some(&version));
            let (own, rest) = earlier.split_at(own.count());
            let program = self.program(&version, first.time)?;
            let forgets = forgotten(at, &version);
            point = self.go_through(own, program, (&point, &forgets))?;
            at = own.last().map(|claim| claim.time);
            earlier = rest;
        }
        let none = || ReplayError::Internal("the checkpoint has no version".to_owned());
        let version = maker(claim).ok_or_else(none)?;
        let forgets = forgotten(at, &version);
        let (id, program) = (version.id, self.program(&version, batch)?);
        let made = self.one(claim, (program, None), (&point, &forgets))?;
        let mut notes = Vec::new();
        let other = match other {
            Some(other) => {
                let lost = follows(program, other, &mut notes)?;
                let forgets = [forgets, lost].concat();
                let from = (other, Some(program));
                let other = self.one(claim, from, (&point, &forgets))?;
                notes.extend(other.1);
                let differences = differences(&made.0, &other.0)?;
                Some((other.0, differences))
            }
            None => None,
        };
        Ok(Replayed {
            claim: claim.clone(),
            version: id,
            made: made.0,
            other,
            notes,
        })
    }

    fn program(&self, version: &Version, batch: BatchTime) -> Result<&Runnable, ReplayError> {
        let version = version.id;
        let program = self.programs.get(&version);
        program.ok_or(ReplayError::NotKept { version, batch })
    }

    /// Makes the batches of one version, to know what operators remember behind them.
    fn go_through(
        &self,
        claims: &[RecoveredClaim],
        program: &Runnable,
        (point, forgets): (&Point, &[String]),
    ) -> Result<Point, ReplayError> {
        let Some((first, last)) = claims.first().zip(claims.last()) else {
            return Ok(point.clone());
        };
        let from = (program, program.topology.clone());
        let begins = (point, forgets, first.time);
        let mut maker = Maker::new(from, self.retained, self.tenant, begins)?;
        let mut sources = point.sources.clone();
        for claim in claims {
            let batch = claim.time;
            let Some(fact) = &claim.claim else {
                maker.give_up(claim);
                continue;
            };
            let by = claimed_by(self.retained, claim);
            let by = by.map(|by| self.program(&by, batch)).transpose()?;
            let references = match by {
                Some(other) => maker.references_of(fact, &other.topology)?,
                None => maker.references(fact)?,
            };
            let (again, left) = maker.letters(&claim.letters);
            if let Some(why) = left.into_iter().next() {
                return Err(ReplayError::Letters { batch, why });
            }
            let made = maker.make((batch, claim.number), fact, (references, again))?;
            if let (Err(error), Some(false)) = (made, claim.committed) {
                let error = Box::new(error);
                return Err(ReplayError::Differs { batch, error });
            }
            sources.clone_from(&fact.sources);
        }
        Ok(Point {
            memory: Some(maker.memory(last.time)?),
            sources,
        })
    }

    /// Makes the batch that is looked at. The claim may be of another program.
    fn one(
        &self,
        claim: &RecoveredClaim,
        (program, claimed_by): (&Runnable, Option<&Runnable>),
        (point, forgets): (&Point, &[String]),
    ) -> Result<(Made, Vec<String>), ReplayError> {
        let batch = claim.time;
        let Some(fact) = &claim.claim else {
            return Err(ReplayError::Internal(format!("{batch} was never claimed")));
        };
        let (topology, seen) = looked_at(&program.topology, self.stream)?;
        let from = (program, topology);
        let begins = (point, forgets, batch);
        let mut maker = Maker::new(from, self.retained, self.tenant, begins)?;
        let references = match claimed_by {
            Some(other) => maker.references_of(fact, &other.topology)?,
            None => maker.references(fact)?,
        };
        let (again, left) = maker.letters(&claim.letters);
        let notes = match (claimed_by, left.into_iter().next()) {
            (_, None) => Vec::new(),
            (None, Some(why)) => return Err(ReplayError::Letters { batch, why }),
            (Some(_), Some(why)) => vec![format!("dead letters are not tried again: {why}")],
        };
        let began = self.clock.monotonic();
        let made = maker.make((batch, claim.number), fact, (references, again))?;
        let elapsed = self.clock.monotonic().saturating_sub(began);
        Ok((Made::new(&maker, &seen, made, elapsed), notes))
    }
}

/// The version that claimed a batch with reference data, if one that went back behind it later makes
/// it again.
fn claimed_by(retained: &Retained, claim: &RecoveredClaim) -> Option<Version> {
    let facts = claim.claim.as_ref();
    facts.filter(|claim| !claim.references.is_empty())?;
    let line = retained.line(claim.time);
    (line != retained.last_line()).then(|| line.maker(claim.time).cloned())?
}

/// What the other program forgets of what the first one remembers.
fn follows(
    before: &Runnable,
    after: &Runnable,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, ReplayError> {
    let (old, new) = (code(before), code(after));
    let diff = Diff::between(edition(before, &old), edition(after, &new));
    let stops = |change: &&Change| {
        // Without its claim a source has nothing to make the batch of.
        let other_source = change.part == ChangedPart::Source && change.fate == Fate::NeedsRestart;
        let is_gone = after
            .topology
            .sources
            .iter()
            .all(|source| source.name.as_str() != change.name);
        change.fate == Fate::Refused || other_source && !is_gone
    };
    let refused: Vec<Change> = diff.changes.iter().filter(stops).cloned().collect();
    if !refused.is_empty() {
        return Err(ReplayError::Refused(refused));
    }
    let lost = diff.losses().map(|change| {
        let name = change.renamed_from.as_ref().unwrap_or(&change.name);
        let why: Vec<_> = change.reasons.iter().map(ToString::to_string).collect();
        notes.push(format!(
            "the other version begins without the state of {name}: {}",
            why.join(", ")
        ));
        name.clone()
    });
    Ok(lost.collect())
}

fn edition<'a>(program: &'a Runnable, code: &'a [Code]) -> Edition<'a> {
    Edition {
        topology: &program.topology,
        code,
    }
}

fn code(program: &Runnable) -> Vec<Code> {
    let plugins = program.plugins.iter();
    let code = plugins.map(|plugin| Code {
        digest: plugin.digest().to_string(),
        migrates: plugin.info().migrates,
    });
    code.collect()
}
