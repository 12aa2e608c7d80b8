//! Response policy zones: zone files whose owners are triggers and whose records are actions.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::{
    Effect, Entry, Format, LineReading, ListRefused, Options, Place, Reading, Refusal, Rule,
    Summary, Trigger, Word, Written, ZoneNames, ZonePlace, ZoneText, because, effect,
    is_boilerplate, seconds,
};
use crate::model::RecordType;

/// Reads a zone file. It is read twice: whether a wildcard stands for a name, and whether an alias
/// answers for a name's records, is known at the end only.
pub fn read(
    octets: &[u8],
    options: &Options,
    take: &mut dyn FnMut(Rule),
) -> Result<Summary, ListRefused> {
    let mut known = Known::new();
    let mut zone = Zone::new(options);
    for entry in ZoneText::new(octets) {
        if let Ok(Item::Rule(rule)) = zone.item(&entry?) {
            known.names.note(&rule.trigger, rule.is_alias);
        }
    }
    zone = Zone::new(options);
    let mut reading = Reading::new(Format::Rpz, options, take);
    for entry in ZoneText::new(octets) {
        let entry = entry?;
        match zone.item(&entry) {
            Ok(Item::Nothing) => reading.skip(&entry.line),
            item => reading.read(&entry.line, |found| known.tell(item, found)),
        }
        entry.more.iter().for_each(|line| reading.skip(line));
    }
    let mut summary = reading.finish()?;
    if let Some((serial, refresh)) = zone.authority {
        summary.header.version.get_or_insert(serial);
        summary.header.expires = summary.header.expires.or(refresh);
    }
    Ok(summary)
}

/// What an entry comes to.
enum Item {
    /// No record.
    Nothing,
    /// A record of the zone itself, or for the machine's own names.
    LeftOut,
    /// A record that no filter has a use for.
    Useless,
    /// A rule.
    Rule(ZoneRule),
}

/// A trigger with its action.
struct ZoneRule {
    trigger: Trigger,
    effect: Effect,
    /// Whether it is written as CNAME, and so answers for all types.
    is_alias: bool,
}

/// A zone file as far as it has been read.
struct Zone {
    place: ZonePlace,
    ttl: Option<u32>,
    /// Serial number and refresh interval.
    authority: Option<(String, Option<u32>)>,
}

impl Zone {
    fn new(options: &Options) -> Zone {
        Zone { place: ZonePlace::new(options.zone.as_ref()), ttl: None, authority: None }
    }

    fn item(&mut self, entry: &Entry<'_>) -> Result<Item, Refusal> {
        let words = entry.words.as_ref().map_err(Refusal::clone)?;
        let Some((first, rest)) = words.split_first() else {
            return Ok(Item::Nothing);
        };
        if first.text.starts_with('$') && !first.quoted && !entry.indented {
            return self.directive(first.text, rest).map(|()| Item::Nothing);
        }
        if entry.indented { self.record(None, words) } else { self.record(Some(first), rest) }
    }

    fn directive(&mut self, name: &str, words: &[Word<'_>]) -> Result<(), Refusal> {
        match (name.to_ascii_uppercase().as_str(), words) {
            ("$ORIGIN", [origin]) => self.place.set_origin(origin.text),
            ("$TTL", [ttl]) => {
                let ttl = seconds(ttl.text).ok_or_else(|| because("a bad time to live"))?;
                self.ttl = Some(ttl);
                Ok(())
            }
            ("$ORIGIN" | "$TTL", _) => Err(because("a directive takes one word")),
            _ => Err(because("a directive other than $ORIGIN and $TTL")),
        }
    }

    fn record(&mut self, owner: Option<&Word<'_>>, words: &[Word<'_>]) -> Result<Item, Refusal> {
        let record = Written::read(words);
        let is_authority =
            record.as_ref().is_ok_and(|record| record.record_type == RecordType::SOA);
        if is_authority && self.place.begin(owner) {
            self.authority = record.as_ref().ok().and_then(authority);
        }
        let (origin, ttl) = (self.place.origin.clone(), self.ttl);
        let owner = self.place.owner(owner)?;
        let record = record?;
        if owner.is_empty() {
            return Ok(Item::LeftOut);
        }
        if record.is_of_zone() {
            return Ok(Item::Useless);
        }
        let trigger = Trigger::read(owner)?;
        match &trigger {
            Trigger::Delegation => return Ok(Item::Useless),
            Trigger::Name(name) | Trigger::Below(name) if is_boilerplate(name) => {
                return Ok(Item::LeftOut);
            }
            _ => {}
        }
        let is_alias = record.record_type == RecordType::CNAME;
        let effect = effect(&record, Place { origin: origin.as_deref(), ttl, owner })?;
        Ok(Item::Rule(ZoneRule { trigger, effect, is_alias }))
    }
}

/// Returns serial number and refresh interval.
fn authority(record: &Written<'_, '_>) -> Option<(String, Option<u32>)> {
    let [_, _, serial, refresh, ..] = record.data else { return None };
    let serial: u32 = serial.text.parse().ok()?;
    Some((serial.to_string(), seconds(refresh.text)))
}

