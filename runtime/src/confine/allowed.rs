//! Servers that may be connected to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    str::FromStr,
};

/// `host:port`. The host is a name (`db.internal`), all names below one (`*.example.com`), an
/// address, a network (`10.0.0.0/8`, `[fd00::]/8`), or `*` for every public address. The port is
/// one, a range (`9000-9010`) or `*`.
///
/// Only an address or a network allows what is never meant by a name: this machine, its link,
/// where clouds tell secrets, multicast. `localhost` is this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedAddress {
    host: Host,
    ports: RangeInclusive<u16>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Public,
    Name(String),
    /// With the dot before it.
    Below(String),
    Network(IpAddr, u8),
}

/// A text that allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address that can be allowed; write host:port, where the host is a name, *.name, an address, a network (10.0.0.0/8) or *, and the port is a number, a range (9000-9010) or *"
)]
pub struct InvalidAllowed(String);

impl AllowedAddress {
    /// Whether a connection to this address, which the name leads to, is allowed. The address must
    /// have been looked at by [`plain`].
    pub(super) fn allows(&self, name: &str, ip: IpAddr, port: u16) -> bool {
        self.ports.contains(&port)
            && match &self.host {
                Host::Network(network, bits) => lies_in(ip, *network, *bits),
                Host::Public => is_public(ip),
                Host::Name(allowed) if allowed == "localhost" => {
                    allowed == name && ip.is_loopback()
                }
                Host::Name(allowed) => allowed == name && !is_special(ip),
                Host::Below(_) => self.is_named(name) && !is_special(ip),
            }
    }

    /// Whether it can allow this name, whatever that leads to.
    pub(super) fn may_allow(&self, name: &str, port: u16) -> bool {
        self.ports.contains(&port)
            && match &self.host {
                Host::Network(..) | Host::Public => true,
                Host::Name(_) | Host::Below(_) => self.is_named(name),
            }
    }

    fn is_named(&self, name: &str) -> bool {
        match &self.host {
            Host::Name(allowed) => allowed == name,
            Host::Below(end) => name.len() > end.len() && name.ends_with(end.as_str()),
            Host::Network(..) | Host::Public => false,
        }
    }
}

/// An address without the clothes of IPv6 that lead to one of IPv4.
pub(super) fn plain(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else {
        return ip;
    };
    let v4 = |high: u16, low: u16| {
        let ([first, second], [third, fourth]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(first, second, third, fourth))
    };
    match v6.segments() {
        // As it was once written; that is not for `::` and `::1`.
        [0, 0, 0, 0, 0, 0, 0, _] => ip,
        // That, mapped, and translated on the way, by two prefixes.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // Tunnelled.
        | [0x2002, high, low, ..] => v4(high, low),
        _ => ip,
    }
}

fn lies_in(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let free = width - u32::from(bits).min(width);
        a.checked_shr(free).unwrap_or(0) == b.checked_shr(free).unwrap_or(0)
    };
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            same(ip.to_bits().into(), network.to_bits().into(), 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => same(ip.to_bits(), network.to_bits(), 128),
        _ => false,
    }
}

/// Never meant by a name.
fn is_special(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            // The last two are where clouds tell a machine its secrets; the others are link-local.
            let secrets = [
                Ipv4Addr::new(100, 100, 100, 200),
                Ipv4Addr::new(192, 0, 0, 192),
            ];
            ip.octets()[0] == 0
                || ip.octets()[0] >= 240
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || secrets.contains(&ip)
        }
        IpAddr::V6(ip) => {
            let secrets = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
            ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_multicast()
                || ip == secrets
        }
    }
}

fn is_public(ip: IpAddr) -> bool {
    let is_inside = match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            ip.is_private()
                || (a == 100 && (64..128).contains(&b))
                || (a, b, c) == (192, 0, 0)
                || (a == 198 && (18..20).contains(&b))
        }
        // Only 2000::/3 is given out.
        IpAddr::V6(ip) => ip.segments()[0] >> 13 != 1,
    };
    !is_inside && !is_special(ip)
}

impl FromStr for AllowedAddress {
    type Err = InvalidAllowed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAllowed(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let ports = match port.split_once('-') {
            _ if port == "*" => 0..=u16::MAX,
            Some((first, last)) => {
                first.parse().map_err(|_| invalid())?..=last.parse().map_err(|_| invalid())?
            }
            None => {
                let port = port.parse().map_err(|_| invalid())?;
                port..=port
            }
        };
        let host = host_of(host).filter(|_| !ports.is_empty());
        Ok(Self {
            host: host.ok_or_else(invalid)?,
            ports,
            text: text.to_owned(),
        })
    }
}

