//! Who gets the next core: weighted fair sharing between tenants, and equal shares within one. Pure;
//! the pool holds the lock.
//!
//! A tenant pays for CPU time in virtual time, the cheaper the higher its weight. The core goes to
//! the waiting tenant that has paid the least, and there to the one of its *fellows* (its
//! topologies) that has. Who was idle starts level with who has paid the least of those at work, so
//! idleness saves nothing up.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

/// A tenant of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u64);

/// One of those who share what a tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FellowId {
    /// Whose share it is.
    pub tenant: TenantId,
    /// Which one of the tenant's.
    pub number: u64,
}

/// A place in the queue for a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The cores, who runs on them and who waits.
#[derive(Debug)]
pub struct Fair {
    free: usize,
    tenants: BTreeMap<TenantId, Account>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Account {
    weight: NonZeroU32,
    /// Nanoseconds paid, over weight.
    paid: u128,
    /// By number.
    fellows: BTreeMap<u64, Line>,
}

/// What a fellow has paid, and waits for.
#[derive(Debug, Default)]
struct Line {
    paid: u128,
    running: usize,
    waiting: VecDeque<Ticket>,
}

impl Line {
    fn is_active(&self) -> bool {
        self.running > 0 || self.waits()
    }

    fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Account {
    fn is_active(&self) -> bool {
        self.fellows.values().any(Line::is_active)
    }

    fn waits(&self) -> bool {
        self.fellows.values().any(Line::waits)
    }
}

impl Fair {
    /// So many cores, all free.
    pub fn new(cores: usize) -> Self {
        Self {
            free: cores.max(1),
            tenants: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    /// Adds a fellow of a tenant, and the tenant with this weight if it is new.
    pub fn join(&mut self, fellow: FellowId, weight: NonZeroU32) {
        let account = self.tenants.entry(fellow.tenant).or_insert(Account {
            weight,
            paid: 0,
            fellows: BTreeMap::new(),
        });
        account.fellows.entry(fellow.number).or_default();
    }

    /// Removes a fellow that neither runs nor waits, and its tenant with the last one.
    pub fn leave(&mut self, fellow: FellowId) {
        let Some(account) = self.tenants.get_mut(&fellow.tenant) else {
            return;
        };
        let line = account.fellows.get(&fellow.number);
        if line.is_some_and(|line| !line.is_active()) {
            account.fellows.remove(&fellow.number);
        }
        if account.fellows.is_empty() {
            self.tenants.remove(&fellow.tenant);
        }
    }

    /// Asks for a core. The ticket returned second got one; it may be this one.
    pub fn ask(&mut self, fellow: FellowId) -> (Ticket, Option<Ticket>) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let at_work = self.tenants.values().filter(|account| account.is_active());
        let level = at_work.map(|account| account.paid).min();
        if let Some(account) = self.tenants.get_mut(&fellow.tenant) {
            if let (false, Some(level)) = (account.is_active(), level) {
                account.paid = account.paid.max(level);
            }
            let at_work = account.fellows.values().filter(|line| line.is_active());
            let level = at_work.map(|line| line.paid).min();
            if let Some(line) = account.fellows.get_mut(&fellow.number) {
                if let (false, Some(level)) = (line.is_active(), level) {
                    line.paid = line.paid.max(level);
                }
                line.waiting.push_back(ticket);
            }
        }
        (ticket, self.grant())
    }

    /// Pays for CPU time used.
    pub fn pay(&mut self, fellow: FellowId, used: Duration) {
        if let Some(account) = self.tenants.get_mut(&fellow.tenant) {
            account.paid += used.as_nanos() / u128::from(account.weight.get());
            if let Some(line) = account.fellows.get_mut(&fellow.number) {
                line.paid += used.as_nanos();
            }
        }
    }

    /// Someone waits who has paid less: another tenant, or a fellow of the same.
    pub fn is_due(&self, fellow: FellowId) -> bool {
        let Some(own) = self.tenants.get(&fellow.tenant) else {
            return false;
        };
        let others = self.tenants.iter().filter(|(id, _)| **id != fellow.tenant);
        let another = |(_, other): (&TenantId, &Account)| other.waits() && other.paid < own.paid;
        let Some(line) = own.fellows.get(&fellow.number) else {
            return false;
        };
        let mut fellows = own.fellows.iter().filter(|(id, _)| **id != fellow.number);
        fellows.any(|(_, other)| other.waits() && other.paid < line.paid)
            || others.into_iter().any(another)
    }

    /// Gives a core back. The ticket returned gets it.
    pub fn release(&mut self, fellow: FellowId) -> Option<Ticket> {
        let account = self.tenants.get_mut(&fellow.tenant);
        if let Some(line) = account.and_then(|account| account.fellows.get_mut(&fellow.number)) {
            line.running = line.running.saturating_sub(1);
        }
        self.free += 1;
        self.grant()
    }

    fn grant(&mut self) -> Option<Ticket> {
        if self.free == 0 {
            return None;
        }
        let tenants = self.tenants.iter_mut();
        let (_, account) = tenants
            .filter(|(_, account)| account.waits())
            .min_by_key(|(id, account)| (account.paid, **id))?;
        let fellows = account.fellows.iter_mut();
        let (_, line) = fellows
            .filter(|(_, line)| line.waits())
            .min_by_key(|(number, line)| (line.paid, **number))?;
        let ticket = line.waiting.pop_front()?;
        line.running += 1;
        self.free -= 1;
        Some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Fellows of tenants with these weights, and how many fellows each has.
    fn cores(cores: usize, tenants: &[(u32, u64)]) -> (Fair, Vec<FellowId>) {
        let mut fair = Fair::new(cores);
        let mut all = Vec::new();
        for (tenant, (weight, fellows)) in (0..).map(TenantId).zip(tenants) {
            for number in 0..*fellows {
                let fellow = FellowId { tenant, number };
                fair.join(fellow, NonZeroU32::new(*weight).unwrap());
                all.push(fellow);
            }
        }
        (fair, all)
    }

    /// Who holds or wants which core. It checks that each ticket gets one core, once, and that no
    /// core is free while someone waits.
    struct Model {
        fair: Fair,
        cores: usize,
        waiting: BTreeMap<Ticket, FellowId>,
        running: Vec<FellowId>,
    }

    impl Model {
        fn ask(&mut self, fellow: FellowId) {
            let (ticket, granted) = self.fair.ask(fellow);
            assert!(self.waiting.insert(ticket, fellow).is_none());
            self.granted(granted);
        }

        fn granted(&mut self, ticket: Option<Ticket>) {
            let fellow = ticket.map(|ticket| self.waiting.remove(&ticket).unwrap());
            self.running.extend(fellow);
            assert!(self.running.len() <= self.cores);
            assert!(self.running.len() == self.cores || self.waiting.is_empty());
        }

        fn release(&mut self, at: usize) -> FellowId {
            let fellow = self.running.remove(at);
            let granted = self.fair.release(fellow);
            self.granted(granted);
            fellow
        }
    }

    fn model(n: usize, tenants: &[(u32, u64)]) -> (Model, Vec<FellowId>) {
        let (fair, all) = cores(n, tenants);
        let model = Model {
            fair,
            cores: n,
            waiting: BTreeMap::new(),
            running: Vec::new(),
        };
        (model, all)
    }

    /// All always want `n` cores and are asked to yield every 5 ms, as long as guests do not end.
    fn shares(n: usize, tenants: &[(u32, u64)], ticks: usize) -> BTreeMap<FellowId, usize> {
        let (mut model, all) = model(n, tenants);
        for fellow in &all {
            for _ in 0..n {
                model.ask(*fellow);
            }
        }
        let mut had = BTreeMap::new();
        for _ in 0..ticks {
            // Those that run now; a core that changes hands in this tick has its turn in the next.
            for fellow in model.running.clone() {
                *had.entry(fellow).or_insert(0) += 1;
                model.fair.pay(fellow, Duration::from_millis(5));
            }
            for fellow in model.running.clone() {
                if model.fair.is_due(fellow) {
                    let at = model.running.iter().position(|f| *f == fellow).unwrap();
                    model.release(at);
                    model.ask(fellow);
                }
            }
        }
        had
    }

    #[test]
    fn cores_are_shared_by_weight_between_tenants_and_evenly_within_one() {
        let had = shares(1, &[(1, 1), (1, 1)], 1_000);
        assert!(had.values().all(|n| (498..=502).contains(n)), "{had:?}");
        // A namespace with three topologies gets no more than one with one.
        let had: Vec<usize> = shares(1, &[(1, 3), (1, 1)], 1_200).into_values().collect();
        assert!((598..=602).contains(&had[3]), "{had:?}");
        assert!(had[..3].iter().all(|n| (198..=202).contains(n)), "{had:?}");
        let had: Vec<usize> = shares(2, &[(3, 2), (1, 1)], 400).into_values().collect();
        assert!((196..=204).contains(&had[2]), "{had:?}");
    }

    #[test]
    fn idleness_saves_nothing_up() {
        for tenants in [&[(1, 1), (1, 1)][..], &[(1, 2)]] {
            let (mut fair, all) = cores(1, tenants);
            let (a, b) = (all[0], all[1]);
            let (first, granted) = fair.ask(a);
            assert_eq!(granted, Some(first));
            fair.pay(a, Duration::from_mins(1));
            assert!(!fair.is_due(a));
            let (newcomer, granted) = fair.ask(b);
            assert_eq!(granted, None);
            // B starts level with A and so has to wait until A has paid for its turn.
            assert!(!fair.is_due(a));
            fair.pay(a, Duration::from_millis(1));
            assert!(fair.is_due(a));
            assert_eq!(fair.release(a), Some(newcomer));
        }
    }

    #[test]
    fn who_is_alone_has_all_cores_and_leaves_with_the_last() {
        let (mut fair, all) = cores(2, &[(1, 1), (1, 1)]);
        let a = all[0];
        assert!(fair.ask(a).1.is_some());
        assert!(fair.ask(a).1.is_some());
        assert!(fair.ask(a).1.is_none());
        assert!(fair.release(a).is_some());
        assert!(!fair.is_due(a));
        fair.leave(a);
        assert!(fair.tenants.contains_key(&a.tenant), "it still runs");
        assert!(fair.release(a).is_none());
        assert!(fair.release(a).is_none());
        fair.leave(a);
        assert!(!fair.tenants.contains_key(&a.tenant));
    }

    proptest! {
        /// Whatever is asked and given back, in any order: each ticket is granted once, and no core
        /// is free while someone waits. Whoever waits gets a core after finitely many turns.
        #[test]
        fn no_core_idles_and_nobody_starves(
            cores in 1_usize..4,
            tenants in proptest::collection::vec((1_u32..5, 1_u64..4), 1..4),
            steps in proptest::collection::vec((0_usize..64, 0_u64..20, any::<bool>()), 0..200),
        ) {
            let (mut model, all) = model(cores, &tenants);
            for (who, millis, asks) in steps {
                if asks || model.running.is_empty() {
                    model.ask(all[who % all.len()]);
                } else {
                    let at = who % model.running.len();
                    let used = Duration::from_millis(millis);
                    model.fair.pay(model.running[at], used);
                    model.release(at);
                }
            }
            // Greedy ones that never end, beside one who wants a single turn.
            let last = all[0];
            let count = model.waiting.values().filter(|f| **f == last).count();
            let mut left = count;
            for _ in 0..10_000 {
                if left == 0 || model.running.is_empty() {
                    break;
                }
                let fellow = model.running[0];
                model.fair.pay(fellow, Duration::from_millis(5));
                model.release(0);
                if fellow != last {
                    model.ask(fellow);
                }
                left = model.waiting.values().filter(|f| **f == last).count();
            }
            prop_assert_eq!(left, 0, "of {} turns", count);
        }

        /// With all always at work, nobody's share is off by more than a few turns.
        #[test]
        fn shares_follow_weights(
            tenants in proptest::collection::vec((1_u32..5, 1_u64..4), 1..4),
        ) {
            let ticks = 2_000;
            let had = shares(1, &tenants, ticks);
            let weights: u32 = tenants.iter().map(|(weight, _)| weight).sum();
            for (fellow, had) in had {
                let at = usize::try_from(fellow.tenant.0).unwrap();
                let (weight, fellows) = tenants[at];
                let fair = ticks as f64 * f64::from(weight) / f64::from(weights) / fellows as f64;
                prop_assert!((had as f64 - fair).abs() <= 8.0, "{fellow:?}: {had}, not {fair}");
            }
        }
    }
}