/// What must be known of a whole zone before its rules are told.
struct Known {
    names: ZoneNames,
    state: RandomState,
    /// The hash of the first alias of each trigger that has several rules.
    aliases: HashMap<u64, u64>,
}

impl Known {
    fn new() -> Known {
        let (state, aliases) = Default::default();
        Known { names: ZoneNames::new(), state, aliases }
    }

    fn tell(&mut self, item: Result<Item, Refusal>, found: &mut LineReading<'_>) {
        match item {
            Ok(Item::Nothing) => {}
            Ok(Item::LeftOut) => found.leave_out(),
            Ok(Item::Useless) => found.ignore(),
            Ok(Item::Rule(rule)) => match self.obstacle(&rule) {
                Some(why) => found.refuse(because(why)),
                None => self.tell_rule(&rule, found),
            },
            Err(refusal) => found.refuse(refusal),
        }
    }

    /// Returns why a rule has no effect.
    fn obstacle(&mut self, rule: &ZoneRule) -> Option<&'static str> {
        let Some(rules) = self.names.rules(&rule.trigger) else {
            return Some("the zone has more than 8,000,000 names");
        };
        if rules.alias && !rule.is_alias {
            return Some("the name has a CNAME, which answers for all types");
        }
        if !rules.alias || !rules.several {
            return None;
        }
        let alias = self.state.hash_one(&rule.effect);
        let first = *self.aliases.entry(self.state.hash_one(&rule.trigger)).or_insert(alias);
        (first != alias).then_some("the name has another CNAME above; the first one counts")
    }

    fn tell_rule(&mut self, rule: &ZoneRule, found: &mut LineReading<'_>) {
        if let Some(rule) = rule.trigger.rule(rule.effect.clone()) {
            found.rule(rule);
        }
        let mut hole = |pattern| found.rule(Rule::plain(pattern, Effect::Hole, 0));
        self.names.holes(&rule.trigger, &mut hole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;
    use crate::rules::parse::{Answer, ParsedList, Pattern, Rewrite, parse};

    fn list(text: &str) -> ParsedList {
        parse(text.as_bytes(), Format::Rpz).expect("a good zone")
    }

    /// What is blocked, as text: names, and `*.` before those below which it is.
    fn blocked(text: &str) -> Vec<String> {
        let shown = |rule: Rule| match (rule.pattern, rule.effect) {
            (Pattern::Exact(name), Effect::Block(_)) => name.to_string(),
            (Pattern::Below(name), Effect::Block(_)) => format!("*.{name}"),
            other => format!("{other:?}"),
        };
        list(text).rules.into_iter().map(shown).collect()
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    #[test]
    fn a_whole_zone_is_read() {
        let text = "$TTL 300\n@ IN SOA ns.x. root.x. (\n 17 ; serial\n 12h 1h 1w 1h )\n  NS ns.x.\n\
                    @ A 192.0.2.1\na.x CNAME . ; note\n*.a.x 60 IN CNAME .\n; note\nB.x IN CNAME *.\n";
        let found = list(text);
        assert_eq!(blocked(text), ["a.x", "*.a.x", "b.x"]);
        let lines: Vec<_> = found.rules.iter().map(|rule| rule.line).collect();
        assert_eq!(lines, [7, 8, 10]);
        let summary = found.summary;
        assert_eq!((summary.lines, summary.refused, summary.boilerplate), (10, 0, 3));
        assert_eq!(summary.header.version.as_deref(), Some("17"));
        assert_eq!(summary.header.expires, Some(43_200));
    }

    #[test]
    fn owners_are_taken_below_the_zones_own_name() {
        let named = "$ORIGIN rpz.y.\n@ SOA a. b. 1 1 1 1 1\n";
        let cases = [
            "a.x CNAME .\na.x.rpz.y. CNAME .",
            "$ORIGIN x.rpz.y.\na CNAME .",
            "$ORIGIN x\na CNAME .",
            "$ORIGIN .\na.x.rpz.y CNAME .",
        ];
        for text in cases {
            assert_eq!(blocked(&format!("{named}{text}")), ["a.x"], "{text}");
        }
        let dumped = "$ORIGIN .\nrpz.y SOA a. b. 1 1 1 1 1\n NS a.\n$ORIGIN rpz.y.\na.x CNAME .";
        assert_eq!(blocked(dumped), ["a.x"]);
        let absolute = "rpz.y. SOA a. b. 1 1 1 1 1\na.x.rpz.y. CNAME .\n*.b.x CNAME .";
        assert_eq!(blocked(absolute), ["a.x", "*.b.x"]);
    }

    #[test]
    fn an_owner_outside_the_zone_is_refused() {
        let found = list("$ORIGIN rpz.y.\na.x CNAME .\nb.x. CNAME .\n");
        assert_eq!(found.summary.samples[0].why, "the owner is outside the zone");
    }

    #[test]
    fn without_a_name_of_its_own_the_zone_is_called_as_configured() {
        let text = "@ SOA a. b. 1 1 1 1 1\na.x.rpz.y CNAME .\nb.x.rpz.y. CNAME .\nc.x CNAME .\n";
        assert_eq!(blocked(text), ["a.x.rpz.y", "b.x.rpz.y", "c.x"]);
        let options =
            Options { zone: Some(name("rpz.y")), format: Format::Rpz, ..Options::default() };
        let mut names = Vec::new();
        let take = &mut |rule: Rule| names.push(rule.pattern);
        read(text.as_bytes(), &options, take).expect("a good zone");
        assert_eq!(names, ["a.x", "b.x", "c.x"].map(|text| Pattern::Exact(name(text))));
    }

    #[test]
    fn a_blank_owner_is_the_one_before() {
        let text = "a.x A 192.0.2.1\n  A 192.0.2.2\n\tTXT hi\nb!.x CNAME .\n CNAME .\n";
        let found = list(text);
        assert!(found.rules.iter().all(|rule| rule.pattern == Pattern::Exact(name("a.x"))));
        assert_eq!((found.rules.len(), found.summary.refused), (3, 2));
        assert_eq!(
            list("  A 192.0.2.1\na.x CNAME .").summary.samples[0].why,
            "no owner stands above"
        );
    }

    #[test]
    fn the_first_of_two_aliases_counts_and_records_beside_one_do_not() {
        let text = "a.x A 192.0.2.1\na.x CNAME .\na.x CNAME .\na.x CNAME *.\nb.x A 192.0.2.1\n\
                    b.x AAAA ::1\n*.a.x CNAME *.\n";
        let found = list(text);
        let why: Vec<_> =
            found.summary.samples.iter().map(|line| (line.line, &*line.why)).collect();
        assert_eq!(
            why,
            [
                (1, "the name has a CNAME, which answers for all types"),
                (4, "the name has another CNAME above; the first one counts"),
            ]
        );
        let effects: Vec<_> =
            found.rules.into_iter().map(|rule| (rule.line, rule.effect)).collect();
        assert_eq!(effects[0], (2, Effect::Block(Answer::NxDomain)));
        assert_eq!(effects.len(), 4);
    }

    #[test]
    fn the_files_time_to_live_is_for_records_that_have_none() {
        let ttl = |text: &str| match list(text).rules.remove(0).effect {
            Effect::Rewrite(Rewrite::Record(record)) => record.ttl,
            other => panic!("{other:?}"),
        };
        assert_eq!(ttl("$TTL 20\na.x A 192.0.2.1"), Some(20));
        assert_eq!(ttl("$TTL 1h\na.x A 192.0.2.1"), Some(60));
        assert_eq!(ttl("a.x A 192.0.2.1"), None);
    }

    #[test]
    fn delegations_signatures_and_own_names_are_left_out() {
        let text = "a.x CNAME .\nns.x.rpz-nsdname CNAME .\n32.1.2.0.192.rpz-nsip CNAME .\n\
                    b.x NS c.x.\nd.x RRSIG A 8 2 300 2026 2025 1 x. abc=\nlocalhost CNAME .\n";
        let found = list(text).summary;
        let counts = (found.rules, found.ignored, found.boilerplate, found.refused);
        assert_eq!(counts, (1, 4, 1, 0));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_reason() {
        let bad = [
            "b.x CNAME",
            "b.x",
            "b.x CNAME a b",
            "b.x HTTPS 1 .",
            "b.x CNAME rpz-foo.",
            "a.*.x CNAME .",
            "1.2.3.4 CNAME .",
            "40.1.2.0.192.rpz-ip CNAME .",
            "$INCLUDE /etc/passwd",
            "$GENERATE 1-9 $.x CNAME .",
            "$TTL soon",
            "$ORIGIN",
            "b.x CNAME ( .",
            "||b.x^",
        ];
        for line in bad {
            let found = list(&format!("a.x CNAME .\n{line}\nc.x CNAME ."));
            assert_eq!((found.rules.len(), found.summary.refused), (2, 1), "{line}");
            assert_eq!(found.summary.samples[0].line, 2);
        }
    }

    #[test]
    fn holes_are_told_only_where_a_wildcard_must_not_reach() {
        let holes = |text: &str| -> Vec<Pattern> {
            let rules = list(text).rules.into_iter();
            rules.filter(|rule| rule.effect == Effect::Hole).map(|rule| rule.pattern).collect()
        };
        assert!(holes("a.x CNAME .\n*.a.x CNAME .\nb.y CNAME .\n").is_empty());
        assert_eq!(holes("*.a CNAME .\nb.a CNAME ."), [Pattern::Below(name("b.a"))]);
        assert_eq!(holes("b.a CNAME .\n*.a CNAME ."), [Pattern::Below(name("b.a"))]);
        assert_eq!(holes("*.a CNAME .\nd.c.b.a CNAME ."), [Pattern::Subtree(name("b.a"))]);
        assert_eq!(holes("*.a CNAME .\n*.b.a CNAME ."), [Pattern::Exact(name("b.a"))]);
        assert!(holes("*.a CNAME .\n*.b.a CNAME .\nb.a CNAME .").is_empty());
    }
}
