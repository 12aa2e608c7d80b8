//! What Pi-hole takes: names, hosts lines, `||name^`, and regular expressions with its options.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use regex::bytes::{Regex, RegexBuilder};

use crate::model::{DomainName, RecordType};

use super::{
    Answer, Condition, Effect, LineReading, Listed, Pattern, Record, Refusal, Rewrite, Rule,
    Selection, TextPattern, TextSyntax, address, cut_comment, escaped, foreign, listed, translate,
    words,
};

/// Largest compiled expression, in octets.
const EXPRESSION_LIMIT: usize = 1 << 20;

/// Characters that expressions and their options have and names have not.
const MARKS: [char; 13] = ['^', '$', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '\\'];

/// Characters of URLs and of other formats that no expression for names needs.
const FOREIGN: [&str; 6] = ["/", "@", "%", "&", "\"", "##"];

/// The parts of an entry behind its expression.
#[derive(Default)]
struct Extras {
    types: Option<Selection<RecordType>>,
    inverted: bool,
    reply: Option<Reply>,
}

/// What `reply=` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reply {
    Answer(Answer),
    Alias(DomainName),
    Addresses { v4: Option<Record>, v6: Option<Record> },
}

/// Reads a line as gravity does; entries of Pi-hole's own lists may stand among them.
pub fn read(line: &str, found: &mut LineReading<'_>) {
    let text = if line.contains("(?#") { line } else { cut_comment(line) };
    if text.starts_with("||") || text.starts_with("@@") {
        subtree(text, found);
    } else if is_entry(text) {
        expression(text, found);
    } else {
        names(text, found);
    }
}

/// `||name^` in blocklists, `@@||name^` in allowlists; in the other kind, or with more, neither.
fn subtree(text: &str, found: &mut LineReading<'_>) {
    let start = if found.options().allowlist { "@@||" } else { "||" };
    match text.strip_prefix(start).and_then(|rest| rest.strip_suffix('^')) {
        Some(name) => found.subtree(name),
        None if found.options().allowlist => found.refuse(because(
            "of AdGuard syntax Pi-hole takes `@@||name^` in an allowlist, and nothing else",
        )),
        None => found.refuse(because(
            "of AdGuard syntax Pi-hole takes `||name^` in a blocklist, and nothing else",
        )),
    }
}

/// Every word that is no address is a name of two labels or more, whatever is in front.
fn names(text: &str, found: &mut LineReading<'_>) {
    let mut any = false;
    for word in words(text).filter(|word| address(word).is_none()) {
        any = true;
        match listed(word) {
            Ok(Listed::Name(name)) if name.as_ref().labels().nth(1).is_none() => {
                found.refuse_word(word, Refusal::OneLabel);
            }
            _ => found.name(word),
        }
    }
    if !any {
        found.ignore();
    }
}

fn is_entry(text: &str) -> bool {
    text.contains(MARKS) || text.contains(';')
}

fn expression(text: &str, found: &mut LineReading<'_>) {
    let is_foreign = FOREIGN.iter().any(|sign| text.contains(sign)) || text.contains("^$");
    if is_foreign || words(text).nth(1).is_some() {
        let otherwise = || because("it has neither names only nor an expression for names");
        return found.refuse(foreign(text).unwrap_or_else(otherwise));
    }
    match pihole_regex(text, found.options().allowlist) {
        Ok(rules) if rules.iter().any(is_for_every_name) => {
            found.refuse(because("the expression is found in every name"));
        }
        Ok(rules) => rules.into_iter().for_each(|rule| found.rule(rule)),
        Err(why) => found.refuse(Refusal::Because(why)),
    }
}

/// An expression that finds nothing at all in a name, and has no condition, is too wide for a list.
fn is_for_every_name(rule: &Rule) -> bool {
    match &rule.pattern {
        Pattern::Text(text) if !text.inverted && rule.condition.is_none() => {
            compiled(&text.text).is_ok_and(|expression| expression.is_match(b""))
        }
        _ => false,
    }
}

/// Reads one of Pi-hole's own entries, a regular expression with options behind it.
///
/// A reply of addresses is one rule a family; `allow` says which of Pi-hole's lists it is for.
pub fn pihole_regex(text: &str, allow: bool) -> Result<Vec<Rule>, String> {
    let mut parts = text.trim().split(';');
    let expression = parts.next().unwrap_or_default();
    if expression.is_empty() {
        return Err("there is no expression".to_string());
    }
    let expression = translate(expression)?;
    compiled(&expression)?;
    let mut extras = Extras::default();
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        extras.read(part)?;
    }
    let effects = match extras.reply {
        _ if allow => vec![Effect::Allow],
        None => vec![Effect::Block(Answer::Policy)],
        Some(reply) => reply.effects(),
    };
    let pattern = Pattern::Text(TextPattern {
        syntax: TextSyntax::Regex,
        text: expression.into(),
        inverted: extras.inverted,
        addresses: false,
    });
    let condition = extras.types.map(|types| Box::new(Condition { types, ..Condition::default() }));
    let rule =
        |effect| Rule { condition: condition.clone(), ..Rule::plain(pattern.clone(), effect, 0) };
    Ok(effects.into_iter().map(rule).collect())
}

