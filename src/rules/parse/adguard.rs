//! AdGuard's DNS syntax, with hosts lines, plain names and addresses among it.

use std::net::IpAddr;

use crate::model::DomainName;
use crate::rules::Record;

use super::{
    Answer, Browser, Effect, LineReading, Meaning, Modifiers, Pattern, Refusal, Rewrite, Rule,
    address, cut_comment, hosts, inner_expression, is_blank, is_boilerplate, is_of_pages,
    is_plain_name, is_sink, modifiers, pattern, prefix, words,
};

/// Marks of element hiding, scriptlets and their like, which stand behind domains or nothing.
const COSMETIC: [&str; 12] =
    ["##", "#@#", "#?#", "#@?#", "#$#", "#@$#", "#$?#", "#@$?#", "#%#", "#@%#", "$$", "$@$"];

/// What a line in AdGuard's own syntax says.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Rule(Rule),
    /// It is for browsers, or for what no name can be.
    Ignored,
}

/// Whose rules are read, and how.
#[derive(Clone, Copy)]
struct Reader {
    /// Whether they are the owner's own, who may block everything.
    own: bool,
    strip_browser_modifiers: bool,
}

/// A rule taken apart: `@@`, pattern, `$`, modifiers.
struct Written<'l> {
    exception: bool,
    pattern: &'l str,
    modifiers: Option<&'l str>,
}

/// Reads a line of a list.
pub fn read(line: &str, found: &mut LineReading<'_>) {
    if is_cosmetic(line) {
        return found.ignore();
    }
    let text = cut_note(line);
    if is_hosts_line(text) {
        return hosts::read(line, found);
    }
    if is_plain(text) || prefix(text).is_some() {
        return found.name(text);
    }
    let strip_browser_modifiers = found.options().strip_browser_modifiers;
    match (Reader { own: false, strip_browser_modifiers }).read(text) {
        Ok(Outcome::Rule(rule)) if is_of_the_machine(&rule.pattern) => found.leave_out(),
        Ok(Outcome::Rule(rule)) => found.rule(rule),
        Ok(Outcome::Ignored) => found.ignore(),
        Err(refusal) => found.refuse(refusal),
    }
}

