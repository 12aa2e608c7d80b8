//! Finding out which format a list is in, by what its lines can only be.

use super::{
    Content, Format, Lines, address, cut_comment, is_adguard, is_dnsmasq, is_unbound,
    says_wildcard, words,
};

/// Lines that are looked at, blank ones and comments not counted.
const DETECTION_LINES: usize = 1000;

/// Types of records as zone files write them, but for SOA and CNAME.
const RECORD_TYPES: [&str; 9] = ["A", "AAAA", "NS", "TXT", "MX", "SRV", "PTR", "HTTPS", "DNAME"];

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A web page.
    Html,
    /// JSON.
    Json,
    /// Lines.
    Lines,
}

/// What a line can only be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A directive, SOA or action of a response policy zone.
    Zone,
    /// A record such as those of a zone.
    Record,
    Unbound,
    Dnsmasq,
    AdGuard,
    Hosts,
    Wildcard,
    /// `.name`, which is dirt but among wildcards.
    Dotted,
    Name,
    Unknown,
}

/// How many lines can only be what.
#[derive(Default)]
struct Counts {
    zone: u32,
    records: u32,
    unbound: u32,
    dnsmasq: u32,
    adguard: u32,
    hosts: u32,
    wildcard: u32,
    dotted: u32,
    names: u32,
}

/// Returns what the first content of a file is.
pub fn start(octets: &[u8]) -> Start {
    let Some(text) = texts(octets).next() else {
        return Start::Lines;
    };
    let begins =
        |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    let array = || text.strip_prefix('[').map(str::trim_start);
    if begins("<!doctype") || begins("<html") {
        Start::Html
    } else if text.starts_with('{')
        || array().is_some_and(|rest| rest.is_empty() || rest.starts_with(['"', '{']))
    {
        Start::Json
    } else {
        Start::Lines
    }
}

/// Returns whether a line at the beginning is a header such as `[Adblock Plus 2.0]`.
///
/// Pi-hole's expressions can begin with a bracket too.
pub fn is_header(text: &str, format: Format) -> bool {
    let bracketed = text.starts_with('[') && text.ends_with(']');
    bracketed && (format != Format::Pihole || names_adblock(text))
}

/// Returns the format that the lines of a list show.
pub fn format(octets: &[u8]) -> Format {
    let mut texts = texts(octets).peekable();
    if texts.peek().is_some_and(|text| names_adblock(text)) {
        return Format::Adguard;
    }
    if says_wildcard(octets) {
        return Format::Wildcard;
    }
    let mut counts = Counts::default();
    texts.take(DETECTION_LINES).for_each(|text| counts.add(kind(text)));
    counts.format()
}

fn texts(octets: &[u8]) -> impl Iterator<Item = &str> {
    Lines::new(octets).filter_map(|line| match line.content(Format::Auto) {
        Ok(Content::Text(text)) => Some(text),
        _ => None,
    })
}

fn names_adblock(text: &str) -> bool {
    let start = text.get(.."[adblock".len());
    start.is_some_and(|start| start.eq_ignore_ascii_case("[adblock")) && text.ends_with(']')
}

impl Counts {
    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Zone => self.zone += 1,
            Kind::Record => self.records += 1,
            Kind::Unbound => self.unbound += 1,
            Kind::Dnsmasq => self.dnsmasq += 1,
            Kind::AdGuard => self.adguard += 1,
            Kind::Hosts => self.hosts += 1,
            Kind::Wildcard => self.wildcard += 1,
            Kind::Dotted => self.dotted += 1,
            Kind::Name => self.names += 1,
            Kind::Unknown => {}
        }
    }

    /// The majority decides among zones, servers' files and lists of names.
    fn format(&self) -> Format {
        // Records alone tell no policy zone.
        let zone = if self.zone > 0 { self.zone + self.records } else { 0 };
        let lists = self.adguard + self.hosts + self.wildcard + self.dotted + self.names;
        let most = zone.max(self.unbound).max(self.dnsmasq).max(lists);
        match most {
            0 => Format::Domains,
            most if zone == most => Format::Rpz,
            most if self.unbound == most => Format::Unbound,
            most if self.dnsmasq == most => Format::Dnsmasq,
            _ => self.list_format(),
        }
    }

    /// The format in which all these lines can be read: one line is enough where only one has it.
    fn list_format(&self) -> Format {
        if self.adguard > 0 {
            Format::Adguard
        } else if self.hosts > 0 {
            Format::Hosts
        } else if self.wildcard > 0 || self.dotted > self.names {
            Format::Wildcard
        } else {
            Format::Domains
        }
    }
}

fn kind(text: &str) -> Kind {
    if is_unbound(text) {
        return Kind::Unbound;
    }
    if is_dnsmasq(text) {
        return Kind::Dnsmasq;
    }
    if let Some(kind) = zone_kind(text) {
        return kind;
    }
    if is_adguard(text) {
        return Kind::AdGuard;
    }
    let mut words = words(cut_comment(text));
    match (words.next(), words.next()) {
        (Some(first), Some(_)) if address(first).is_some() => Kind::Hosts,
        (Some(word), None) if word.starts_with("*.") => Kind::Wildcard,
        (Some(word), None) if word.starts_with('.') => Kind::Dotted,
        (Some(word), None) if address(word).is_none() => Kind::Name,
        _ => Kind::Unknown,
    }
}

