//! What is deployed, as it lies on disk.

use serde::{Deserialize, Serialize};

use super::{VersionOutcome, VersionRecord};
use crate::model::{Namespace, TopologyName};

/// Crashes of the server, one after the other, at which a topology had a task in flight, before it
/// is quarantined.
const MOST_CRASHES: u32 = 3;

/// Versions that are kept besides the one that runs.
const REMEMBERED: usize = 10;

/// What a topology is meant to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Desired {
    /// Run.
    Running,
    /// Wait to be started.
    Stopped,
    /// Nothing more: its sources have ended.
    Finished,
}

/// A deployed topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Record {
    /// Whose it is.
    pub namespace: Namespace,
    /// Its name.
    pub name: TopologyName,
    /// What runs, or would.
    pub live: VersionRecord,
    /// What is to take over. Whether it has is known only when nothing waits any more.
    pub waiting: Option<VersionRecord>,
    /// What ran before, or was not let to, by rising number; the oldest are left out.
    pub before: Vec<VersionRecord>,
    /// What was live before what is, by its number; none: nothing was, or it is known no more.
    pub previous: Option<u64>,
    /// What is live took over lately: its stream may have gone back to the version before by itself.
    pub on_trial: bool,
    /// What it is meant to do.
    pub desired: Desired,
    /// Who last changed what it is meant to do.
    pub changed_by: String,
    /// When.
    pub changed_at: i64,
    /// Consecutive crashes of the server at which it had a task in flight.
    pub crashes: u32,
}

impl Record {
    /// Deployed just now, to run.
    pub fn new((namespace, name): (&Namespace, &TopologyName), first: VersionRecord) -> Self {
        Self {
            namespace: namespace.clone(),
            name: name.clone(),
            desired: Desired::Running,
            changed_by: first.by.clone(),
            changed_at: first.at,
            live: VersionRecord {
                outcome: VersionOutcome::Live,
                ..first
            },
            waiting: None,
            before: Vec::new(),
            previous: None,
            on_trial: false,
            crashes: 0,
        }
    }

    /// All versions that are known, by rising number.
    pub fn versions(&self) -> impl Iterator<Item = &VersionRecord> {
        let waits = self.waiting.as_ref().map(|waiting| waiting.number);
        let others = self
            .before
            .iter()
            .filter(|version| Some(version.number) != waits);
        let mut all: Vec<_> = others.chain(&self.waiting).collect();
        all.push(&self.live);
        all.sort_by_key(|version| version.number);
        all.into_iter()
    }

    /// The number of the next version.
    pub fn next_number(&self) -> u64 {
        self.versions().last().map_or(1, |last| last.number + 1)
    }

    /// A version is to take over.
    pub fn wait(&mut self, next: VersionRecord) {
        self.waiting = Some(VersionRecord {
            outcome: VersionOutcome::Waiting,
            ..next
        });
    }

    /// What waited is live, since the batch `from`; none: since it was started.
    pub fn taken_over(&mut self, from: Option<i64>) {
        let Some(next) = self.waiting.take() else {
            return;
        };
        let next = VersionRecord {
            outcome: VersionOutcome::Live,
            from,
            ..next
        };
        self.on_trial = from.is_some();
        self.put_aside(next.number);
        let old = std::mem::replace(&mut self.live, next);
        self.previous = Some(old.number);
        self.set_aside(old, VersionOutcome::Replaced);
    }

    /// What waited has not taken over. One that ran before is what it was.
    pub fn not_taken(&mut self, why: String) {
        let known = |next: &VersionRecord| self.before.iter().any(|v| v.number == next.number);
        if let Some(next) = self.waiting.take().filter(|next| !known(next)) {
            self.set_aside(next, VersionOutcome::Refused(why));
        }
    }

    /// What was live faulted or was not wanted: the one before it is live again. Which one that is, if there is one.
    pub fn gone_back(&mut self, why: String) -> Option<u64> {
        let number = self.last_replaced()?;
        let old = self.take_aside(number)?;
        let old = VersionRecord {
            outcome: VersionOutcome::Live,
            ..old
        };
        let new = std::mem::replace(&mut self.live, old);
        self.set_aside(new, VersionOutcome::RolledBack(why));
        self.on_trial = false;
        self.previous = None;
        Some(number)
    }

    /// The version that was live before; after a way back, of those that were the one deployed last.
    pub fn last_replaced(&self) -> Option<u64> {
        let was_live = |version: &&VersionRecord| version.outcome == VersionOutcome::Replaced;
        let mut all = self
            .before
            .iter()
            .filter(was_live)
            .map(|version| version.number);
        match self.previous {
            Some(previous) => all.find(|number| *number == previous),
            None => all.next_back(),
        }
    }

    /// How a version did beside the one before.
    pub fn was_tried(&mut self, number: u64, tried: Vec<String>) {
        let all = self.before.iter_mut().chain(&mut self.waiting);
        let mut all = all.chain([&mut self.live]);
        if let Some(version) = all.find(|version| version.number == number) {
            version.tried = tried;
        }
    }

    fn take_aside(&mut self, number: u64) -> Option<VersionRecord> {
        let mut before = self.before.iter();
        let at = before.position(|version| version.number == number)?;
        Some(self.before.remove(at))
    }

    /// A version that ran before is known once, also if it comes again.
    fn put_aside(&mut self, number: u64) {
        self.before.retain(|version| version.number != number);
    }

