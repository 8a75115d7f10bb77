//! Who is connected, and how often.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::attempts::whose;

/// Connections of each address.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection of an address, as long as it lasts.
#[derive(Debug)]
pub(super) struct Seat {
    of: IpAddr,
    addresses: Addresses,
}

impl Addresses {
    /// A connection from there, unless there are so many already.
    pub(super) fn seat(&self, from: IpAddr, most: usize) -> Option<Seat> {
        let of = whose(from);
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = seats.entry(of).or_default();
        if *taken >= most {
            return None;
        }
        *taken += 1;
        Some(Seat {
            of,
            addresses: self.clone(),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let addresses = &self.addresses.0;
        let mut seats = addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&self.of) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_so_many_seats_and_gets_them_back() {
        let addresses = Addresses::default();
        let (one, other) = (
            "1.2.3.4".parse().unwrap(),
            "::ffff:5.6.7.8".parse().unwrap(),
        );
        let first = addresses.seat(one, 2).unwrap();
        let second = addresses.seat(one, 2).unwrap();
        assert!(addresses.seat(one, 2).is_none());
        assert!(addresses.seat(other, 2).is_some());
        drop(first);
        assert!(addresses.seat(one, 2).is_some());
        drop(second);
        assert!(addresses.0.lock().unwrap().is_empty());
    }
}
