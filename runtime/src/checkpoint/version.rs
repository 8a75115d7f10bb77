//! Which program makes which batches. Pure.

use serde::{Deserialize, Serialize};

use super::{CheckpointError, Program, RecoveredClaim};
use crate::{model::BatchTime, topology::Topology};

/// Versions that are remembered although all their batches are done.
const REMEMBERED: usize = 5;

/// A program, and since when it makes batches. They are in the order in which they began; of those
/// that began at a batch or before it, the last one makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Rises by one from each to the next; the first is 1.
    pub id: u64,
    /// Its first batch, or an earlier time, in milliseconds since the epoch.
    pub from: i64,
    /// What it is.
    pub program: Program,
    /// Partitions after a shuffle.
    pub parallelism: u64,
    /// Operators of the version before whose state it did not take over.
    pub forgets: Vec<String>,
    /// When it took over from the one before while the stream ran, by the wall clock, in
    /// milliseconds since the epoch; none: it was started.
    pub since: Option<i64>,
    /// It is the way back to the version before the last one, and why it was gone; none: it is not.
    pub back: Option<String>,
}

/// The place of the version that makes the batch at this time.
pub(super) fn owner(versions: &[Version], time: i64) -> usize {
    let place = versions.iter().rposition(|version| version.from <= time);
    place.unwrap_or(0)
}

/// The version whose batches must be made again first, as sinks may have something of them; of
/// those that are not free. None: nothing is bound to any version.
pub(super) fn first_bound(versions: &[Version], claims: &[RecoveredClaim]) -> Option<usize> {
    let first = claims.iter().find(|claim| !claim.is_free())?;
    Some(owner(versions, first.time.as_millis()))
}

/// What a program that opens a checkpoint finds to do.
#[derive(Debug)]
pub(super) struct Turn {
    /// The claims that are its own.
    pub(super) claims: Vec<RecoveredClaim>,
    /// The version that it is; none: a new one.
    pub(super) version: Option<usize>,
    /// Another version goes on behind it.
    pub(super) is_followed: bool,
}

/// Finds what a program has to do among these claims.
pub(super) fn turn(
    versions: &[Version],
    claims: Vec<RecoveredClaim>,
    (program, topology): (&Program, &Topology),
    place: &str,
) -> Result<Turn, CheckpointError> {
    let last = versions.len() - 1;
    let parallelism = topology.parallelism.get() as u64;
    let is = |version: &Version| version.program == *program && version.parallelism == parallelism;
    let Some(first) = first_bound(versions, &claims) else {
        let version = is(&versions[last]).then_some(last);
        return Ok(Turn {
            claims,
            version,
            is_followed: false,
        });
    };
    let bound = &versions[first];
    let own = |claim: &RecoveredClaim| owner(versions, claim.time.as_millis()) == first;
    if let Some(what) = difference(&bound.program, program) {
        let bound: Vec<_> = claims
            .iter()
            .filter(|claim| !claim.is_free() && own(claim))
            .collect();
        return Err(CheckpointError::OtherProgram {
            claims: bound.len(),
            from: bound.first().map_or(0, |claim| claim.time.as_millis()),
            what,
        });
    }
    if bound.parallelism != parallelism {
        return Err(CheckpointError::Changed {
            what: "`parallelism`",
            before: bound.parallelism.to_string(),
            now: parallelism.to_string(),
            place: place.to_owned(),
        });
    }
    Ok(Turn {
        claims: claims.into_iter().filter(own).collect(),
        version: Some(first),
        is_followed: first < last,
    })
}

fn difference(before: &Program, now: &Program) -> Option<&'static str> {
    match before {
        _ if before.topology != now.topology => Some("the topology"),
        _ if before.plugins != now.plugins => Some("its plugins"),
        _ => None,
    }
}

/// The version that goes on when nothing is bound to any other.
pub(super) fn following(
    versions: &[Version],
    claims: &[RecoveredClaim],
    last: Option<BatchTime>,
    (program, topology): (Program, &Topology),
) -> Version {
    // Those that failed are made by it; nothing else is left.
    let free = claims.first().map(|claim| claim.time.as_millis());
    let behind = last.map(|last| last.as_millis().saturating_add(1));
    Version {
        id: next_id(versions),
        from: free.or(behind).unwrap_or(i64::MIN),
        program,
        parallelism: topology.parallelism.get() as u64,
        forgets: Vec::new(),
        since: None,
        back: None,
    }
}

pub(super) fn next_id(versions: &[Version]) -> u64 {
    versions.last().map_or(1, |last| last.id + 1)
}

/// The first batch of the last version, if the way back from there is open: that took over while
/// the stream ran.
pub(super) fn on_trial(versions: &[Version]) -> Option<BatchTime> {
    let [.., _, last] = versions else { return None };
    let took_over = last.since.is_some() && last.back.is_none();
    took_over.then(|| BatchTime::from_millis(last.from))
}

/// The way back from the last version: the one before makes its batches again, and goes on.
pub(super) fn way_back(versions: &[Version], now: i64, why: String) -> Option<Version> {
    on_trial(versions)?;
    let [.., before, last] = versions else {
        return None;
    };
    Some(Version {
        id: next_id(versions),
        from: last.from,
        program: before.program.clone(),
        parallelism: before.parallelism,
        // It has made no batch: what it began with is what it begins with again.
        forgets: match before.from == last.from {
            true => before.forgets.clone(),
            false => Vec::new(),
        },
        since: Some(now),
        back: Some(why),
    })
}

