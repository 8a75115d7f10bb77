//! All that may be connected to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use super::{AllowedAddress, allowed::plain};

/// Servers that may be connected to, and those that never may, whatever is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    allowed: Vec<AllowedAddress>,
    /// Where this process listens.
    own: Vec<SocketAddr>,
}

impl Addresses {
    #[must_use]
    pub(super) fn and(mut self, more: impl IntoIterator<Item = AllowedAddress>) -> Self {
        self.allowed.extend(more);
        self
    }

    #[must_use]
    pub(super) fn without(mut self, own: SocketAddr) -> Self {
        self.own.push(own);
        self
    }

    /// Whether this may be connected to, to which the name leads.
    pub(super) fn allow(&self, name: &str, address: SocketAddr) -> bool {
        let (ip, port) = (plain(address.ip()), address.port());
        let mut allowed = self.allowed.iter();
        allowed.any(|it| it.allows(name, ip, port)) && !self.is_own(ip, port)
    }

    /// Whether this name can be allowed, whatever it leads to.
    pub(super) fn may_allow(&self, name: &str, port: u16) -> bool {
        self.allowed.iter().any(|it| it.may_allow(name, port))
    }

    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        let mut own = self.own.iter().filter(|own| own.port() == port);
        own.any(|own| {
            let own = plain(own.ip());
            // Who connects to no address in particular reaches this machine.
            own == ip || ip.is_unspecified() || (own.is_unspecified() && is_here(ip))
        })
    }
}

/// It is an address of this machine: only such a one can be bound to.
fn is_here(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.allowed.is_empty() {
            return f.write_str("nothing");
        }
        let texts: Vec<_> = self.allowed.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_listens_on_is_never_allowed() {
        let here = |own: &str| {
            let all = ["127.0.0.0/8:*", "0.0.0.0:*", "[::1]:*", "localhost:*"];
            let all = all.map(|text| text.parse().unwrap());
            Addresses::default().and(all).without(own.parse().unwrap())
        };
        for (own, address, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", false),
            ("127.0.0.1:80", "127.0.0.1:81", true),
            ("127.0.0.1:80", "127.0.0.2:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", false),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", false),
            ("0.0.0.0:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.2:81", true),
            ("[::]:80", "[::1]:80", false),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            let allowed = here(own).allow("localhost", address);
            assert_eq!(allowed, expected, "{own} {address}");
        }
    }
}
