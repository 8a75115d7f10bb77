//! Failed attempts to show a token, by address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::problem::Problem;

/// How long attempts count.
const WINDOW: Duration = Duration::from_mins(1);

/// Failed attempts in that time, of an address with any token, or with one id.
const MOST: u32 = 20;

/// Addresses, and ids at addresses, that are counted at once. Who has more is counted anew.
const MOST_COUNTED: usize = 10_000;

/// Counts failed attempts: of each address, and of each id of a token at an address. Who guesses the
/// secret of a token is not looked at for a while; others behind the same address, who know
/// theirs, are.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<(IpAddr, Option<String>), Count>>);

#[derive(Debug, Clone, Copy)]
struct Count {
    begun: Duration,
    failed: u32,
}

impl Attempts {
    /// Whether a token with this id may be tried from this address. `now` is monotonic.
    pub(super) fn may_try(&self, from: IpAddr, id: &str, now: Duration) -> Result<(), Problem> {
        self.check(&(whose(from), Some(id.to_owned())), now)
    }

    /// Counts a failed attempt; `id` is that of a token that there is. Answers with what to say.
    pub(super) fn failed(
        &self,
        from: IpAddr,
        id: Option<&str>,
        now: Duration,
    ) -> Result<(), Problem> {
        let address = whose(from);
        if let Some(id) = id {
            self.count((address, Some(id.to_owned())), now);
        }
        let said = self.check(&(address, None), now);
        if self.count((address, None), now) == MOST {
            tracing::warn!("{from} has shown {MOST} wrong tokens in a minute");
        }
        said
    }

    fn check(&self, key: &(IpAddr, Option<String>), now: Duration) -> Result<(), Problem> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(key).filter(|count| count.lasts(now));
        match count {
            Some(count) if count.failed >= MOST => Err(Problem::too_many(
                "too many wrong tokens came from this address",
                (count.begun + WINDOW).saturating_sub(now),
            )),
            _ => Ok(()),
        }
    }

    fn count(&self, key: (IpAddr, Option<String>), now: Duration) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST_COUNTED && !counts.contains_key(&key) {
            counts.retain(|_, count| count.lasts(now));
            if counts.len() >= MOST_COUNTED {
                counts.clear();
            }
        }
        let count = counts.entry(key).or_insert(Count {
            begun: now,
            failed: 0,
        });
        if !count.lasts(now) {
            *count = Count {
                begun: now,
                failed: 0,
            };
        }
        count.failed = count.failed.saturating_add(1);
        count.failed
    }
}

impl Count {
    fn lasts(&self, now: Duration) -> bool {
        now.saturating_sub(self.begun) < WINDOW
    }
}

/// Who has an address of IPv6 has all of its network.
pub(super) fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn who_guesses_is_not_looked_at_until_the_minute_is_over() {
        let attempts = Attempts::default();
        let (bad, good): (IpAddr, IpAddr) =
            ("1.2.3.4".parse().unwrap(), "5.6.7.8".parse().unwrap());
        for _ in 0..MOST {
            attempts.may_try(bad, "known", at(5)).unwrap();
            attempts.failed(bad, Some("known"), at(5)).unwrap();
        }
        // With that id nothing is looked at, and other guesses are told so, too.
        attempts.may_try(bad, "known", at(64)).unwrap_err();
        attempts.failed(bad, None, at(64)).unwrap_err();
        // Whoever else is there is looked at, and from elsewhere all are.
        attempts.may_try(bad, "other", at(6)).unwrap();
        attempts.may_try(good, "known", at(6)).unwrap();
        attempts.may_try(bad, "known", at(65)).unwrap();
        attempts.failed(bad, None, at(65)).unwrap();
    }

    #[test]
    fn addresses_of_one_network_are_one_and_memory_has_bounds() {
        let attempts = Attempts::default();
        for n in 0..MOST {
            let from = format!("2001:db8::{n:x}").parse().unwrap();
            attempts.failed(from, None, at(1)).unwrap();
        }
        let same = "2001:db8::ffff".parse().unwrap();
        attempts.failed(same, None, at(1)).unwrap_err();
        for n in 0..u32::try_from(MOST_COUNTED).unwrap() * 2 {
            let from = IpAddr::V4((n << 8).into());
            attempts.failed(from, None, at(2)).unwrap();
        }
        assert!(attempts.0.lock().unwrap().len() <= MOST_COUNTED);
    }
}
