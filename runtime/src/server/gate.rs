//! How much a namespace may change at once, so that the others have their turn.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::model::Namespace;

/// Deploys of a namespace that wait for their turn, at most.
const MOST_WAITING: usize = 16;

/// Says who may change something now.
#[derive(Debug)]
pub(super) struct Gate {
    per_minute: NonZeroU32,
    namespaces: Mutex<BTreeMap<Namespace, Arc<Turns>>>,
    /// Those that compile and check: of any namespace, each of which has one at most.
    checking: Arc<Semaphore>,
}

#[derive(Debug)]
struct Turns {
    /// Changes that may still be made, and since when that many.
    left: Mutex<(f64, Duration)>,
    /// One deploys; the others hold a place to wait.
    deploys: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// Whoever has it deploys.
#[derive(Debug)]
pub(super) struct Turn {
    _deploys: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Gate {
    /// So many changes in a minute for each namespace, and so many deploys that are checked at once.
    pub(super) fn new(per_minute: NonZeroU32, at_once: usize) -> Self {
        Self {
            per_minute,
            namespaces: Mutex::default(),
            checking: Arc::new(Semaphore::new(at_once.max(1))),
        }
    }

    /// A change, if the namespace has not made too many. `now` is monotonic.
    pub(super) fn change(&self, namespace: &Namespace, now: Duration) -> Result<(), Problem> {
        let most = f64::from(self.per_minute.get());
        let turns = self.of(namespace);
        let mut left = turns.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, since) = *left;
        let fresh = now.saturating_sub(since).as_secs_f64() * most / 60.0;
        let there = (before + fresh).min(most);
        if there < 1.0 {
            let wait = ((1.0 - there) * 60.0 / most).ceil();
            *left = (there, now);
            return Err(Problem::too_many(
                "this namespace has changed too much in a short time",
                Duration::from_secs_f64(wait),
            ));
        }
        *left = (there - 1.0, now);
        Ok(())
    }

    /// Waits for the namespace's turn to deploy, unless too many wait already.
    pub(super) async fn turn(&self, namespace: &Namespace) -> Result<Turn, Problem> {
        let turns = self.of(namespace);
        let full = || {
            Problem::too_many(
                "many deploys of this namespace wait for their turn already",
                Duration::from_secs(1),
            )
        };
        let place = turns.places.clone().try_acquire_owned();
        let place = place.map_err(|_| full())?;
        let deploys = turns.deploys.clone().acquire_owned().await;
        Ok(Turn {
            _deploys: deploys.map_err(|_| full())?, // it is never closed
            _place: place,
        })
    }

    /// Waits until there is a core to compile and check on; namespaces come in the order in which
    /// they asked.
    pub(super) async fn check(&self) -> Option<OwnedSemaphorePermit> {
        self.checking.clone().acquire_owned().await.ok()
    }

    fn of(&self, namespace: &Namespace) -> Arc<Turns> {
        let mut namespaces = self
            .namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let turns = namespaces.entry(namespace.clone()).or_insert_with(|| {
            Arc::new(Turns {
                left: Mutex::new((f64::from(self.per_minute.get()), Duration::ZERO)),
                deploys: Arc::new(Semaphore::new(1)),
                places: Arc::new(Semaphore::new(1 + MOST_WAITING)),
            })
        });
        turns.clone()
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::*;

    fn namespace(name: &str) -> Namespace {
        name.parse().unwrap()
    }

    #[test]
    fn changes_come_back_with_time() {
        let gate = Gate::new(NonZeroU32::new(6).unwrap(), 1);
        let may = |name: &str, second| {
            let now = Duration::from_secs(second);
            gate.change(&namespace(name), now).is_ok()
        };
        assert!((0..6).all(|_| may("a", 100)));
        assert!(!may("a", 100) && !may("a", 109));
        assert!(may("b", 100), "each namespace has its own");
        assert!(may("a", 110) && !may("a", 111));
        assert!((0..6).all(|_| may("a", 1_000)) && !may("a", 1_000));
    }

    #[tokio::test]
    async fn one_deploys_some_wait_and_the_rest_are_refused() {
        let gate = Arc::new(Gate::new(NonZeroU32::MIN, 1));
        let first = gate.turn(&namespace("a")).await.unwrap();
        let waiting: Vec<_> = (0..MOST_WAITING)
            .map(|_| {
                let gate = gate.clone();
                Handle::current().spawn(async move { gate.turn(&namespace("a")).await.is_ok() })
            })
            .collect();
        while gate.of(&namespace("a")).places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(gate.turn(&namespace("a")).await.is_err());
        assert!(gate.turn(&namespace("b")).await.is_ok());
        drop(first);
        for waits in waiting {
            assert!(waits.await.unwrap());
        }
        assert!(gate.turn(&namespace("a")).await.is_ok());
    }
}
