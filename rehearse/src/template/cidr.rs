//! Fn::Cidr divides an IPv4 or IPv6 range into smaller ones.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-cidr.html>

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first `count` ranges in `block`, each with 2 to the power of `bits` addresses. `Err` says
/// what is wrong.
pub(super) fn blocks(block: &str, count: &str, bits: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("Fn::Cidr needs a range such as 10.0.0.0/16, not {block}");
    let (address, prefix) = block.split_once('/').ok_or_else(wrong)?;
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let prefix: u32 = prefix.parse().map_err(|_| wrong())?;
    // CloudFormation's limit is 256 ranges.
    let count: u128 = count
        .parse()
        .ok()
        .filter(|count| (1..=256).contains(count))
        .ok_or_else(|| format!("Fn::Cidr gives 1 to 256 ranges, not {count}"))?;
    let width: u32 = if address.is_ipv4() { 32 } else { 128 };
    let bits: u32 = bits
        .parse()
        .map_err(|_| format!("Fn::Cidr needs a number of bits, not {bits}"))?;
    let room = width.checked_sub(prefix).ok_or_else(wrong)?;
    if bits > room || room - bits < 8 && count > 1 << (room - bits) {
        return Err(format!(
            "{block} has no room for {count} ranges of {bits} bits each"
        ));
    }
    let start = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    // A shift by all 128 bits would overflow.
    let start = if room == 128 {
        0
    } else {
        start >> room << room
    };
    let range = |number: u128| {
        let first = start + (number << bits);
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(first).unwrap_or(u32::MAX))),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(first)),
        };
        format!("{address}/{}", width - bits)
    };
    Ok((0..count).map(range).collect())
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn a_range_is_cut_into_smaller_ones() {
        assert_eq!(
            blocks("10.0.0.0/16", "3", "8").unwrap(),
            ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]
        );
        assert_eq!(
            blocks("2600:1f14:abc:de00::/56", "2", "64").unwrap(),
            ["2600:1f14:abc:de00::/64", "2600:1f14:abc:de01::/64"]
        );
    }

    #[test]
    fn a_range_that_cannot_be_divided_is_named() {
        assert_eq!(
            blocks("10.0.0.0/24", "4", "7").unwrap_err(),
            "10.0.0.0/24 has no room for 4 ranges of 7 bits each"
        );
        assert!(blocks("vpc", "1", "8").unwrap_err().contains("not vpc"));
        assert!(
            blocks("10.0.0.0/40", "1", "8")
                .unwrap_err()
                .contains("not 10.0.0.0/40")
        );
        assert!(
            blocks("10.0.0.0/16", "999", "8")
                .unwrap_err()
                .contains("1 to 256")
        );
    }
}
