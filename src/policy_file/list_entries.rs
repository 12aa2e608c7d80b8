//! The check of the owner's lists.

use std::ops::Range;

use toml::de::DeTable;
use url::Url;

use super::{Checker, ListForm, Text, names_of};
use crate::lists::{OwnList, Source};
use crate::model::{DomainName, ListKind, ListName};
use crate::rules::parse::Format;

/// Categories of Disconnect's list.
const CATEGORIES: [&str; 11] = [
    "Advertising",
    "Analytics",
    "Anti-fraud",
    "ConsentManagers",
    "Content",
    "Cryptomining",
    "Email",
    "EmailAggressive",
    "FingerprintingGeneral",
    "FingerprintingInvasive",
    "Social",
];

/// How often a list may be fetched: every five minutes to every 60 days, in seconds.
const INTERVALS: std::ops::RangeInclusive<u32> = 300..=60 * 86_400;

/// Longest address of a list, in octets.
const LONGEST_ADDRESS: usize = 2_000;

impl<'t> Checker<'t, '_> {
    /// Reads the owner's lists; their names may be switched from then on.
    pub(super) fn own_lists(&mut self, root: &DeTable<'t>) -> Vec<OwnList> {
        let forms: Vec<(_, ListForm)> = self.reader.array(root, "list");
        let shipped = self.known.lists.iter().map(|(name, _)| name.to_string());
        let shipped: Vec<String> = shipped.collect();
        self.lists.extend(names_of(root, "list"));
        forms.iter().filter_map(|(_, form)| self.own_list(form, &shipped)).collect()
    }

    fn own_list(&mut self, form: &ListForm, shipped: &[String]) -> Option<OwnList> {
        let source = self.source(form);
        let kind =
            self.choice(form.kind.as_ref(), "kind of list", &ListKind::WORDS, ListKind::Tracking);
        let format = self.choice(form.format.as_ref(), "format", &Format::WORDS, Format::Auto);
        let every = self.interval(form);
        let zone = self.list_zone(form, format);
        let categories = self.categories(form, format);
        let name = self.parsed(&form.name, ListName::parse);
        let name = name.filter(|name| self.is_own_list(name, &form.name, shipped))?;
        if !self.once(&format!("list {name}"), form.name.span()) {
            return None;
        }
        Some(OwnList {
            kind,
            format,
            cover_subdomains: form.cover_subdomains,
            strip_browser_modifiers: form.strip_browser_modifiers,
            trusted: form.trusted,
            allowlist: form.allowlist,
            wide: form.wide,
            every,
            zone,
            categories,
            ..OwnList::new(name, source?)
        })
    }

    fn source(&mut self, form: &ListForm) -> Option<Source> {
        let local = form.local.as_ref().filter(|local| *local.get_ref());
        match (&form.file, &form.address) {
            (Some(file), None) => {
                if let Some(local) = local {
                    let message = "`local` is for lists with an address";
                    self.problem(local.span(), message, Some("take `local` away"));
                }
                self.path_below(file, "the folder for lists").map(Source::File)
            }
            (None, Some(address)) => {
                let url = self.address(address, local.is_some())?;
                Some(Source::Address { url, local: local.is_some() })
            }
            (file, _) => {
                let span = file.as_ref().map_or(form.name.span(), |file| file.span());
                let message =
                    format!("list `{}` needs either a file or an address", form.name.get_ref());
                let help =
                    "write file = \"mine.txt\" or address = \"https://example.org/list.txt\"";
                self.problem(span, &message, Some(help));
                None
            }
        }
    }

    fn address(&mut self, text: &Text, local: bool) -> Option<Url> {
        let written = text.get_ref().trim();
        let (message, help) = match Url::parse(written) {
            Ok(_) if written.len() > LONGEST_ADDRESS => {
                (format!("an address has at most {LONGEST_ADDRESS} octets"), None)
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                let message = "an address with a user name or password, which reports would show";
                (message.into(), Some("write it without them".into()))
            }
            Ok(url) if url.scheme() == "https" || local && url.scheme() == "http" => {
                return Some(url);
            }
            Ok(url) if url.scheme() == "http" => {
                let https = written.replacen("http", "https", 1);
                let message = "a list is fetched by https, so that nobody on the way can change it";
                let help = format!(
                    "write address = \"{https}\"; or local = true if it lies in the own network"
                );
                (message.to_string(), Some(help))
            }
            _ => {
                let help = "write address = \"https://example.org/list.txt\"";
                (format!("`{written}` is no https address"), Some(help.into()))
            }
        };
        self.problem(text.span(), &message, help.as_deref());
        None
    }

    fn interval(&mut self, form: &ListForm) -> Option<u32> {
        let text = form.every.as_ref()?;
        if form.address.is_none() {
            let message = "`every` is for lists with an address; a file is read on `reload`";
            self.problem(text.span(), message, Some("take `every` away"));
            return None;
        }
        let seconds = seconds(text.get_ref().trim());
        if seconds.is_none_or(|seconds| !INTERVALS.contains(&seconds)) {
            let message = format!("`{}` is no interval from 5m to 60d", text.get_ref());
            self.problem(text.span(), &message, Some("write every = \"12h\""));
        }
        seconds
    }

    fn list_zone(&mut self, form: &ListForm, format: Format) -> Option<DomainName> {
        let text = form.zone.as_ref()?;
        self.belongs_to(text.span(), "zone", "rpz", matches!(format, Format::Rpz | Format::Auto));
        self.domain(text)
    }

    fn categories(&mut self, form: &ListForm, format: Format) -> Vec<String> {
        let Some(texts) = &form.categories else { return Vec::new() };
        let fits = matches!(format, Format::Disconnect | Format::Auto);
        self.belongs_to(texts.span(), "categories", "disconnect", fits);
        let known = CATEGORIES.map(|word| (word, word));
        let mut word =
            |text: &Text| self.word(text.get_ref().trim(), text.span(), "category", &known);
        texts.get_ref().iter().filter_map(&mut word).map(String::from).collect()
    }

    fn belongs_to(&mut self, span: Range<usize>, key: &str, format: &str, fits: bool) {
        if !fits {
            let message = format!("`{key}` is for lists of format \"{format}\"");
            self.problem(span, &message, Some(&format!("take `{key}` away")));
        }
    }

    fn is_own_list(&mut self, name: &ListName, text: &Text, shipped: &[String]) -> bool {
        let taken = shipped.iter().any(|shipped| shipped == name.as_str());
        let reserved = name.as_str().starts_with("ban-");
        if taken {
            let message = format!("`{name}` is a list that ships with deadpixel");
            self.problem(text.span(), &message, Some("choose another name"));
        } else if reserved {
            let message = "names that begin with `ban-` are kept for company bans";
            self.problem(text.span(), message, Some("choose another name"));
        }
        !taken && !reserved
    }
}

