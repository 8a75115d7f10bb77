//! Who gets the next core: weighted fair sharing between tenants. Pure; the pool holds the lock.
//!
//! A tenant pays for CPU time in virtual time, the cheaper the higher its weight. The core goes to
//! the waiting tenant that has paid the least. A tenant that was idle starts level with the one
//! that has paid the least of those at work, so idleness saves nothing up.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

/// A tenant of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u64);

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
    running: usize,
    waiting: VecDeque<Ticket>,
}

impl Account {
    fn is_active(&self) -> bool {
        self.running > 0 || !self.waiting.is_empty()
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

    /// Adds a tenant.
    pub fn join(&mut self, tenant: TenantId, weight: NonZeroU32) {
        self.tenants.entry(tenant).or_insert(Account {
            weight,
            paid: 0,
            running: 0,
            waiting: VecDeque::new(),
        });
    }

    /// Removes a tenant that neither runs nor waits.
    pub fn leave(&mut self, tenant: TenantId) {
        if self.tenants.get(&tenant).is_some_and(|a| !a.is_active()) {
            self.tenants.remove(&tenant);
        }
    }

    /// Asks for a core. The tickets returned got one; this one may be among them.
    pub fn ask(&mut self, tenant: TenantId) -> (Ticket, Option<Ticket>) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let level = self
            .tenants
            .values()
            .filter(|account| account.is_active())
            .map(|account| account.paid)
            .min();
        if let Some(account) = self.tenants.get_mut(&tenant) {
            if let (false, Some(level)) = (account.is_active(), level) {
                account.paid = account.paid.max(level);
            }
            account.waiting.push_back(ticket);
        }
        (ticket, self.grant())
    }

    /// Pays for CPU time used.
    pub fn pay(&mut self, tenant: TenantId, used: Duration) {
        if let Some(account) = self.tenants.get_mut(&tenant) {
            account.paid += used.as_nanos() / u128::from(account.weight.get());
        }
    }

    /// Another tenant waits that has paid less.
    pub fn is_due(&self, tenant: TenantId) -> bool {
        let Some(own) = self.tenants.get(&tenant) else {
            return false;
        };
        self.tenants
            .iter()
            .any(|(id, a)| *id != tenant && !a.waiting.is_empty() && a.paid < own.paid)
    }

    /// Gives a core back. The ticket returned gets it.
    pub fn release(&mut self, tenant: TenantId) -> Option<Ticket> {
        if let Some(account) = self.tenants.get_mut(&tenant) {
            account.running = account.running.saturating_sub(1);
        }
        self.free += 1;
        self.grant()
    }

    fn grant(&mut self) -> Option<Ticket> {
        if self.free == 0 {
            return None;
        }
        let (_, account) = self
            .tenants
            .iter_mut()
            .filter(|(_, account)| !account.waiting.is_empty())
            .min_by_key(|(id, account)| (account.paid, **id))?;
        let ticket = account.waiting.pop_front()?;
        account.running += 1;
        self.free -= 1;
        Some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    fn cores(cores: usize, weights: [u32; 2]) -> Fair {
        let mut fair = Fair::new(cores);
        for (tenant, weight) in [A, B].into_iter().zip(weights) {
            fair.join(tenant, NonZeroU32::new(weight).unwrap());
        }
        fair
    }

    /// Both tenants always want the one core and use it for 10 ms a turn.
    fn turns(fair: &mut Fair, turns: usize) -> [usize; 2] {
        let mut owner = BTreeMap::new();
        let mut granted = None;
        for tenant in [A, A, B, B] {
            let (ticket, grant) = fair.ask(tenant);
            owner.insert(ticket, tenant);
            granted = granted.or(grant);
        }
        let mut had = [0, 0];
        for _ in 0..turns {
            let tenant = owner[&granted.unwrap()];
            had[usize::from(tenant == B)] += 1;
            fair.pay(tenant, Duration::from_millis(10));
            let (ticket, _) = fair.ask(tenant);
            owner.insert(ticket, tenant);
            granted = fair.release(tenant);
        }
        had
    }

    #[test]
    fn cores_are_shared_by_weight() {
        assert_eq!(turns(&mut cores(1, [1, 1]), 100), [50, 50]);
        let had = turns(&mut cores(1, [3, 1]), 100);
        assert!((74..=76).contains(&had[0]), "{had:?}");
    }

    #[test]
    fn idleness_saves_nothing_up() {
        let mut fair = cores(1, [1, 1]);
        let (first, granted) = fair.ask(A);
        assert_eq!(granted, Some(first));
        fair.pay(A, Duration::from_mins(1));
        assert!(!fair.is_due(A));
        let (newcomer, granted) = fair.ask(B);
        assert_eq!(granted, None);
        // B starts level with A and so has to wait until A has paid for its turn.
        assert!(!fair.is_due(A));
        fair.pay(A, Duration::from_millis(1));
        assert!(fair.is_due(A));
        assert_eq!(fair.release(A), Some(newcomer));
    }

    #[test]
    fn a_tenant_alone_has_all_cores() {
        let mut fair = cores(2, [1, 1]);
        assert!(fair.ask(A).1.is_some());
        assert!(fair.ask(A).1.is_some());
        assert!(fair.ask(A).1.is_none());
        assert!(fair.release(A).is_some());
        assert!(!fair.is_due(A));
    }
}