fn compiled(expression: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(expression);
    builder.unicode(false).size_limit(EXPRESSION_LIMIT).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the expression is too large".to_string(),
        other => format!("the expression is wrong: {other}"),
    })
}

impl Extras {
    fn read(&mut self, part: &str) -> Result<(), String> {
        let (key, value) = part.split_once('=').map_or((part, None), |(k, v)| (k, Some(v)));
        match (key.to_ascii_lowercase().as_str(), value) {
            ("invert", None) => self.inverted = true,
            ("querytype", Some(_)) if self.types.is_some() => {
                return Err("`querytype` is given twice".to_string());
            }
            ("querytype", Some(value)) => self.types = Some(types(value)?),
            ("reply", Some(value)) => self.add_reply(value)?,
            _ => return Err(format!("Pi-hole has no option `{}`", escaped(part))),
        }
        Ok(())
    }

    fn add_reply(&mut self, value: &str) -> Result<(), String> {
        let twice =
            || Err("`reply` is given twice, and not as one address of each family".to_string());
        self.reply = Some(match (self.reply.take(), reply(value)?) {
            (None, reply) => reply,
            (Some(Reply::Addresses { v4, v6 }), Reply::Addresses { v4: new4, v6: new6 }) => {
                if (v4.is_some() && new4.is_some()) || (v6.is_some() && new6.is_some()) {
                    return twice();
                }
                Reply::Addresses { v4: v4.or(new4), v6: v6.or(new6) }
            }
            _ => return twice(),
        });
        Ok(())
    }
}

impl Reply {
    /// A family that is not given has the null address.
    fn effects(self) -> Vec<Effect> {
        let record = |record| Effect::Rewrite(Rewrite::Record(record));
        match self {
            Reply::Answer(answer) => vec![Effect::Block(answer)],
            Reply::Alias(name) => vec![Effect::Rewrite(Rewrite::Alias(name))],
            Reply::Addresses { v4, v6 } => vec![
                record(v4.unwrap_or_else(|| Record::v4(Ipv4Addr::UNSPECIFIED))),
                record(v6.unwrap_or_else(|| Record::v6(Ipv6Addr::UNSPECIFIED))),
            ],
        }
    }
}

/// `A,AAAA`, `!A,AAAA`; Pi-hole passes over names that it does not know if it knows one.
fn types(value: &str) -> Result<Selection<RecordType>, String> {
    let (negated, names) = value.strip_prefix('!').map_or((false, value), |rest| (true, rest));
    if names.contains('!') {
        return Err("`querytype` has more than one `!`; one in front is for all types".to_string());
    }
    let mut types: Vec<RecordType> =
        names.split(',').filter_map(|name| name.trim().parse().ok()).collect();
    types.sort_unstable();
    types.dedup();
    match (types.into_boxed_slice(), negated) {
        (types, _) if types.is_empty() => {
            Err(format!("`querytype={}` names no record type", escaped(value)))
        }
        (exclude, true) => Ok(Selection { exclude, ..Selection::default() }),
        (include, false) => Ok(Selection { include, ..Selection::default() }),
    }
}

fn reply(value: &str) -> Result<Reply, String> {
    if let Ok(address) = value.parse::<IpAddr>() {
        return Ok(match address {
            IpAddr::V4(v4) => Reply::Addresses { v4: Some(Record::v4(v4)), v6: None },
            IpAddr::V6(v6) => Reply::Addresses { v4: None, v6: Some(Record::v6(v6)) },
        });
    }
    let upper = value.to_ascii_uppercase();
    if upper.starts_with("CNAME,") {
        let host = value.get("CNAME,".len()..).unwrap_or_default();
        let host =
            DomainName::parse(host).map_err(|error| format!("`{}`: {error}", escaped(host)))?;
        return Ok(Reply::Alias(host));
    }
    match upper.as_str() {
        "NODATA" => Ok(Reply::Answer(Answer::NoData)),
        "NXDOMAIN" => Ok(Reply::Answer(Answer::NxDomain)),
        "REFUSED" => Ok(Reply::Answer(Answer::Refused)),
        "NONE" => Ok(Reply::Answer(Answer::Drop)),
        "IP" => Err("`reply=IP` means an address of this machine, of which it may have several: \
                     write the one that is meant"
            .to_string()),
        _ => Err(format!("Pi-hole has no reply `{}`", escaped(value))),
    }
}

