//! Addresses of networks and of their hardware.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a text is an address with the bits of its network; those of a single host only stand there `always`.
pub(super) fn inet(text: &str, always: bool) -> bool {
    parse(text).is_some_and(|(address, bits)| {
        let single = bits == all_bits(address);
        match (single && !always, text.contains('/')) {
            (true, slash) => !slash,
            (false, slash) => slash,
        }
    })
}

/// Whether a text is a network: the bits of hosts are zero.
pub(super) fn cidr(text: &str) -> bool {
    text.contains('/')
        && parse(text).is_some_and(|(address, bits)| match address {
            IpAddr::V4(v4) => v4.to_bits().checked_shl(bits).unwrap_or(0) == 0,
            IpAddr::V6(v6) => v6.to_bits().checked_shl(bits).unwrap_or(0) == 0,
        })
}

fn all_bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address and the bits of its network, all without a slash, if it is spelled as the server does.
fn parse(text: &str) -> Option<(IpAddr, u32)> {
    let (host, bits) = text.split_once('/').map_or((text, None), |(host, bits)| (host, Some(bits)));
    let address: IpAddr = host.parse().ok()?;
    let most = all_bits(address);
    let bits = match bits {
        Some(text) => text.parse().ok().filter(|bits: &u32| *bits <= most && bits.to_string() == text)?,
        None => most,
    };
    let printed = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => print(v6),
    };
    (printed == host).then_some((address, bits))
}

/// As `inet_net_ntop` does: an address that begins with 96 bits of zeros, or 80 of zeros and 16 of ones, ends as one of
/// version 4.
fn print(address: Ipv6Addr) -> String {
    let words = address.segments();
    let [.., high, low] = words;
    let v4 = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match words {
        [0, 0, 0, 0, 0, 0, high, _] if high > 0 => format!("::{v4}"),
        [0, 0, 0, 0, 0, 0xffff, ..] => format!("::ffff:{v4}"),
        _ => address.to_string(),
    }
}

/// Whether a text is an address of so many bytes, each in two hexadecimal digits.
pub(super) fn hardware(text: &str, bytes: usize) -> bool {
    let mut parts = text.split(':');
    let is_byte =
        |part: &str| part.len() == 2 && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    parts.clone().count() == bytes && parts.all(is_byte)
}
