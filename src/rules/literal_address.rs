//! Names that are written like addresses.

use std::net::IpAddr;

use crate::model::{NameRef, Presentation};

/// Returns the address that a name is written like, if it may be one.
pub fn literal_address(name: NameRef<'_>) -> Option<IpAddr> {
    let last = name.labels().last()?;
    let may_be = last.iter().all(u8::is_ascii_digit) || last.contains(&b':');
    if !may_be {
        return None;
    }
    std::str::from_utf8(Presentation::of(name).octets()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    #[test]
    fn names_that_are_written_like_addresses_are_known() {
        let address = |text: &str| {
            literal_address(DomainName::from_presentation(text).expect("a name").as_ref())
        };
        assert_eq!(address("192.0.2.1"), Some([192, 0, 2, 1].into()));
        assert_eq!(address("2001:db8::1"), "2001:db8::1".parse().ok());
        for text in ["192.0.2", "192.0.2.1.com", "1.192.0.2.1", "x:", "."] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