fn because(why: &str) -> Refusal {
    Refusal::Because(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<Rule> {
        pihole_regex(text, false).expect("an entry")
    }

    fn rule(text: &str) -> Rule {
        let mut rules = rules(text);
        assert_eq!(rules.len(), 1, "{text}");
        rules.remove(0)
    }

    fn types(text: &str) -> Selection<RecordType> {
        rule(text).condition.expect("a condition").types.clone()
    }

    fn why(text: &str) -> String {
        pihole_regex(text, false).expect_err("refused")
    }

    fn text_pattern(rule: &Rule) -> &TextPattern {
        let Pattern::Text(text) = &rule.pattern else { panic!("{rule:?}") };
        text
    }

    #[test]
    fn an_expression_alone_blocks_what_it_is_found_in() {
        let rule = rule(r"(\.|^)ads?[0-9]*\.");
        assert_eq!(rule.effect, Effect::Block(Answer::Policy));
        let expected = TextPattern {
            syntax: TextSyntax::Regex,
            text: r"(?:\.|^)ads?[0-9]*\.".into(),
            inverted: false,
            addresses: false,
        };
        assert_eq!((text_pattern(&rule), &rule.condition), (&expected, &None));
        let allowed = pihole_regex("^ad", true).expect("an entry");
        assert_eq!(allowed[0].effect, Effect::Allow);
    }

    #[test]
    fn types_are_listed_or_all_but_those_listed() {
        let (a, aaaa) = (RecordType::A, RecordType::AAAA);
        assert_eq!(*types("x;querytype=AAAA,a").include, [a, aaaa]);
        assert_eq!(*types("x;querytype=!A,AAAA").exclude, [a, aaaa]);
        assert_eq!(*types("x;QueryType=A,FOO").include, [a]);
        for text in ["x;querytype=!A,!AAAA", "x;querytype=!!A", "x;querytype=FOO,BAR"] {
            assert!(!why(text).is_empty(), "{text}");
        }
        assert!(why("x;querytype=A;querytype=AAAA").contains("twice"));
        assert!(why("x;querytype=").contains("no record type"));
    }

    #[test]
    fn inverted_entries_keep_their_types() {
        let rule = rule("x;invert;querytype=A");
        assert!(text_pattern(&rule).inverted);
        assert_eq!(*types("x;invert;querytype=A").include, [RecordType::A]);
    }

    #[test]
    fn replies_are_answers() {
        let cases = [
            ("NODATA", Answer::NoData),
            ("nxdomain", Answer::NxDomain),
            ("Refused", Answer::Refused),
            ("NONE", Answer::Drop),
        ];
        for (text, answer) in cases {
            assert_eq!(rule(&format!("x;reply={text}")).effect, Effect::Block(answer));
        }
        let alias = Rewrite::Alias(DomainName::parse("a.example").expect("a name"));
        assert_eq!(rule("x;reply=cname,A.example").effect, Effect::Rewrite(alias));
        assert!(why("x;reply=IP").contains("write the one"));
        assert!(why("x;reply=CNAME,a..b").contains("empty label"));
    }

    #[test]
    fn a_reply_of_addresses_has_one_of_each_family() {
        let effects =
            |text: &str| rules(text).into_iter().map(|rule| rule.effect).collect::<Vec<_>>();
        let records = |v4: &str, v6: &str| {
            let v4 = Record::v4(v4.parse().expect("an address"));
            let v6 = Record::v6(v6.parse().expect("an address"));
            [v4, v6].map(|record| Effect::Rewrite(Rewrite::Record(record)))
        };
        assert_eq!(effects("x;reply=192.0.2.1"), records("192.0.2.1", "::"));
        assert_eq!(effects("x;reply=2001:db8::1"), records("0.0.0.0", "2001:db8::1"));
        let both = records("192.0.2.1", "2001:db8::1");
        assert_eq!(effects("x;reply=192.0.2.1;reply=2001:db8::1"), both);
        assert!(why("x;reply=192.0.2.1;reply=192.0.2.2").contains("twice"));
        assert!(why("x;reply=NODATA;reply=192.0.2.2").contains("twice"));
        assert_eq!(pihole_regex("x;reply=192.0.2.1", true).expect("an entry").len(), 1);
    }

    #[test]
    fn unknown_options_and_empty_expressions_are_refused() {
        assert!(why("x;nonsense").contains("no option `nonsense`"));
        assert!(why("x;invert=1").contains("no option"));
        assert!(why("x;reply=5").contains("no reply `5`"));
        assert!(why("").contains("no expression"));
        assert!(why(";querytype=A").contains("no expression"));
        assert!(pihole_regex("x;;invert;", false).is_ok());
    }

    #[test]
    fn expressions_too_large_are_refused() {
        assert!(why("((a{255}){255}){255}").contains("too large"));
    }
}
