//! What a topology uses, and what its tenant may: CPU time of every thread that works for it,
//! records, bytes and memory, counted where they are used.
//!
//! An [`Account`] is a topology's; what is charged to it is charged to the account that it is
//! [of](Account::under), its namespace's, too. Its [`Allowance`] says no, or not yet.

mod allowance;
mod latency;
mod meter;
mod node;
mod rate;
mod room;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub use allowance::{Allowance, Bounds, InUse, TooMuch};
pub use latency::Latency;
pub use meter::{Metered, process_cpu, thread_cpu};
pub use node::{Node, Spent};
pub use rate::Rate;
pub use room::{Room, Taken};

/// What CPU time is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Loading, checking and opening.
    Opening,
    /// Receivers: reading from sockets, finding lines, making blocks.
    Receiving,
    /// Tasks on the pool: decoding, operators, sandboxes.
    Tasks,
    /// What is around tasks: claims, plans, sinks, commits.
    Batches,
    /// State: making bytes of it, and writing them.
    State,
}

impl Work {
    /// All of it.
    pub const ALL: [Self; 5] = [
        Self::Opening,
        Self::Receiving,
        Self::Tasks,
        Self::Batches,
        Self::State,
    ];
}

/// What one topology, or one namespace, has used so far. Whoever works for it charges it.
#[derive(Debug, Default)]
pub struct Account {
    /// Nanoseconds, in the order of [`Work::ALL`].
    cpu: [AtomicU64; Work::ALL.len()],
    /// Nanoseconds of tasks on the threads that asked for them.
    here: AtomicU64,
    /// Nanoseconds outside of the pool for which nobody has paid the pool.
    owed: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    log_lines_dropped: AtomicU64,
    instance_peak: AtomicUsize,
    state: AtomicU64,
    nodes: Mutex<BTreeMap<String, Arc<Node>>>,
    latency: Latency,
    /// Whose account it is part of.
    of: Option<Arc<Account>>,
    /// What is read here is read there, too, and counted there.
    is_shadow: bool,
    allowance: Arc<Allowance>,
}

impl Account {
    /// An account that nobody limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// An account of someone who may use this much.
    pub fn limited(allowance: Arc<Allowance>) -> Self {
        Self {
            allowance,
            ..Self::default()
        }
    }

    /// An account whose charges are charged to this one, too, and that is limited with it.
    pub fn under(of: &Arc<Self>) -> Self {
        Self {
            of: Some(of.clone()),
            allowance: of.allowance.clone(),
            ..Self::default()
        }
    }

    /// As [`under`](Self::under), of a shadow: it uses up what that one may use, and what it reads has
    /// been counted there.
    pub fn shadow_of(of: &Arc<Self>) -> Self {
        Self {
            is_shadow: true,
            ..Self::under(of)
        }
    }

    /// It is a [shadow's](Self::shadow_of).
    pub fn is_shadow(&self) -> bool {
        self.is_shadow
    }

    /// What its holder may use.
    pub fn allowance(&self) -> &Arc<Allowance> {
        &self.allowance
    }

    /// CPU time was used.
    pub fn charge(&self, work: Work, used: Duration) {
        if work != Work::Tasks {
            add(&self.owed, used);
        }
        let mut account = Some(self);
        while let Some(charged) = account {
            add(&charged.cpu[work as usize], used);
            account = charged.of.as_deref();
        }
    }

    /// What was used outside of the pool since this was last asked: it counts against the share of
    /// the cores, too.
    pub fn take_owed(&self) -> Duration {
        Duration::from_nanos(self.owed.swap(0, Ordering::Relaxed))
    }

    /// Does work, and charges what this thread uses for it.
    pub fn measure<T>(&self, work: Work, act: impl FnOnce() -> T) -> T {
        let began = thread_cpu();
        let done = act();
        self.charge(work, thread_cpu().saturating_sub(began));
        done
    }

    /// As [`measure`](Self::measure), of work that tasks are part of: what they used was
    /// [charged](Self::ran_here) by themselves. Once at a time.
    pub fn measure_around_tasks<T>(&self, work: Work, act: impl FnOnce() -> T) -> T {
        let here = || Duration::from_nanos(self.here.load(Ordering::Relaxed));
        let (began, before) = (thread_cpu(), here());
        let done = act();
        let tasks = here().saturating_sub(before);
        let used = thread_cpu().saturating_sub(began);
        self.charge(work, used.saturating_sub(tasks));
        done
    }

    /// A task has used so much on the thread that asked for it, and charged it.
    pub fn ran_here(&self, used: Duration) {
        add(&self.here, used);
    }

    /// CPU time for this.
    pub fn cpu_of(&self, work: Work) -> Duration {
        Duration::from_nanos(self.cpu[work as usize].load(Ordering::Relaxed))
    }

    /// All CPU time.
    pub fn cpu(&self) -> Duration {
        Work::ALL.into_iter().map(|work| self.cpu_of(work)).sum()
    }

    /// So much was read from sources.
    pub fn read(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(of) = self.of.as_ref().filter(|_| !self.is_shadow) {
            of.read(records, bytes);
        }
    }

    /// Records read from sources.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes read from sources.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// An instance has so much memory.
    pub fn instance_has(&self, bytes: usize) {
        self.instance_peak.fetch_max(bytes, Ordering::Relaxed);
        if let Some(of) = &self.of {
            of.instance_has(bytes);
        }
    }