/// Reads a rule of the owner's own, which may be wide; hosts lines have one name.
pub fn rule(text: &str) -> Result<Rule, String> {
    let text = text.trim_matches(is_blank);
    if text.is_empty() || text.starts_with(['!', '#']) {
        return Err("there is no rule".to_string());
    }
    if is_cosmetic(text) {
        return Err("rules that hide parts of pages are for browsers".to_string());
    }
    let text = cut_note(text);
    if text.chars().any(|character| character.is_ascii_control() && character != '\t') {
        return Err("a control character".to_string());
    }
    if is_hosts_line(text) {
        return own_hosts_line(text);
    }
    let block = Effect::Block(Answer::Policy);
    if is_plain(text) {
        let name = DomainName::parse(text.trim_matches('"')).map_err(|error| error.to_string())?;
        return Ok(Rule::plain(Pattern::Exact(name), block, 0));
    }
    if let Some(prefix) = prefix(text) {
        return Ok(Rule::plain(Pattern::Address(prefix), block, 0));
    }
    match (Reader { own: true, strip_browser_modifiers: false }).read(text) {
        Ok(Outcome::Rule(rule)) => Ok(rule),
        Ok(Outcome::Ignored) => {
            Err("it is for browsers: no name or address can match it".to_string())
        }
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// Reads `192.0.2.1 name`: a sink blocks the name, another address is its answer.
fn own_hosts_line(text: &str) -> Result<Rule, String> {
    let found: Vec<&str> = words(text).collect();
    let [own, name] = *found else {
        return Err("several names; write a rule for each".to_string());
    };
    let name = DomainName::parse(name).map_err(|error| error.to_string())?;
    let effect = match address(own) {
        Some(IpAddr::V4(v4)) if !is_sink(v4.into()) => {
            Effect::Rewrite(Rewrite::Record(Record::v4(v4)))
        }
        Some(IpAddr::V6(v6)) if !is_sink(v6.into()) => {
            Effect::Rewrite(Rewrite::Record(Record::v6(v6)))
        }
        _ => Effect::Block(Answer::Policy),
    };
    Ok(Rule::plain(Pattern::Exact(name), effect, 0))
}

impl Reader {
    fn read(self, text: &str) -> Result<Outcome, Refusal> {
        let written = Written::take_apart(text);
        let (browser, read) = modifiers(written.modifiers.unwrap_or_default());
        let strips = self.strip_browser_modifiers && written.is_pure_host();
        if browser == Browser::Yes || (browser == Browser::Strippable && !strips) {
            return Ok(Outcome::Ignored);
        }
        let modifiers = read.map_err(Refusal::Because)?;
        let pattern = match pattern(written.pattern, self.own)? {
            Meaning::Pattern(pattern) => pattern,
            Meaning::TooWide(pattern) if !modifiers.condition.is_empty() => pattern,
            Meaning::TooWide(_) => {
                return Err(Refusal::Because("it would match nearly every name".to_string()));
            }
            Meaning::NoName => return Ok(Outcome::Ignored),
        };
        Ok(written.rule(pattern, modifiers))
    }
}

impl<'l> Written<'l> {
    fn take_apart(text: &'l str) -> Written<'l> {
        let (exception, text) = match text.strip_prefix("@@") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (pattern, modifiers) = match dollar(text).and_then(|at| text.split_at_checked(at)) {
            Some((pattern, rest)) => (pattern, rest.strip_prefix('$')),
            None => (text, None),
        };
        Written { exception, pattern: pattern.trim_matches(is_blank), modifiers }
    }

    /// Returns whether it blocks `||host^` and nothing beside.
    fn is_pure_host(&self) -> bool {
        let host = self.pattern.strip_prefix("||").and_then(|rest| rest.strip_suffix('^'));
        !self.exception && host.is_some_and(|host| DomainName::parse(host).is_ok())
    }

    fn rule(&self, mut pattern: Pattern, modifiers: Modifiers) -> Outcome {
        let Modifiers { important, badfilter, condition, rewrite, .. } = modifiers;
        if !condition.except.is_empty() {
            // `$denyallow` is about names: such a rule has nothing to say of addresses.
            match &mut pattern {
                Pattern::Address(_) => return Outcome::Ignored,
                Pattern::Text(text) => text.addresses = false,
                _ => {}
            }
        }
        let effect = match (self.exception, rewrite) {
            (true, Some(answer)) => Effect::CancelRewrites(answer),
            (true, None) => Effect::Allow,
            (false, Some(answer)) => Effect::Rewrite(answer.unwrap_or(Rewrite::Code(0))),
            (false, None) => Effect::Block(Answer::Policy),
        };
        let condition = (!condition.is_empty()).then(|| Box::new(condition));
        let (adguard, line) = (true, 0);
        Outcome::Rule(Rule { pattern, effect, important, badfilter, adguard, condition, line })
    }
}

/// Returns the place of the `$` before the modifiers: the last one that is not escaped.
///
/// One that no modifier can follow, as in `$removeparam=/^x$/`, is part of a value.
fn dollar(text: &str) -> Option<usize> {
    if inner_expression(text).is_some() {
        return None;
    }
    let octets = text.as_bytes();
    let is_mark = |&at: &usize| {
        octets.get(at) == Some(&b'$') && (at == 0 || octets.get(at - 1) != Some(&b'\\'))
    };
    let can_follow = |&at: &usize| {
        octets
            .get(at + 1)
            .is_some_and(|&next| next.is_ascii_alphanumeric() || b"~_,".contains(&next))
    };
    let marks = || (0..octets.len().saturating_sub(1)).rev().filter(is_mark);
    marks().find(can_follow).or_else(|| marks().next())
}

/// Returns whether this is no rule about names or addresses but about parts of pages.
fn is_cosmetic(line: &str) -> bool {
    if inner_expression(line).is_some() {
        return false;
    }
    let mark = COSMETIC.iter().filter_map(|mark| line.find(mark)).min();
    // A comment with two marks has a blank before it, a list of domains ends without one.
    mark.and_then(|at| line.get(..at)).is_some_and(|before| !before.ends_with(is_blank))
}

/// Cuts ` # note` behind a `^` or a name, and any comment behind a plain name.
fn cut_note(line: &str) -> &str {
    let cut = cut_comment(line);
    if cut.len() == line.len() || is_hosts_line(cut) || is_plain(cut) || prefix(cut).is_some() {
        return cut;
    }
    let note = line.get(cut.len()..).unwrap_or_default();
    let name = cut.trim_start_matches("@@").trim_start_matches('|');
    let ends = cut.ends_with('^') || is_plain(name);
    if ends && note.starts_with(is_blank) { cut } else { line }
}

fn is_hosts_line(text: &str) -> bool {
    let mut words = words(text);
    words.next().is_some_and(|first| address(first).is_some()) && words.next().is_some()
}

/// Returns whether this is one word without marks that is to be read as a name.
fn is_plain(text: &str) -> bool {
    let marked = text.contains(|c| is_of_pages(c) || is_blank(c) || c == '*');
    !marked && prefix(text).is_none() && is_plain_name(text)
}

/// Returns whether a rule is for a name of the machine's own, or for the root.
fn is_of_the_machine(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Exact(name) | Pattern::Subtree(name) => {
            name.as_ref().is_root() || is_boilerplate(name)
        }
        Pattern::Address(prefix) => prefix.as_host().is_some_and(|host| host.is_unspecified()),
        _ => false,
    }
}

/// Splits text at a separator that no backslash stands before.
pub fn split_unescaped(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |character| {
        let splits = character == separator && !escaped;
        escaped = character == '\\' && !escaped;
        splits
    })
}

/// Takes the backslashes before some characters off.
pub fn unescaped(text: &str, characters: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let next = rest.peek().filter(|_| character == '\\');
        if !next.is_some_and(|next| characters.contains(next)) {
            out.push(character);
        } else {
            out.extend(rest.next());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use regex::bytes::{Regex, RegexBuilder};

    use super::*;
    use crate::model::{NameRef, Prefix, RecordType};
    use crate::rules::parse::{Format, Options, ParsedList, Summary, parse};
    use crate::rules::{Glob, TextSyntax, test_data};

    fn list(text: &str) -> ParsedList {
        parse(text.as_bytes(), Format::Adguard).expect("a list")
    }

    fn one(line: &str) -> Rule {
        let rules = list(line).rules;
        assert_eq!(rules.len(), 1, "{line}");
        rules.into_iter().next().expect("one rule")
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn exact(text: &str) -> Pattern {
        Pattern::Exact(name(text))
    }

    fn subtree(text: &str) -> Pattern {
        Pattern::Subtree(name(text))
    }

    /// Reads a line beside one that is a rule, so that a refused line does not spoil the list.
    fn beside(line: &str, options: Options) -> (Vec<Rule>, Summary) {
        let (mut rules, text) = (Vec::new(), format!("||beside.example^\n{line}\n"));
        let options = Options { format: Format::Adguard, ..options };
        let read = super::super::read(text.as_bytes(), &options, &mut |rule| rules.push(rule));
        rules.remove(0);
        (rules, read.expect("a list"))
    }

    fn refusal(line: &str) -> String {
        let (rules, summary) = beside(line, Options::default());
        assert!(rules.is_empty(), "{line}: {rules:?}");
        summary.samples.into_iter().next().map(|sample| sample.why).expect(line)
    }

    fn ignores(line: &str) -> bool {
        let (rules, summary) = beside(line, Options::default());
        rules.is_empty() && (summary.ignored, summary.refused) == (1, 0)
    }

    /// What an expression or glob compiles to.
    enum Text {
        Glob(Glob),
        Regex(Regex),
    }

    fn compiled(rule: &Rule) -> Option<Text> {
        let Pattern::Text(pattern) = &rule.pattern else {
            return None;
        };
        Some(match pattern.syntax {
            TextSyntax::Glob => Text::Glob(Glob::new(&pattern.text)),
            TextSyntax::Regex => {
                let built = RegexBuilder::new(&pattern.text).unicode(false).build();
                Text::Regex(built.expect("an expression"))
            }
        })
    }

    fn hits(rule: &Rule, text: Option<&Text>, asked: NameRef<'_>) -> bool {
        match (&rule.pattern, text) {
            (Pattern::Exact(name), _) => asked == name.as_ref(),
            (Pattern::Subtree(name), _) => asked.is_subdomain_of(name.as_ref()),
            (Pattern::Below(name), _) => {
                asked != name.as_ref() && asked.is_subdomain_of(name.as_ref())
            }
            (Pattern::Everything, _) => true,
            (Pattern::Text(_), Some(Text::Glob(glob))) => {
                glob.matches(asked.to_string().as_bytes())
            }
            (Pattern::Text(_), Some(Text::Regex(regex))) => {
                regex.is_match(asked.to_string().as_bytes())
            }
            _ => false,
        }
    }

    fn matches(line: &str, asked: &str) -> bool {
        let rule = one(line);
        let asked = DomainName::from_presentation(asked).expect("a name");
        hits(&rule, compiled(&rule).as_ref(), asked.as_ref())
    }

    #[test]
    fn each_form_of_pattern_matches_its_names() {
        let cases: [(&str, &[&str], &[&str]); 22] = [
            ("||x.com^", &["x.com", "a.x.com"], &["ax.com", "x.com.org"]),
            ("||x.com|", &["x.com", "a.x.com"], &["ax.com"]),
            ("||x.com/", &["x.com", "a.x.com"], &["ax.com"]),
            ("||x.com/*", &["x.com", "a.x.com"], &["ax.com"]),
            ("||x.com", &["x.com", "a.x.com"], &["ax.com", "x.com.org", "x.community"]),
            ("||ads.", &["ads.x.com", "a.ads.x.com"], &["bads.x.com"]),
            ("|x.com^", &["x.com"], &["a.x.com"]),
            ("|x.com|", &["x.com"], &["a.x.com"]),
            ("|x.co", &["x.com", "x.co.org"], &["a.x.com"]),
            ("x.com|", &["x.com", "a.x.com", "ax.com"], &["x.com.org"]),
            ("x.com", &["x.com"], &["a.x.com", "ax.com"]),
            ("_ad_", &["a_ad_b.com"], &["ad.com"]),
            ("-ads.", &["x-ads.com"], &["ads.com"]),
            (".x.com^", &["a.x.com", "b.a.x.com"], &["x.com", "a.x.com.org"]),
            ("exam*.com", &["onemoreexamsite.com", "exam.com.org"], &["exa.com"]),
            ("||ad*.x.com^", &["ads.x.com", "b.ad.c.x.com"], &["bad.x.com"]),
            ("://x.", &["x.com"], &["a.x.com"]),
            ("http://x.", &["x.com"], &["a.x.com"]),
            ("https://x.", &["x.com"], &["a.x.com"]),
            ("/x.", &["x.com"], &["a.x.com", "ax.com"]),
            ("||*.x.com^", &["a.x.com"], &["x.com"]),
            ("*.x.com", &["a.x.com", "a.x.com.org"], &["x.com"]),
        ];
        for (line, met, spared) in cases {
            for asked in met {
                assert!(matches(line, asked), "{line} {asked}");
                assert!(matches(&line.replace('x', "X"), asked), "{line}");
            }
            for asked in spared {
                assert!(!matches(line, asked), "{line} {asked}");
            }
        }
    }

    #[test]
    fn hosts_lines_plain_names_and_addresses_stand_among_patterns() {
        let block = || Effect::Block(Answer::Policy);
        let plain = |pattern, line| Rule::plain(pattern, block(), line);
        let read = list("0.0.0.0 a.com b.com # note\nc.com\nfoo\n_d.x.com\nMüller.com.\n");
        let names = ["a.com", "b.com", "c.com", "foo", "_d.x.com", "müller.com"];
        let wanted: Vec<Rule> = names
            .iter()
            .zip([1, 1, 2, 3, 4, 5])
            .map(|(name, line)| plain(exact(name), line))
            .collect();
        assert_eq!(read.rules, wanted);
        let prefix: Prefix = "192.0.2.0/24".parse().expect("a prefix");
        assert_eq!(one("192.0.2.0/24"), plain(Pattern::Address(prefix), 1));
        assert_eq!(one("e.com # note"), plain(exact("e.com"), 1));
        assert_eq!(one("e.com#note"), plain(exact("e.com"), 1));
        let pattern = one("||e.com^");
        assert!(pattern.adguard && pattern.pattern == subtree("e.com"));
        assert!(one("e.com$important").adguard, "a name with a modifier is AdGuard's");
    }

    #[test]
    fn notes_behind_patterns_are_cut() {
        for line in ["||x.com^ # note", "||x.com^\t# note", "||x.com^ # a # b", "||x.com # note"] {
            assert_eq!(one(line).pattern, subtree("x.com"), "{line}");
        }
        let exception = one("@@||x.com^ # note");
        assert_eq!((exception.pattern, exception.effect), (subtree("x.com"), Effect::Allow));
    }

    #[test]
    fn modifiers_begin_at_the_last_dollar_that_is_not_escaped() {
        let rule = one(r"||x.com^$client=a\$b,important");
        assert!(rule.important && rule.condition.is_some());
        assert!(ignores("||x.com^$"), "a last dollar begins nothing: no name holds it");
        let whole = one("/ads$important|x/");
        assert!(!whole.important, "all of it is an expression");
        let behind = one("/^ads$/$important");
        assert!(behind.important && behind.pattern == one("/^ads$/").pattern);
        assert!(one("||x.com^$,,____,important").important);
    }

    #[test]
    fn effects_follow_from_marks_and_modifiers() {
        let effect = |line: &str| one(line).effect;
        let code = Rewrite::Code;
        assert_eq!(effect("||x.com^"), Effect::Block(Answer::Policy));
        assert_eq!(effect("@@||x.com^"), Effect::Allow);
        assert_eq!(effect("@@x.com"), Effect::Allow);
        assert_eq!(effect("||x.com^$dnsrewrite"), Effect::Rewrite(code(0)));
        assert_eq!(effect("||x.com^$dnsrewrite=REFUSED"), Effect::Rewrite(code(5)));
        assert_eq!(effect("@@||x.com^$dnsrewrite"), Effect::CancelRewrites(None));
        assert_eq!(effect("@@||x.com^$dnsrewrite="), Effect::CancelRewrites(None));
        let cancel = Effect::CancelRewrites(Some(Rewrite::Alias(name("y.com"))));
        assert_eq!(effect("@@||x.com^$dnsrewrite=y.com,important"), cancel);
        assert!(refusal("||x.com^$dnsrewrite=LOCALHOST").contains("`LOCALHOST`"));
    }

    #[test]
    fn a_cancelling_rule_is_like_the_one_it_cancels() {
        let is_cancelled = |by: &str, line: &str| {
            let (by, rule) = (one(by), one(line));
            by.badfilter && by.is_like(&rule)
        };
        for (by, line) in [
            ("||x.com^$badfilter", "||x.com^"),
            ("@@||x.com^$badfilter", "@@||X.com^"),
            ("||x.com^$badfilter,important", "||x.com^$important"),
            ("||x.com^$client=b|127.0.0.1/8,badfilter", "||x.com^$client=127.0.0.0/8|B"),
            ("x.com$dnstype=A|AAAA,badfilter", "x.com$dnstype=aaaa|a"),
            ("||x.com^$denyallow=a.com|b.com,badfilter", "||x.com^$denyallow=b.com|a.com"),
            ("||x.com^$dnsrewrite=::1,badfilter", "||x.com^$dnsrewrite=NOERROR;AAAA;0::1"),
            ("/^ads/$badfilter", "/^ads/"),
            ("||ad*.x.com^$badfilter", "||ad*.x.com^"),
        ] {
            assert!(is_cancelled(by, line), "{by} {line}");
        }
        for (by, line) in [
            ("||x.com^$badfilter", "||x.com^$important"),
            ("||x.com^$badfilter", "@@||x.com^"),
            ("||x.com^$badfilter", "|x.com^"),
            ("||x.com^$dnstype=A,badfilter", "||x.com^$dnstype=AAAA"),
            ("||x.com^$denyallow=a.com,badfilter", "||x.com^"),
            ("||x.com^$dnsrewrite=1.2.3.4,badfilter", "||x.com^$dnsrewrite=1.2.3.5"),
        ] {
            assert!(!is_cancelled(by, line), "{by} {line}");
        }
    }

    #[test]
    fn wide_patterns_need_a_modifier_that_restricts() {
        for line in ["*", "||*^", "*$important", "||", "a.$badfilter", "*$dnsrewrite=NXDOMAIN"] {
            assert_eq!(refusal(line), "it would match nearly every name", "{line}");
        }
        for line in
            ["$dnstype=AAAA", "*$client=kid-tablet", "||*^$ctag=user_child", "*$denyallow=com"]
        {
            assert_eq!(one(line).pattern, Pattern::Everything, "{line}");
        }
        let types = one("$dnstype=AAAA").condition.map(|condition| condition.types.include);
        assert_eq!(types.as_deref(), Some(&[RecordType::AAAA][..]));
    }

    #[test]
    fn denyallow_rules_never_match_addresses() {
        assert!(ignores("||192.0.2.1^$denyallow=x.com"));
        for (line, addresses) in [
            (r"/^1\.2\.3\.4/", true),
            (r"/^1\.2\.3\.4/$denyallow=x.com", false),
            ("||104.15", true),
            ("||104.15$denyallow=x.com", false),
        ] {
            let Pattern::Text(text) = one(line).pattern else { panic!("{line} is a text") };
            assert_eq!(text.addresses, addresses, "{line}");
        }
    }

    #[test]
    fn rules_for_browsers_are_ignored() {
        for line in [
            "||x.com^$third-party",
            "||x.com^$~third-party",
            "||x.com^$popup",
            "||x.com^$document",
            "||x.com^$all",
            "||x.com^$script",
            "||x.com^$~script",
            "@@||x.com^$generichide",
            "||x.com^$popup,badfilter",
            "||x.com^$3p,domain=a.com|b.com",
            "||x.com^$removeparam=/^utm$/",
            "$removeparam=utm",
            "*$csp=script-src 'self' 'unsafe-inline',domain=a.com",
            "||x.com/path",
            "&ad_id=",
            "x.com##.banner",
            "a.com,b.com#@#.banner",
            "x.com#?#div",
            "x.com#@?#div",
            "x.com#$#body { color: red }",
            "x.com#@$#body",
            "x.com#$?#div { a: b }",
            "x.com#@$?#div",
            "x.com#%#window.a = 1",
            "x.com#@%#window.a = 1",
            "x.com$$script[a=\"b\"]",
            "x.com$@$script",
            "[$path=/page]x.com##.ad",
            "x.com##+js(set, a, 1)",
        ] {
            assert!(ignores(line), "{line}");
        }
    }

    #[test]
    fn an_unknown_modifier_refuses_the_rule() {
        assert_eq!(refusal("||x.com^$foo"), "unknown modifier `foo`");
        assert_eq!(refusal("||x.com^$important,foo=1"), "unknown modifier `foo`");
        assert_eq!(refusal("||x.com^$Important"), "unknown modifier `Important`");
        assert_eq!(refusal("||x.com^$important # note"), "unknown modifier `important # note`");
    }

    #[test]
    fn modifiers_of_browsers_are_stripped_from_pure_hosts_if_that_is_asked() {
        let strip = || Options { strip_browser_modifiers: true, ..Options::default() };
        for modifiers in ["third-party", "3p", "all", "doc", "document", "popup", "popup,3p,all"] {
            let (rules, _) = beside(&format!("||x.com^${modifiers}"), strip());
            let found: Vec<_> = rules.into_iter().map(|rule| rule.pattern).collect();
            assert_eq!(found, [subtree("x.com")], "{modifiers}");
        }
        let (rules, _) = beside("||x.com^$third-party,important", strip());
        assert!(rules.iter().all(|rule| rule.important) && rules.len() == 1);
        for line in [
            "||x.com^$script",
            "||x.com^$third-party,domain=a.com",
            "||x.com^$~third-party",
            "@@||x.com^$third-party",
            "||x.$third-party",
            "x.com$third-party",
            "||ad*.x.com^$all",
            "||x.com/path$all",
        ] {
            let (rules, summary) = beside(line, strip());
            assert!(rules.is_empty() && summary.ignored == 1, "{line}");
        }
        assert_eq!(beside("||x.com^$3p,foo", strip()).1.refused, 1);
    }

    #[test]
    fn names_of_the_machine_are_left_out_of_lists() {
        for line in [
            "||localhost^",
            "@@||localhost^",
            "|.^",
            "localhost",
            "0.0.0.0 localhost",
            "127.0.0.1",
            "::1",
            "||0.0.0.0^",
        ] {
            let (rules, summary) = beside(line, Options::default());
            assert!(rules.is_empty() && summary.refused == 0, "{line}");
            assert_eq!(summary.boilerplate, 1, "{line}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_a_reason() {
        for line in
            ["foo bar", "300.1.1.1", "a..b", "||a..b^", "||x!.com^", "/(/", "/a*/", "bad!name.com"]
        {
            assert!(!refusal(line).is_empty(), "{line}");
        }
        assert!(refusal("/^(?!www)x/").starts_with("look-around"));
    }

    #[test]
    fn own_rules_may_be_wide_but_not_boundless() {
        assert_eq!(rule("||com^").map(|rule| rule.pattern), Ok(subtree("com")));
        assert_eq!(rule(" x.com ").map(|rule| rule.pattern), Ok(exact("x.com")));
        assert_eq!(rule("@@||x.com^ # note").map(|rule| rule.effect), Ok(Effect::Allow));
        assert_eq!(rule("localhost").map(|rule| rule.pattern), Ok(exact("localhost")));
        assert_eq!(rule("|.^").map(|rule| rule.pattern), Ok(Pattern::Exact(DomainName::root())));
        assert!(rule("/.*/").is_ok());
        assert!(rule("*$client=kid").is_ok());
        let blocked = rule("0.0.0.0 x.com").map(|rule| rule.effect);
        assert_eq!(blocked, Ok(Effect::Block(Answer::Policy)));
        let answered = Effect::Rewrite(Rewrite::Record(Record::v4([192, 0, 2, 1].into())));
        assert_eq!(rule("192.0.2.1 x.com").map(|rule| rule.effect), Ok(answered));
        for text in [
            "",
            "*",
            "||*^",
            "! note",
            "# note",
            "x.com##.ad",
            "||x.com^$popup",
            "||x.com/path",
            "||x.com^$foo",
            "0.0.0.0 a.com b.com",
            "foo bar",
            "a..b",
            "x\0.com",
        ] {
            assert!(rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn real_lists_have_the_names_that_were_counted() {
        // Names as the lists' own comments or a count of `||name^` lines and plain ones have them.
        for (file, wanted) in [
            ("adguard-dns-noprivacy-2026.adguard.txt.gz", 70_551),
            ("adguard-dns-2019.adguard.txt.gz", 27_145),
            ("easyprivacy-2025.adblock.txt.gz", 42_098),
            ("easylist-2025.adblock.txt.gz", 42_373),
            ("urlhaus-online-2025.ublock.txt.gz", 601),
            ("sixway-adaway-2022.adblock.txt.gz", 4_456),
        ] {
            let Some(octets) = test_data::list(file) else { continue };
            let ParsedList { rules, summary } = parse(&octets, Format::Adguard).expect(file);
            let names = rules.iter().filter_map(|rule| match (&rule.effect, &rule.pattern) {
                (Effect::Block(_), Pattern::Exact(name) | Pattern::Subtree(name)) => Some(name),
                _ => None,
            });
            let names = names.collect::<HashSet<_>>().len();
            println!(
                "{file}: {names} names; {} rules, {} ignored, {} refused",
                summary.rules, summary.ignored, summary.refused
            );
            assert!(names.abs_diff(wanted) * 100 < wanted, "{file}: {names}, not {wanted}");
            assert!(summary.refused < 5, "{file}: {:?}", summary.samples);
        }
    }

    #[test]
    fn rules_for_browsers_spare_the_most_popular_names() {
        let Some(octets) = test_data::list("../popularity/tranco-top100k-2026.txt.gz") else {
            return;
        };
        let popular = String::from_utf8(octets).expect("names");
        let popular: Vec<DomainName> = popular.lines().take(1000).map(name).collect();
        for file in ["easylist-2025.adblock.txt.gz", "easyprivacy-2025.adblock.txt.gz"] {
            let Some(octets) = test_data::list(file) else { continue };
            let mut rules = parse(&octets, Format::Adguard).expect(file).rules;
            // A site as such is on such a list because DNS may block it, `||adnxs.com^`.
            rules.retain(|rule| !matches!(rule.pattern, Pattern::Subtree(_)));
            for rule in rules.iter().filter(|rule| matches!(rule.effect, Effect::Block(_))) {
                let text = compiled(rule);
                let hit = popular.iter().find(|asked| hits(rule, text.as_ref(), asked.as_ref()));
                assert_eq!(hit, None, "{file}: {:?}", rule.pattern);
            }
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in r"[@|^*$/.:=,~'#a-z0-9 \[\]\\ü;-]{0,40}") {
            let _ = rule(&line);
            let _ = parse(line.as_bytes(), Format::Adguard);
        }

        #[test]
        fn no_modifier_makes_it_panic(
            value in r"(\$|)(client|ctag|dnstype|denyallow|dnsrewrite|important)=[A-Za-z0-9 .|~',;:=\\$-]{0,30}",
        ) {
            let _ = rule(&format!("||x.com^${value}"));
        }
    }
}
