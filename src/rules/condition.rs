//! When a rule applies: to which types, to whom, and below which names it does not.

use std::net::IpAddr;

use crate::model::{DomainName, NameRef, Prefix, RecordType};

/// What is asked, and who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The name asked for, or the name that an answer leads to.
    pub name: NameRef<'a>,
    /// The type asked for; of what an answer leads to, the type of the record that does.
    pub query_type: RecordType,
    /// Who asks.
    pub asker: Asker<'a>,
}

/// Who asks, as conditions know devices.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The address, IPv4-mapped ones as IPv4.
    pub address: IpAddr,
    /// Names and identifiers of the device, lower case.
    pub names: &'a [Box<str>],
    /// Its tags, lower case.
    pub tags: &'a [Box<str>],
}

/// When a rule applies; empty parts do not restrict.
///
/// Excluded ones speak first; then, where any are included, one of those must be met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Types, sorted.
    pub types: Selection<RecordType>,
    /// Devices, sorted.
    pub clients: Selection<ClientMatch>,
    /// Tags of devices, sorted.
    pub tags: Selection<Box<str>>,
    /// Names, with all below them, for which the rule does not apply; sorted.
    pub except: Box<[Except]>,
}

/// What must not be met, and of what one must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection<T> {
    /// None of these may be met.
    pub exclude: Box<[T]>,
    /// If there are any, one of these must be met.
    pub include: Box<[T]>,
}

/// One value of `$client`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientMatch {
    /// An address or prefix.
    Address(Prefix),
    /// A name, lower case.
    Name(Box<str>),
}

/// One value of `$denyallow`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Except {
    /// The name and all below it.
    Name(DomainName),
    /// `x.*`: the name under any public suffix, and all below it.
    UnderAnySuffix(DomainName),
}

impl Condition {
    /// Returns whether the rule applies to what is asked.
    pub fn holds(&self, asking: &Asking<'_>) -> bool {
        let asker = asking.asker;
        self.types.holds(|&wanted| wanted == asking.query_type)
            && self.clients.holds(|client| client.is(asker))
            && self.tags.holds(|tag| asker.tags.contains(tag))
            && !self.except.iter().any(|except| except.covers(asking.name))
    }

    /// Returns how many parts restrict (`filter-rules.md`, section 9.7).
    pub fn points(&self) -> u8 {
        u8::from(!self.types.is_empty())
            + u8::from(!self.clients.is_empty())
            + u8::from(!self.tags.is_empty())
            + u8::from(!self.except.is_empty())
    }

    /// Returns whether it restricts nothing.
    pub fn is_empty(&self) -> bool {
        self.points() == 0
    }
}

impl<T> Selection<T> {
    /// Returns whether nothing excluded is met, and one of those included if there are any.
    pub fn holds(&self, is_met: impl Fn(&T) -> bool) -> bool {
        !self.exclude.iter().any(&is_met)
            && (self.include.is_empty() || self.include.iter().any(is_met))
    }

    /// Returns whether it restricts nothing.
    pub fn is_empty(&self) -> bool {
        self.exclude.is_empty() && self.include.is_empty()
    }
}

impl<T> Default for Selection<T> {
    fn default() -> Selection<T> {
        Selection { exclude: Box::default(), include: Box::default() }
    }
}

impl ClientMatch {
    fn is(&self, asker: Asker<'_>) -> bool {
        match self {
            ClientMatch::Address(prefix) => prefix.contains(asker.address),
            ClientMatch::Name(name) => asker.names.contains(name),
        }
    }
}

impl Except {
    fn covers(&self, name: NameRef<'_>) -> bool {
        match self {
            Except::Name(above) => name.is_subdomain_of(above.as_ref()),
            Except::UnderAnySuffix(above) => {
                let labels: Vec<&[u8]> = name.labels().collect();
                let wanted: Vec<&[u8]> = above.as_ref().labels().collect();
                (0..labels.len()).any(|start| {
                    let Some(rest) = labels.get(start..) else { return false };
                    let Some(suffix) = rest.strip_prefix(&*wanted) else { return false };
                    !suffix.is_empty() && is_public_suffix(suffix)
                })
            }
        }
    }
}

/// Returns whether labels are a suffix that the public suffix list has a rule for.
fn is_public_suffix(labels: &[&[u8]]) -> bool {
    use psl::{List, Psl};
    let octets: usize = labels.iter().map(|label| label.len() + 1).sum();
    let suffix = List.find(labels.iter().rev().copied());
    suffix.typ.is_some() && suffix.len + 1 == octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn holds(condition: &Condition, text: &str, query_type: RecordType) -> bool {
        let (names, tags): ([Box<str>; 1], [Box<str>; 1]) = (["tv".into()], ["user_child".into()]);
        let asker = Asker { address: [192, 0, 2, 9].into(), names: &names, tags: &tags };
        condition.holds(&Asking { name: name(text).as_ref(), query_type, asker })
    }

    fn only<T>(include: T) -> Selection<T> {
        Selection { include: [include].into(), ..Selection::default() }
    }

    fn not<T>(exclude: T) -> Selection<T> {
        Selection { exclude: [exclude].into(), ..Selection::default() }
    }

    #[test]
    fn types_clients_and_tags_restrict() {
        let of_type = |types| Condition { types, ..Condition::default() };
        assert!(holds(&of_type(only(RecordType::A)), "x.com", RecordType::A));
        assert!(!holds(&of_type(only(RecordType::A)), "x.com", RecordType::AAAA));
        assert!(!holds(&of_type(not(RecordType::A)), "x.com", RecordType::A));
        let of_client = |clients| Condition { clients, ..Condition::default() };
        let prefix: Prefix = "192.0.2.0/24".parse().expect("a prefix");
        for met in [ClientMatch::Address(prefix), ClientMatch::Name("tv".into())] {
            assert!(holds(&of_client(only(met.clone())), "x.com", RecordType::A), "{met:?}");
            assert!(!holds(&of_client(not(met.clone())), "x.com", RecordType::A), "{met:?}");
        }
        let of_tag = |tags| Condition { tags, ..Condition::default() };
        assert!(holds(&of_tag(only("user_child".into())), "x.com", RecordType::A));
        assert!(!holds(&of_tag(only("user_admin".into())), "x.com", RecordType::A));
    }

    #[test]
    fn names_are_excepted_with_all_below_and_under_any_suffix() {
        let except = Condition {
            except: [Except::Name(name("a.com")), Except::UnderAnySuffix(name("shop"))].into(),
            ..Condition::default()
        };
        for spared in ["a.com", "b.a.com", "shop.de", "www.shop.co.uk"] {
            assert!(!holds(&except, spared, RecordType::A), "{spared}");
        }
        for met in ["ba.com", "shop", "shop.example.com", "x.com"] {
            assert!(holds(&except, met, RecordType::A), "{met}");
        }
    }
}