fn host_of(text: &str) -> Option<Host> {
    if text == "*" {
        return Some(Host::Public);
    }
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        return (bits <= most).then_some(Host::Network(ip, bits));
    }
    let (name, is_end) = match address.strip_prefix('*') {
        Some(rest) => (rest.strip_prefix('.')?, true),
        None => (address, false),
    };
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if bits.is_some() || name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let name = super::address::same_name(name);
    Some(match is_end {
        true => Host::Below(format!(".{name}")),
        false => Host::Name(name),
    })
}

impl fmt::Display for AllowedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(pattern: &str, name: &str, ip: &str, port: u16) -> bool {
        let pattern: AllowedAddress = pattern.parse().unwrap();
        pattern.allows(name, plain(ip.parse().unwrap()), port)
    }

    #[test]
    fn an_address_is_allowed_by_what_it_is() {
        for (pattern, name, ip, port, expected) in [
            ("db.x:5432", "db.x", "10.0.0.7", 5432, true),
            ("db.x:5432", "db.x", "10.0.0.7", 5433, false),
            ("db.x:5432", "db.y", "10.0.0.7", 5432, false),
            ("db.x:5430-5439", "db.x", "10.0.0.7", 5432, true),
            ("DB.x:*", "db.x", "10.0.0.7", 1, true),
            // A name never leads to this machine, its link, or what clouds tell.
            ("db.x:*", "db.x", "127.0.0.1", 80, false),
            ("db.x:*", "db.x", "169.254.169.254", 80, false),
            ("db.x:*", "db.x", "fd00:ec2::254", 80, false),
            ("db.x:*", "db.x", "0.0.0.0", 80, false),
            ("db.x:*", "db.x", "::", 80, false),
            ("db.x:*", "db.x", "fe80::1", 80, false),
            ("db.x:*", "db.x", "100.100.100.200", 80, false),
            ("localhost:*", "localhost", "127.0.0.1", 80, true),
            ("localhost:*", "localhost", "::1", 80, true),
            ("localhost:*", "localhost", "10.0.0.1", 80, false),
            ("localhost:*", "127.0.0.1", "127.0.0.1", 80, false),
            ("*.x.org:80", "a.x.org", "8.8.8.8", 80, true),
            ("*.x.org:80", "x.org", "8.8.8.8", 80, false),
            ("*.x.org:80", "ax.org", "8.8.8.8", 80, false),
            ("*.x.org:80", "a.x.org", "127.0.0.1", 80, false),
            ("*:*", "any", "8.8.8.8", 80, true),
            ("*:*", "any", "2606:4700::1111", 80, true),
            ("*:*", "any", "10.0.0.1", 80, false),
            ("*:*", "any", "192.168.0.1", 80, false),
            ("*:*", "any", "100.64.0.1", 80, false),
            ("*:*", "any", "fd12::1", 80, false),
            ("*:*", "any", "127.0.0.1", 80, false),
            ("*:*", "any", "169.254.169.254", 80, false),
            // IPv4 in IPv6 is IPv4.
            ("*:*", "any", "::ffff:127.0.0.1", 80, false),
            ("*:*", "any", "::ffff:169.254.169.254", 80, false),
            ("*:*", "any", "::127.0.0.1", 80, false),
            ("*:*", "any", "64:ff9b::7f00:1", 80, false),
            ("*:*", "any", "2002:7f00:1::", 80, false),
            ("10.0.0.0/8:80", "any", "::ffff:10.1.2.3", 80, true),
            ("10.0.0.0/8:80", "any", "10.255.255.255", 80, true),
            ("10.0.0.0/8:80", "any", "11.0.0.0", 80, false),
            ("0.0.0.0/0:80", "any", "11.0.0.0", 80, true),
            ("127.0.0.1:80", "any", "127.0.0.1", 80, true),
            ("169.254.169.254:80", "any", "169.254.169.254", 80, true),
            ("[::1]:80", "any", "::1", 80, true),
            ("[fd00::]/8:80", "any", "fd12::1", 80, true),
            ("[fd00::]/8:80", "any", "fe80::1", 80, false),
            ("[::]/0:80", "any", "fe80::1", 80, true),
        ] {
            assert_eq!(
                allowed(pattern, name, ip, port),
                expected,
                "{pattern}: {name} {ip} {port}"
            );
        }
    }

    #[test]
    fn what_allows_nothing_is_told() {
        for text in [
            "db",
            "db:",
            ":80",
            "db:70000",
            "db:9-1",
            "10.0.0.0/33:80",
            "*x:80",
            "a b:80",
            "db/8:80",
        ] {
            let error = text.parse::<AllowedAddress>().unwrap_err().to_string();
            assert!(error.contains("write host:port"), "{text}: {error}");
        }
    }
}