    fn set_aside(&mut self, version: VersionRecord, outcome: VersionOutcome) {
        self.before.push(VersionRecord { outcome, ..version });
        self.before.sort_by_key(|version| version.number);
        if self.before.len() > REMEMBERED {
            // What ran is of more use than what never did.
            let refused =
                |version: &VersionRecord| matches!(version.outcome, VersionOutcome::Refused(_));
            let first = self.before.iter().position(refused);
            self.before.remove(first.unwrap_or(0));
        }
    }

    /// Takes into account how the server ended; true if that is news.
    pub fn count_crash(&mut self, had_task_in_flight: bool) -> bool {
        if self.is_quarantined() {
            return false;
        }
        let before = self.crashes;
        self.crashes = match had_task_in_flight {
            true => before + 1,
            false => 0,
        };
        self.crashes != before
    }

    /// It was in flight at too many crashes, and waits for someone to start it.
    pub fn is_quarantined(&self) -> bool {
        self.crashes >= MOST_CRASHES
    }

    /// It is to run.
    pub fn start(&mut self, by: &str, now: i64) {
        self.desired = Desired::Running;
        self.crashes = 0;
        self.changed(by, now);
    }

    /// It is to stop. What is quarantined stays so.
    pub fn stop(&mut self, by: &str, now: i64) {
        self.desired = Desired::Stopped;
        self.changed(by, now);
    }

    fn changed(&mut self, by: &str, now: i64) {
        by.clone_into(&mut self.changed_by);
        self.changed_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> VersionRecord {
        VersionRecord {
            number,
            file: "t.toml".to_owned(),
            text: String::new(),
            plugins: Vec::new(),
            files: Vec::new(),
            by: "me".to_owned(),
            at: 1,
            from: None,
            tried: Vec::new(),
            outcome: VersionOutcome::Waiting,
        }
    }

    fn record() -> Record {
        let names = ("a".parse().unwrap(), "t".parse().unwrap());
        Record::new((&names.0, &names.1), version(1))
    }

    fn outcomes(record: &Record) -> Vec<(u64, &'static str)> {
        let versions = record.versions();
        versions.map(|v| (v.number, v.outcome.word())).collect()
    }

    #[test]
    fn one_version_is_live_and_what_became_of_the_others_is_known() {
        let mut record = record();
        assert_eq!(record.next_number(), 2);
        record.wait(version(2));
        assert_eq!(outcomes(&record), [(1, "live"), (2, "waiting")]);
        record.not_taken("it loses state".to_owned());
        assert_eq!(outcomes(&record), [(1, "live"), (2, "refused")]);
        record.wait(version(record.next_number()));
        record.taken_over(Some(5_000));
        assert!(record.on_trial);
        let all = [(1, "replaced"), (2, "refused"), (3, "live")];
        assert_eq!(outcomes(&record), all);
        assert_eq!(record.gone_back("it traps".to_owned()), Some(1));
        let all = [(1, "live"), (2, "refused"), (3, "rolled-back")];
        assert_eq!(outcomes(&record), all);
        assert!(!record.on_trial);
        assert_eq!(record.gone_back("again".to_owned()), None);
        // One that ran and is refused now can be asked for again.
        record.wait(version(2));
        record.taken_over(Some(7_000));
        record.wait(version(1));
        assert_eq!(outcomes(&record)[0], (1, "waiting"));
        record.not_taken("it loses state".to_owned());
        assert_eq!(record.last_replaced(), Some(1));
        assert_eq!(record.gone_back(String::new()), Some(1));
        // One that was there already comes once more, under its number.
        record.wait(version(3));
        record.taken_over(None);
        let all = [(1, "replaced"), (2, "rolled-back"), (3, "live")];
        assert_eq!(outcomes(&record), all);
        for _ in 0..20 {
            record.wait(version(record.next_number()));
            record.not_taken(String::new());
        }
        let kept: Vec<_> = record.versions().map(|v| v.number).collect();
        assert_eq!(kept, [1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23]);
    }

    #[test]
    fn the_way_back_leads_to_what_was_live_before_and_not_to_the_highest_number() {
        let mut record = record();
        for number in [2, 3, 1, 4] {
            record.wait(version(number));
            record.taken_over(Some(0));
        }
        assert_eq!(record.last_replaced(), Some(1));
        assert_eq!(record.gone_back(String::new()), Some(1));
        let all = [
            (1, "live"),
            (2, "replaced"),
            (3, "replaced"),
            (4, "rolled-back"),
        ];
        assert_eq!(outcomes(&record), all);
        assert_eq!(record.last_replaced(), Some(3));
    }

    #[test]
    fn what_was_refused_makes_room_first() {
        let mut record = record();
        record.wait(version(2));
        record.taken_over(Some(0));
        for _ in 0..20 {
            record.wait(version(record.next_number()));
            record.not_taken(String::new());
        }
        assert_eq!(record.gone_back(String::new()), Some(1));
    }

    #[test]
    fn three_crashes_in_a_row_quarantine_until_someone_starts_it() {
        // Whether a task was in flight at each crash; whether it is quarantined then.
        for (crashes, quarantined) in [
            (&[true, true][..], false),
            (&[true, true, true], true),
            (&[true, true, false, true], false),
            (&[true, true, true, false], true),
        ] {
            let mut record = record();
            for crash in crashes {
                record.count_crash(*crash);
            }
            assert_eq!(record.is_quarantined(), quarantined, "{crashes:?}");
            record.stop("me", 2);
            assert_eq!(record.is_quarantined(), quarantined);
            record.start("me", 3);
            assert!(!record.is_quarantined());
        }
    }
}
