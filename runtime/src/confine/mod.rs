//! What a topology may reach of the machine and the network, and how it is kept to that.
//!
//! A checked topology names files as [`Place`]s and servers as [`Address`]es. As they are, they may
//! be anything that the process may reach. `topology::confine` ties each to what a [`Confinement`]
//! allows: from then on a place is opened beneath a directory that is held open, however often it is
//! opened, and an address is connected to only if what it resolves to is allowed.

mod address;
mod addresses;
mod allowed;
mod confinement;
mod place;
mod root;
mod seen;

pub(crate) use address::allowed_of;
pub use address::{Address, Refused};
pub use addresses::Addresses;
pub use allowed::{AllowedAddress, InvalidAllowed};
pub use confinement::{Confinement, NoRoot};
pub use place::Place;
pub use seen::Seen;
