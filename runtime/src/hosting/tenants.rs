//! The namespaces that have something here: their share of the cores, their accounts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::{Quota, Shares, lock};
use crate::{
    account::{Account, Allowance},
    clock::Clock,
    model::Namespace,
    scheduler::{Pool, Tenant},
};

/// The namespaces that have something here.
pub(super) struct Tenants {
    shares: Shares,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool>,
    known: Mutex<BTreeMap<Namespace, (Tenant, Arc<Account>)>>,
}

impl Tenants {
    pub(super) fn new(shares: Shares, clock: Arc<dyn Clock>, pool: Arc<Pool>) -> Self {
        Self {
            shares,
            clock,
            pool,
            known: Mutex::default(),
        }
    }

    /// What a namespace may have.
    pub(super) fn quota(&self, namespace: &Namespace) -> Quota {
        self.shares.of(namespace).quota
    }

    /// What a namespace is charged for what is none of its topologies'.
    pub(super) fn account(&self, namespace: &Namespace) -> Arc<Account> {
        self.of(namespace).1
    }

    /// A share of the namespace's cores, for a topology with this account.
    pub(super) fn fellow(&self, namespace: &Namespace, account: Arc<Account>) -> Tenant {
        self.of(namespace).0.fellow().with_account(account)
    }

    /// Those that had something since the server began.
    pub(super) fn all(&self) -> Vec<(Namespace, Arc<Account>)> {
        let known = lock(&self.known);
        let all = known.iter();
        all.map(|(namespace, (_, account))| (namespace.clone(), account.clone()))
            .collect()
    }

    fn of(&self, namespace: &Namespace) -> (Tenant, Arc<Account>) {
        let mut known = lock(&self.known);
        let made = known.entry(namespace.clone()).or_insert_with(|| {
            let share = self.shares.of(namespace);
            let allowance = Allowance::new(share.quota.bounds(), self.clock.clone());
            let account = Arc::new(Account::limited(Arc::new(allowance)));
            (self.pool.tenant(share.weight), account)
        });
        made.clone()
    }
}
