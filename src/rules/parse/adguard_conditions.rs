//! Values of AdGuard's modifiers that restrict a rule: types, devices, tags, names.

use crate::model::{DomainName, RecordType};
use crate::rules::{ClientMatch, Except, Selection};

use super::{prefix, split_unescaped, unescaped};

/// Reads `A|~AAAA|TYPE65`.
pub fn types(value: &str) -> Result<Selection<RecordType>, String> {
    selection(value, record_type)
}

/// Reads the name or number of a type.
pub fn record_type(text: &str) -> Result<RecordType, String> {
    text.parse().map_err(|_| format!("`{}` is no record type", super::escaped(text)))
}

/// Reads `user_child|~device_tv`.
pub fn tags(value: &str) -> Result<Selection<Box<str>>, String> {
    selection(value, |text| {
        let is_fit = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if text.bytes().all(is_fit) {
            Ok(text.into())
        } else {
            Err(format!("`{}` is no tag: letters a to z, digits, `_`", super::escaped(text)))
        }
    })
}

/// Reads `192.0.2.0/24|~'Mary\'s phone'|tv`.
pub fn clients(value: &str) -> Result<Selection<ClientMatch>, String> {
    selection(value, |text| {
        let name = unquoted(text)?;
        let address = prefix(&name).map(ClientMatch::Address);
        Ok(address.unwrap_or_else(|| ClientMatch::Name(name.to_lowercase().into())))
    })
}

/// Reads `a.com|b.*`.
pub fn except(value: &str) -> Result<Box<[Except]>, String> {
    let names = selection(value, |text| {
        let under_any = text.strip_suffix(".*");
        let name = DomainName::parse(under_any.unwrap_or(text));
        let name = name.map_err(|error| format!("`{}`: {error}", super::escaped(text)))?;
        Ok(if under_any.is_some() { Except::UnderAnySuffix(name) } else { Except::Name(name) })
    })?;
    match names {
        Selection { include, exclude } if exclude.is_empty() => Ok(include),
        _ => Err("`denyallow` takes no `~`".to_string()),
    }
}

/// Reads values between bars, a `~` before those that are excluded; sorted, each once.
fn selection<T: Ord>(
    value: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Selection<T>, String> {
    let (mut exclude, mut include) = (Vec::new(), Vec::new());
    for item in split_unescaped(value, '|') {
        let (into, text) = match item.strip_prefix('~') {
            Some(text) => (&mut exclude, text),
            None => (&mut include, item),
        };
        if text.is_empty() {
            return Err("an empty value".to_string());
        }
        into.push(read(text)?);
    }
    for values in [&mut exclude, &mut include] {
        values.sort_unstable();
        values.dedup();
    }
    Ok(Selection { exclude: exclude.into(), include: include.into() })
}

/// Takes quotes and escapes off a name.
fn unquoted(text: &str) -> Result<String, String> {
    for quote in ['\'', '"'] {
        let Some(rest) = text.strip_prefix(quote) else {
            continue;
        };
        let inner = rest.strip_suffix(quote).filter(|inner| !inner.ends_with('\\'));
        let inner = inner.ok_or_else(|| "a quote that is not closed".to_string())?;
        if inner.is_empty() {
            return Err("an empty value".to_string());
        }
        return Ok(unescaped(inner, &[quote, ',', '|', '$']));
    }
    Ok(unescaped(text, &['\'', '"', ',', '|', '$']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ClientMatch {
        ClientMatch::Name(text.into())
    }

    fn included(value: &str) -> Vec<ClientMatch> {
        let selection = clients(value).expect(value);
        assert!(selection.exclude.is_empty(), "{value}");
        selection.include.into()
    }

    #[test]
    fn clients_are_addresses_prefixes_and_names_without_case() {
        let address = |text: &str| ClientMatch::Address(text.parse().expect("a prefix"));
        assert_eq!(included("192.0.2.9"), [address("192.0.2.9")]);
        assert_eq!(included("127.0.0.1/8"), [address("127.0.0.0/8")]);
        assert_eq!(included("2001:DB8:0::1"), [address("2001:db8::1")]);
        assert_eq!(included("::ffff:192.0.2.9"), [address("192.0.2.9")]);
        assert_eq!(included("fe80::1%eth0"), [address("fe80::1")]);
        assert_eq!(included("Kid-Tablet"), [name("kid-tablet")]);
        assert_eq!(included("b|a|A"), [name("a"), name("b")]);
    }

    #[test]
    fn names_are_quoted_and_escaped() {
        assert_eq!(included(r"'Mary\'s phone'"), [name("mary's phone")]);
        assert_eq!(included(r#""Mary's phone""#), [name("mary's phone")]);
        assert_eq!(included(r"'a\,b\|c'|d"), [name("a,b|c"), name("d")]);
        assert_eq!(included(r"a\$b"), [name("a$b")]);
        assert_eq!(included("Frank's"), [name("frank's")]);
        let not = clients(r"~'a b'|~c|d").expect("clients");
        assert_eq!(*not.exclude, [name("a b"), name("c")]);
        assert_eq!(*not.include, [name("d")]);
        assert_eq!(included("'~a'"), [name("~a")]);
    }

    #[test]
    fn empty_and_unclosed_values_are_refused() {
        for value in ["", "a|", "|a", "~", "''", "~''", "a||b", r#""""#] {
            assert_eq!(clients(value), Err("an empty value".to_string()), "{value}");
        }
        for value in ["'a", "'", "\"a'", r"'a\'"] {
            assert_eq!(clients(value), Err("a quote that is not closed".to_string()), "{value}");
        }
    }

    #[test]
    fn types_are_read_in_any_case() {
        let read = types("a|AAAA|~Https|TYPE99").expect("types");
        assert_eq!(*read.include, [RecordType::A, RecordType::AAAA, RecordType::SPF]);
        assert_eq!(*read.exclude, [RecordType::HTTPS]);
        for value in ["", "A|", "A||AAAA", "~", "NONE", "RESERVED", "FOO", "TYPE65536", "A AAAA"] {
            assert!(types(value).is_err(), "{value}");
        }
    }

    #[test]
    fn tags_have_small_letters() {
        let read = tags("user_child|~device_tv").expect("tags");
        assert_eq!((read.include.len(), read.exclude.len()), (1, 1));
        for value in ["", "User", "a-b", "a|", "~", "ü"] {
            assert!(tags(value).is_err(), "{value}");
        }
    }

    #[test]
    fn excepted_names_are_names_or_stand_under_any_suffix() {
        let parsed = |text: &str| DomainName::parse(text).expect("a name");
        let read = except("b.com|A.com|com|shop.*").expect("names");
        let wanted = [
            Except::Name(parsed("a.com")),
            Except::Name(parsed("b.com")),
            Except::Name(parsed("com")),
            Except::UnderAnySuffix(parsed("shop")),
        ];
        let mut wanted = Vec::from(wanted);
        wanted.sort_unstable();
        assert_eq!(*read, *wanted);
        for value in ["", "~a.com", "a.com|", "a.com|~b.com", "*.a.com", "a..b", ".*"] {
            assert!(except(value).is_err(), "{value}");
        }
    }
}