/// Reads `30m`, `12h` or `4d`.
fn seconds(text: &str) -> Option<u32> {
    let unit = match text.chars().last()? {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number = text.get(..text.len() - 1)?;
    let plain = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
    plain.then(|| number.parse::<u32>().ok()?.checked_mul(unit)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_file::tests::known;

    fn problems(entry: &str) -> Vec<String> {
        let text = format!("[[list]]\nname = \"mine\"\n{entry}");
        let problems = crate::policy_file::read("policy.toml", &text, &known()).err();
        let problems = problems.map(|problems| problems.0).unwrap_or_default().into_iter();
        let told = problems.map(|p| match p.help {
            Some(help) => format!("{}: {} / {help}", p.line, p.message),
            None => format!("{}: {}", p.line, p.message),
        });
        told.collect()
    }

    fn list(entry: &str) -> OwnList {
        let text = format!("[[list]]\nname = \"mine\"\n{entry}");
        let mut standing = crate::policy_file::read("policy.toml", &text, &known())
            .unwrap_or_else(|problems| panic!("{problems}"));
        standing.lists.pop().expect("one list")
    }

    #[test]
    fn every_key_of_a_list_is_read() {
        let read = list(
            "address = \"https://example.org/l.txt\"\nevery = \"12h\"\nformat = \"rpz\"\n\
             zone = \"rpz.example\"\nkind = \"other\"\ncover_subdomains = true\n\
             strip_browser_modifiers = true\ntrusted = true\nallowlist = true\nwide = true\n",
        );
        let Source::Address { url, local } = &read.source else { panic!("{:?}", read.source) };
        assert_eq!((url.as_str(), *local), ("https://example.org/l.txt", false));
        assert_eq!((read.every, read.kind), (Some(43_200), ListKind::Other));
        assert!(read.cover_subdomains && read.strip_browser_modifiers && read.trusted);
        assert!(read.allowlist && read.wide);
        assert_eq!(read.zone.map(|zone| zone.to_string()).as_deref(), Some("rpz.example"));
    }

    #[test]
    fn formats_are_named_and_left_out_switches_are_off() {
        let plain = list("file = \"a.txt\"\n");
        assert_eq!(plain, OwnList::new(plain.name.clone(), Source::File("a.txt".into())));
        for (word, format) in Format::WORDS {
            let read = list(&format!("file = \"a\"\nformat = \"{word}\"\n"));
            assert_eq!(read.format, format);
        }
        let read =
            list("file = \"a\"\nformat = \"disconnect\"\ncategories = [\"Email\", \"Social\"]\n");
        assert_eq!(read.categories, ["Email", "Social"]);
    }

    #[test]
    fn http_is_for_lists_of_the_own_network() {
        let read = list("address = \"http://nas.lan/l.txt\"\nlocal = true\n");
        assert!(matches!(read.source, Source::Address { local: true, .. }));
        assert_eq!(
            problems("address = \"http://example.org/l.txt\"\n"),
            ["3: a list is fetched by https, so that nobody on the way can change it / write \
              address = \"https://example.org/l.txt\"; or local = true if it lies in the own network"]
        );
    }

    #[test]
    fn what_is_no_address_is_told_with_its_mend() {
        for text in ["example.org/l.txt", "ftp://example.org/l", "file:///etc/passwd", "https://"] {
            let told = problems(&format!("address = \"{text}\"\nlocal = true\n"));
            let [told] = &told[..] else { panic!("{text}: {told:?}") };
            assert!(told.contains("is no https address / write address ="), "{told}");
        }
        let told = problems("address = \"https://me:word@example.org/\"\n");
        assert!(told[0].starts_with("3: an address with a user name or password"), "{told:?}");
        let long = "a".repeat(LONGEST_ADDRESS);
        let told = problems(&format!("address = \"https://example.org/{long}\"\n"));
        assert_eq!(told, ["3: an address has at most 2000 octets"]);
    }

    #[test]
    fn a_list_has_one_source_and_only_the_keys_that_go_with_it() {
        let either = "list `mine` needs either a file or an address / write file = \"mine.txt\" or \
                      address = \"https://example.org/list.txt\"";
        assert_eq!(problems(""), [format!("2: {either}")]);
        assert_eq!(
            problems("file = \"a\"\naddress = \"https://example.org/\"\n"),
            [format!("3: {either}")]
        );
        assert_eq!(
            problems(
                "file = \"a\"\nlocal = true\nevery = \"1d\"\nformat = \"hosts\"\n\
                      zone = \"x.y\"\ncategories = [\"Mail\"]\n"
            ),
            [
                "4: `local` is for lists with an address / take `local` away",
                "5: `every` is for lists with an address; a file is read on `reload` / take `every` away",
                "7: `zone` is for lists of format \"rpz\" / take `zone` away",
                "8: `categories` is for lists of format \"disconnect\" / take `categories` away",
                "8: `Mail` is no category; write Advertising, Analytics, Anti-fraud, ConsentManagers, \
                 Content, Cryptomining, Email, EmailAggressive, FingerprintingGeneral, \
                 FingerprintingInvasive or Social / did you mean `Email`?",
            ]
        );
    }

    #[test]
    fn intervals_have_a_unit_and_bounds() {
        assert_eq!(["30m", "12h", "4d"].map(seconds), [Some(1_800), Some(43_200), Some(345_600)]);
        for text in ["12", "h", "-1h", "1w", "", "99999999d", "1\u{e9}"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        for text in ["4m", "61d", "soon"] {
            let told =
                problems(&format!("address = \"https://example.org/\"\nevery = \"{text}\"\n"));
            let expected =
                format!("4: `{text}` is no interval from 5m to 60d / write every = \"12h\"");
            assert_eq!(told, [expected]);
        }
    }
}