/// `owner [ttl] [class] TYPE data`, its comment not cut: that of a zone begins with `;`.
fn zone_kind(text: &str) -> Option<Kind> {
    let mut words = words(text);
    let owner = words.next()?;
    if matches!(owner, "$TTL" | "$ORIGIN") {
        return Some(Kind::Zone);
    }
    let is_ttl = |word: &str| word.bytes().all(|octet| octet.is_ascii_digit());
    let is_class = |word: &str| word.eq_ignore_ascii_case("IN");
    let record_type = words.by_ref().take(3).find(|word| !is_ttl(word) && !is_class(word))?;
    let data = words.next()?;
    if address(owner).is_some() {
        return None;
    }
    match record_type.to_ascii_uppercase().as_str() {
        "SOA" => Some(Kind::Zone),
        "CNAME" if matches!(data, "." | "*.") || data.starts_with("rpz-") => Some(Kind::Zone),
        "CNAME" => Some(Kind::Record),
        known if RECORD_TYPES.contains(&known) => Some(Kind::Record),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Format {
        format(text.as_bytes())
    }

    #[test]
    fn each_format_is_known_by_its_lines() {
        let cases = [
            (
                "$TTL 60\n@ IN SOA a. b. (\n1 ; serial\n2 3 4 5 )\n IN NS c.\nx A 192.0.2.1",
                Format::Rpz,
            ),
            ("; zone\nx.com CNAME .\n*.x.com 60 IN CNAME rpz-passthru.", Format::Rpz),
            ("server:\n local-zone: \"x.com.\" always_nxdomain", Format::Unbound),
            ("local-data: \"x.com A 0.0.0.0\"", Format::Unbound),
            ("# a\naddress=/x.com/#\nserver=/y.com/", Format::Dnsmasq),
            ("local=/y.com/", Format::Dnsmasq),
            ("! a\n||x.com^", Format::Adguard),
            ("/ads[0-9]+/", Format::Adguard),
            ("[Adblock Plus 2.0]\nx.com", Format::Adguard),
            ("0.0.0.0 x.com\n0.0.0.0 y.com # $5 ^", Format::Hosts),
            ("*.x.com\n*.y.com", Format::Wildcard),
            ("x.com\ny.com # a", Format::Domains),
            ("192.0.2.1 # x.com\n192.0.2.0/24", Format::Domains),
            ("# nothing\n", Format::Domains),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn names_hosts_lines_and_adguard_syntax_may_share_a_file() {
        assert_eq!(found("x.com\ny.com\nz.com\n0.0.0.0 a.com"), Format::Hosts);
        assert_eq!(found("x.com\n0.0.0.0 y.com\n*.z.com\n||a.com^"), Format::Adguard);
        assert_eq!(found("x.com\ny.com\nz.com\n@@a.com"), Format::Adguard);
        assert_eq!(found("*.x.com\n||y.com^"), Format::Adguard);
        assert_eq!(found("*.x.com\n0.0.0.0 y.com"), Format::Hosts);
        assert_eq!(found("*.x.com\ny.com"), Format::Wildcard);
        assert_eq!(found(".x.com\n.y.com\nz.com"), Format::Wildcard);
        assert_eq!(found(".x.com\ny.com\nz.com"), Format::Domains);
    }

    #[test]
    fn a_header_that_names_the_syntax_decides() {
        assert_eq!(found("# Syntax: Domains Wildcard (x)\ny.com"), Format::Wildcard);
        assert_eq!(found("# Syntax: Domains (x)\ny.com"), Format::Domains);
        assert_eq!(found("[uBlock]\ny.com"), Format::Domains);
    }

    #[test]
    fn headings_are_no_element_hiding() {
        assert_eq!(found("## part one\n##### two #####\n0.0.0.0 x.com"), Format::Hosts);
    }

    #[test]
    fn the_majority_decides_between_files_for_servers_and_lists() {
        assert_eq!(found("x.com\ny.com\naddress=/z.com/#"), Format::Domains);
        assert_eq!(found("x.com\naddress=/y.com/#\naddress=/z.com/#"), Format::Dnsmasq);
        assert_eq!(found("x.com CNAME .\ny.com CNAME .\nz.com"), Format::Rpz);
        assert_eq!(found("x.com A 192.0.2.1"), Format::Domains);
    }

    #[test]
    fn only_the_first_thousand_lines_tell() {
        let many = "# a\nx.com\n".repeat(1000);
        assert_eq!(found(&(many.clone() + "||y.com^")), Format::Domains);
        assert_eq!(found(&many.replacen("x.com", "||x.com^", 1)), Format::Adguard);
    }

    #[test]
    fn pages_and_json_show_at_the_start() {
        for text in ["<!DOCTYPE html>", "\n\n <HtmL lang=en>", "<!doctype\n"] {
            assert_eq!(start(text.as_bytes()), Start::Html, "{text}");
        }
        for text in ["{", "\n {\"a\": 1}", "[\n\"a\"]", "[\"a\"]", "[ {"] {
            assert_eq!(start(text.as_bytes()), Start::Json, "{text}");
        }
        for text in ["[Adblock Plus]", "x.com\n<html>", "", "# <html>", "[a-z]x"] {
            assert_eq!(start(text.as_bytes()), Start::Lines, "{text}");
        }
    }
}
