//! The section `[devices]` of config.toml.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::Prefix;

/// Most forwarders; each is compared with who claims to be another.
const MAX_FORWARDERS: usize = 256;
/// Fewest bits of a forwarder's prefix: a network of one's own is never larger.
const FEWEST_BITS: u8 = 8;

/// Whose word on devices counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Forwarders that may say for whom they ask: addresses and prefixes.
    pub forwarders: Vec<Prefix>,
}

impl Settings {
    /// Checks what the types cannot; tells every problem, one a line.
    pub fn check(&self) -> Result<(), String> {
        let mut wrong: Vec<String> =
            self.forwarders.iter().filter_map(|prefix| problem(*prefix)).collect();
        if self.forwarders.len() > MAX_FORWARDERS {
            wrong.push(format!("`forwarders` are at most {MAX_FORWARDERS}; use prefixes"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }
}

fn problem(prefix: Prefix) -> Option<String> {
    let address = prefix.address();
    if prefix.bits() < FEWEST_BITS {
        return Some(format!(
            "`forwarders`: {prefix} would let nearly anybody ask in the name of any device; name \
             the addresses of your forwarders"
        ));
    }
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    let nobody = address.is_unspecified() || address.is_multicast() || broadcast;
    nobody.then(|| format!("`forwarders`: {prefix} is nobody's address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(forwarders: &[&str]) -> Result<(), String> {
        let read = |text: &&str| text.parse().expect("a prefix");
        Settings { forwarders: forwarders.iter().map(read).collect() }.check()
    }

    #[test]
    fn routers_proxies_and_this_machine_may_be_forwarders() {
        assert_eq!(Settings::default().check(), Ok(()));
        let right = ["192.168.1.1", "fd00::1", "127.0.0.1", "::1", "127.0.0.0/8", "10.9.0.0/24"];
        assert_eq!(told(&right), Ok(()));
    }

    #[test]
    fn a_prefix_of_everybody_or_nobody_is_refused_in_words() {
        for all in ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "2000::/3", "::ffff:0:0/96"] {
            let text = told(&[all]).expect_err(all);
            assert!(text.contains("nearly anybody"), "{text}");
        }
        for nobody in ["0.0.0.0", "::", "224.0.0.0/8", "ff02::1", "255.255.255.255"] {
            let text = told(&["192.168.1.1", nobody]).expect_err(nobody);
            assert!(text.contains(nobody) && text.lines().count() == 1, "{text}");
        }
        assert!(told(&vec!["192.168.1.1"; 257]).is_err());
    }
}