    /// The most memory that one instance had.
    pub fn instance_peak(&self) -> usize {
        self.instance_peak.load(Ordering::Relaxed)
    }

    /// A guest wants to log a line; false: there were too many in this second, and it is counted.
    pub fn may_log(&self) -> bool {
        let may = self.allowance.may_log();
        if !may {
            self.dropped_line();
        }
        may
    }

    fn dropped_line(&self) {
        self.log_lines_dropped.fetch_add(1, Ordering::Relaxed);
        if let Some(of) = &self.of {
            of.dropped_line();
        }
    }

    /// Lines that were not logged because there were too many in their second.
    pub fn log_lines_dropped(&self) -> u64 {
        self.log_lines_dropped.load(Ordering::Relaxed)
    }

    /// Its states take up so many bytes now.
    ///
    /// # Errors
    /// When its tenant has more of it than it may, and this is more than it was.
    pub fn holds_state(&self, bytes: u64) -> Result<(), TooMuch> {
        let before = self.state.swap(bytes, Ordering::Relaxed);
        self.allowance.state_is(before, bytes)
    }

    /// Bytes of its states.
    pub fn state(&self) -> u64 {
        self.state.load(Ordering::Relaxed)
    }

    /// How long its batches took, from their ticks on.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// The part of a source, operator or sink; made when it is asked for first.
    pub fn node(&self, name: &str) -> Arc<Node> {
        let mut nodes = lock(&self.nodes);
        match nodes.get(name) {
            Some(node) => node.clone(),
            None => nodes.entry(name.to_owned()).or_default().clone(),
        }
    }

    /// What each source, operator and sink has used, by name.
    pub fn nodes(&self) -> Vec<(String, Spent)> {
        let nodes = lock(&self.nodes);
        let spent = nodes.iter();
        spent
            .map(|(name, node)| (name.clone(), node.spent()))
            .collect()
    }
}

fn add(to: &AtomicU64, used: Duration) {
    let nanos = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
    to.fetch_add(nanos, Ordering::Relaxed);
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks can leave them half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(at_least: Duration) {
        let began = thread_cpu();
        while thread_cpu().saturating_sub(began) < at_least {
            std::hint::black_box(began);
        }
    }

    #[test]
    fn what_is_charged_is_the_namespaces_too() {
        let tenant = Arc::new(Account::new());
        let (one, two) = (Account::under(&tenant), Account::under(&tenant));
        one.charge(Work::Tasks, Duration::from_millis(2));
        two.charge(Work::State, Duration::from_millis(3));
        one.read(10, 100);
        two.instance_has(7);
        one.instance_has(5);
        assert_eq!(one.cpu(), Duration::from_millis(2));
        assert_eq!(tenant.cpu(), Duration::from_millis(5));
        assert_eq!(tenant.cpu_of(Work::State), Duration::from_millis(3));
        assert_eq!(two.take_owed(), Duration::from_millis(3));
        assert_eq!((one.take_owed(), two.take_owed()), Default::default());
        assert_eq!((tenant.records(), tenant.bytes()), (10, 100));
        assert_eq!((one.instance_peak(), tenant.instance_peak()), (5, 7));
    }

    #[test]
    fn what_a_shadow_uses_counts_and_what_it_reads_does_not() {
        let topology = Arc::new(Account::new());
        let shadow = Account::shadow_of(&topology);
        assert!(shadow.is_shadow() && !topology.is_shadow());
        shadow.charge(Work::Tasks, Duration::from_millis(2));
        shadow.read(10, 100);
        shadow.node("words").took(10, 100);
        assert_eq!(topology.cpu(), Duration::from_millis(2));
        assert_eq!((topology.records(), topology.bytes()), (0, 0));
        assert!(topology.nodes().is_empty());
        assert_eq!((shadow.records(), shadow.bytes()), (10, 100));
    }

    #[test]
    fn tasks_on_the_thread_that_asked_are_charged_once() {
        let account = Account::new();
        let ms = Duration::from_millis;
        let whole = thread_cpu();
        account.measure_around_tasks(Work::Batches, || {
            burn(ms(5));
            let began = thread_cpu();
            burn(ms(10));
            let used = thread_cpu().saturating_sub(began);
            account.charge(Work::Tasks, used);
            account.ran_here(used);
        });
        let whole = thread_cpu().saturating_sub(whole);
        assert!(account.cpu_of(Work::Tasks) >= ms(10));
        assert!(account.cpu_of(Work::Batches) >= ms(5));
        assert!(account.cpu() <= whole, "{:?} of {whole:?}", account.cpu());
        // Nothing of it is missing but the clock's own calls.
        assert!(whole.saturating_sub(account.cpu()) < ms(1));
    }

    #[test]
    fn a_node_is_made_once() {
        let account = Account::new();
        account.node("words").used(Duration::from_micros(3));
        account.node("words").took(2, 20);
        account.node("words").made(4);
        account.node("words").instance_has(9);
        assert_eq!(
            account.nodes(),
            [(
                "words".to_owned(),
                Spent {
                    cpu: Duration::from_micros(3),
                    records_in: 2,
                    bytes_in: 20,
                    records_out: 4,
                    memory_peak: 9
                }
            )]
        );
    }
}