/// What state that was written after this batch loses on its way to the version at this place.
/// Versions that made no batch, as the next one began where they did, had no way with it.
pub(super) fn forgotten(versions: &[Version], written: i64, until: usize) -> Vec<String> {
    let since = owner(versions, written);
    let mut taken = versions.get(since + 1..=until).unwrap_or_default();
    let mut forgotten = Vec::new();
    while let Some((version, later)) = taken.split_first() {
        if later.iter().all(|later| later.from > version.from) {
            forgotten.extend(version.forgets.clone());
        }
        taken = later;
    }
    forgotten
}

/// Drops versions that nobody asks for: those before the one that made the batch after the oldest
/// state that is needed, but for the last few.
pub(super) fn release(versions: &mut Vec<Version>, oldest: Option<i64>) {
    let Some(oldest) = oldest else { return };
    let needed = owner(versions, oldest);
    let first = needed.min(versions.len().saturating_sub(REMEMBERED));
    versions.drain(..first);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: u64, from: i64, forgets: &[&str]) -> Version {
        Version {
            id,
            from,
            program: Program::new(&id.to_string(), Vec::new()),
            parallelism: 1,
            forgets: forgets.iter().map(ToString::to_string).collect(),
            since: None,
            back: None,
        }
    }

    #[test]
    fn the_last_version_that_has_begun_makes_a_batch() {
        let begun = i64::MIN;
        for (froms, time, expected) in [
            (&[begun][..], 0, 0),
            (&[begun, 5], 4, 0),
            (&[begun, 5], 5, 1),
            // One that never made a batch.
            (&[begun, 5, 5], 5, 2),
            // A way back: what the version in between made is made again.
            (&[begun, 5, 3], 4, 2),
            (&[begun, 5, 3], 2, 0),
            (&[begun, 5, 3], 9, 2),
        ] {
            let froms = froms.iter().enumerate();
            let versions: Vec<_> = froms
                .map(|(at, from)| version(at as u64, *from, &[]))
                .collect();
            assert_eq!(owner(&versions, time), expected, "{versions:?} at {time}");
        }
    }

    #[test]
    fn the_way_back_leads_to_the_version_before_one_that_took_over() {
        let took_over = |id, from, forgets: &[&str]| Version {
            since: Some(1),
            ..version(id, from, forgets)
        };
        let back = |versions: &[Version]| way_back(versions, 7, "it failed".to_owned());
        let first = version(1, i64::MIN, &[]);
        assert_eq!(back(std::slice::from_ref(&first)), None);
        // One that was started is where whoever started it wants to be.
        assert_eq!(back(&[first.clone(), version(2, 5, &[])]), None);
        let mut versions = vec![first.clone(), took_over(2, 5, &["a"])];
        let way = back(&versions).unwrap();
        assert_eq!((way.id, way.from, &way.forgets[..]), (3, 5, &[][..]));
        assert_eq!(way.program, first.program);
        assert_eq!(way.back.as_deref(), Some("it failed"));
        assert_eq!(on_trial(&versions), Some(BatchTime::from_millis(5)));
        versions.push(way);
        assert_eq!(owner(&versions, 5), 2);
        assert!(forgotten(&versions, 4, 2).is_empty());
        // It leads no further.
        assert_eq!(back(&versions), None);
        // The one before has made no batch: it begins as it would have.
        let versions = [first, took_over(2, 5, &["a"]), took_over(3, 5, &["b"])];
        let way = back(&versions).unwrap();
        assert_eq!(way.forgets, ["a"]);
    }

    #[test]
    fn state_loses_what_the_versions_behind_it_do_not_take_over() {
        let versions = [
            version(1, i64::MIN, &[]),
            version(2, 5, &["a"]),
            version(3, 8, &["b"]),
        ];
        assert_eq!(forgotten(&versions, 4, 2), ["a", "b"]);
        assert_eq!(forgotten(&versions, 4, 1), ["a"]);
        assert_eq!(forgotten(&versions, 6, 2), ["b"]);
        assert!(forgotten(&versions, 8, 2).is_empty());
        // The second one was replaced before it made a batch.
        let versions = [
            version(1, i64::MIN, &[]),
            version(2, 5, &["a"]),
            version(3, 5, &[]),
        ];
        assert!(forgotten(&versions, 4, 2).is_empty());
        assert_eq!(forgotten(&versions, 4, 1), ["a"]);
    }

    #[test]
    fn versions_that_may_be_asked_for_stay() {
        let versions: Vec<_> = (1..=8_u64)
            .map(|id| version(id, id.cast_signed() * 10, &[]))
            .collect();
        let ids = |oldest| {
            let mut left = versions.clone();
            release(&mut left, oldest);
            left.first().map(|version| version.id)
        };
        assert_eq!(ids(None), Some(1));
        assert_eq!(ids(Some(25)), Some(2));
        assert_eq!(ids(Some(85)), Some(4));
    }
}
