//! dnsmasq's `address=`, `server=` and `local=`.

use std::net::IpAddr;

use crate::model::{DomainName, RecordType};

use super::{
    Answer, Condition, Effect, LineReading, Pattern, Record, Refusal, Rewrite, Rule, Selection,
    TextPattern, TextSyntax, address, because, cut_comment, is_blank, is_boilerplate, is_sink,
    words,
};

/// Reads a line: the same effect for every name between its slashes.
pub fn read(line: &str, found: &mut LineReading<'_>) {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    let key = key.trim_end_matches(is_blank);
    let make: fn(&str) -> Result<Option<Action>, Refusal> = match key {
        "address" => address_action,
        "server" | "local" => server_action,
        _ if is_other(line, key) => return found.ignore(),
        _ => return found.refuse(because("neither a key of dnsmasq with its value nor an option")),
    };
    let Some(between) = value.trim_start_matches(is_blank).strip_prefix('/') else {
        return match key {
            "address" => found.refuse(because("an address for no name: `address=/name/`")),
            _ => found.ignore(),
        };
    };
    let (names, target) = cut(between);
    match make(target) {
        Ok(Some(action)) => names.split('/').for_each(|name| action.take(name, found)),
        Ok(None) => found.ignore(),
        Err(refusal) => found.refuse(refusal),
    }
}

/// Returns whether a line is not about filtering: another key, an option, or of a hosts file.
fn is_other(line: &str, key: &str) -> bool {
    let of_key = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    let option = words(key).next().unwrap_or_default();
    let is_option = option.starts_with(|first: char| first.is_ascii_alphabetic())
        && option.bytes().all(of_key)
        && (option.len() == key.len() || cut_comment(key).len() == option.len());
    is_option || words(line).next().is_some_and(|word| address(word).is_some())
}

/// What is done with each name of a line.
struct Action {
    effect: Effect,
    condition: Option<Box<Condition>>,
}

impl Action {
    fn take(&self, name: &str, found: &mut LineReading<'_>) {
        match pattern(name) {
            Ok(Some(pattern)) => {
                let rule = Rule::plain(pattern, self.effect.clone(), 0);
                found.rule(Rule { condition: self.condition.clone(), ..rule });
            }
            Ok(None) => found.leave_out(),
            Err(refusal) => found.refuse(refusal),
        }
    }
}

impl From<Effect> for Action {
    fn from(effect: Effect) -> Action {
        Action { effect, condition: None }
    }
}

/// Parts `a/b/target # note` into names and target. A lone `#` is a name or a target; behind
/// anything else it begins a comment, which may have slashes too.
fn cut(text: &str) -> (&str, &str) {
    let mut start = 0;
    for part in text.split('/') {
        let end = start + part.len();
        if end == text.len() || (part.contains('#') && part != "#") {
            let names = text.get(..start).unwrap_or_default();
            let target = if part.starts_with('#') { Some("#") } else { part.split('#').next() };
            let target = target.unwrap_or_default().trim();
            return (names.strip_suffix('/').unwrap_or_default(), target);
        }
        start = end + 1;
    }
    (text, "")
}

/// Returns what `address=/…/TARGET` does. Since 2.86 dnsmasq answers only the address's own
/// family and forwards other types; a sink blocks all types here, whatever its family.
fn address_action(target: &str) -> Result<Option<Action>, Refusal> {
    match (target, address(target)) {
        ("", _) => Ok(Some(Effect::Block(Answer::NxDomain).into())),
        ("#", _) => Ok(Some(Effect::Block(Answer::Policy).into())),
        (_, Some(sink)) if is_sink(sink) => Ok(Some(Effect::Block(Answer::Policy).into())),
        (_, Some(address)) => {
            let (record, family) = match address {
                IpAddr::V4(v4) => (Record::v4(v4), RecordType::A),
                IpAddr::V6(v6) => (Record::v6(v6), RecordType::AAAA),
            };
            let types = Selection { include: [family].into(), ..Selection::default() };
            let condition = Some(Box::new(Condition { types, ..Condition::default() }));
            Ok(Some(Action { effect: Effect::Rewrite(Rewrite::Record(record)), condition }))
        }
        (_, None) => Err(because("what stands behind the last slash is no address")),
    }
}

/// Returns what `server=/…/TARGET` does; forwarding to a server is no filtering.
fn server_action(target: &str) -> Result<Option<Action>, Refusal> {
    Ok(match target {
        "" => Some(Effect::Block(Answer::NxDomain).into()),
        "#" => Some(Effect::Allow.into()),
        _ => None,
    })
}

/// Reads what stands between two slashes; nothing for the machine's own names.
fn pattern(name: &str) -> Result<Option<Pattern>, Refusal> {
    let name = name.trim();
    if matches!(name, "#" | "*") {
        return Ok(Some(Pattern::Everything));
    }
    let (make, text): (fn(DomainName) -> Pattern, &str) =
        match (name.strip_prefix("*."), name.strip_prefix('*')) {
            (Some(above), _) => (Pattern::Below, above),
            (None, Some(end)) => (ending, end),
            (None, None) => (Pattern::Subtree, name.strip_prefix('.').unwrap_or(name)),
        };
    // `//` is for names of one label, which never leave the house anyway.
    if text.is_empty() {
        return Ok(None);
    }
    let name = DomainName::parse(text)?;
    Ok((!is_boilerplate(&name)).then(|| make(name)))
}

/// Returns the pattern of names that end so, label border or not.
fn ending(text: DomainName) -> Pattern {
    let text = format!("{text}|").into();
    Pattern::Text(TextPattern { syntax: TextSyntax::Glob, text, inverted: false, addresses: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::parse::{Format, ParsedList, parse};

    fn list(text: &str) -> ParsedList {
        parse(text.as_bytes(), Format::Dnsmasq).expect("a good list")
    }

    /// The rules of one line.
    fn rules(line: &str) -> Vec<(Pattern, Effect)> {
        let rules = list(line).rules.into_iter();
        rules.map(|rule| (rule.pattern, rule.effect)).collect()
    }

    fn effect(line: &str) -> Effect {
        let mut rules = rules(line);
        assert_eq!(rules.len(), 1, "{line}");
        rules.remove(0).1
    }

    fn patterns(line: &str) -> Vec<Pattern> {
        rules(line).into_iter().map(|(pattern, _)| pattern).collect()
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn subtrees<const N: usize>(texts: [&str; N]) -> [Pattern; N] {
        texts.map(|text| Pattern::Subtree(name(text)))
    }

    #[test]
    fn an_address_line_blocks_the_subtree_of_each_name() {
        assert_eq!(patterns("address=/a.x/B.x./#"), subtrees(["a.x", "b.x"]));
        assert_eq!(patterns("address = /a.x/ 0.0.0.0 "), subtrees(["a.x"]));
    }

    #[test]
    fn sinks_and_the_mark_for_them_block() {
        for target in ["#", "0.0.0.0", "::", "127.0.0.1", "::1"] {
            let line = format!("address=/a.x/{target}");
            assert_eq!(effect(&line), Effect::Block(Answer::Policy), "{line}");
        }
    }

    #[test]
    fn no_address_and_no_server_mean_that_the_name_does_not_exist() {
        for line in ["address=/a.x/", "server=/a.x/", "local=/a.x/"] {
            assert_eq!(effect(line), Effect::Block(Answer::NxDomain), "{line}");
        }
    }

    #[test]
    fn a_real_address_is_a_rewrite_for_its_family() {
        let cases = [
            ("192.0.2.1", Record::v4([192, 0, 2, 1].into()), RecordType::A),
            ("2001:db8::1", Record::v6("2001:db8::1".parse().expect("v6")), RecordType::AAAA),
        ];
        for (address, record, family) in cases {
            let rule = list(&format!("address=/a.x/{address}")).rules.remove(0);
            assert_eq!(rule.effect, Effect::Rewrite(Rewrite::Record(record)));
            assert_eq!(rule.condition.expect("a condition").types.include, [family].into());
        }
    }

    #[test]
    fn the_default_servers_are_an_exception_and_others_no_filtering() {
        assert_eq!(effect("server=/a.x/#"), Effect::Allow);
        let found = list("address=/b.x/#\nserver=/a.x/192.0.2.1\nserver=/a.x/192.0.2.1#5353\n");
        assert_eq!((found.rules.len(), found.summary.ignored, found.summary.refused), (1, 2, 0));
    }

    #[test]
    fn names_have_their_wildcards() {
        assert_eq!(patterns("address=/.a.x/#"), subtrees(["a.x"]));
        assert_eq!(patterns("address=/*.a.x/#"), [Pattern::Below(name("a.x"))]);
        assert_eq!(patterns("address=/#/#"), [Pattern::Everything]);
        assert_eq!(patterns("address=/#/192.0.2.1"), [Pattern::Everything]);
        let [Pattern::Text(ending)] = &*patterns("address=/*A.x/#") else { panic!("no text") };
        assert_eq!((&*ending.text, ending.syntax), ("a.x|", TextSyntax::Glob));
    }

    #[test]
    fn other_keys_are_ignored() {
        let text = "address=/a.x/#\nno-resolv\nserver=192.0.2.1\nipset=/a.x/set\n0.0.0.0 a.x\n\
                    nftset=/a.x/inet#filter#set\ncache-size=0\nbogus-nxdomain=192.0.2.1\n\
                    bogus-priv # note\n0.0.0.0 a.x # b=c\n";
        let found = list(text).summary;
        assert_eq!((found.rules, found.ignored, found.refused), (1, 9, 0));
    }

    #[test]
    fn comments_are_cut_with_a_blank_before_or_without() {
        let lines = [
            "address=/a.x/# # see http://b.x/c",
            "address=/a.x/## see http://b.x/c",
            "address=/a.x/0.0.0.0#see /b/",
            "address=/a.x/0.0.0.0 # see /b/",
            "address=/a.x/# # note",
        ];
        for line in lines {
            let found = rules(line);
            let [expected] = subtrees(["a.x"]);
            assert_eq!(found, [(expected, Effect::Block(Answer::Policy))], "{line}");
        }
        assert_eq!(effect("server=/a.x/ # note"), Effect::Block(Answer::NxDomain));
    }

    #[test]
    fn one_bad_name_spoils_only_itself() {
        let found = list("address=/a.x/b!.x/*.c.*.x/300.1.1.1/d.x/#");
        assert_eq!((found.rules.len(), found.summary.refused), (2, 1));
        for bad in ["address=192.0.2.1", "||a.x^", "address=/a.x/foo", "a.x", "a b=c"] {
            let found = list(&format!("address=/a.x/#\n{bad}"));
            assert_eq!((found.rules.len(), found.summary.refused), (1, 1), "{bad}");
        }
    }

    #[test]
    fn the_machines_own_names_are_left_out() {
        let found = list("address=/localhost/a.x/#\naddress=/local/#\nlocal=//\n");
        assert_eq!((found.rules.len(), found.summary.boilerplate), (1, 2));
    }
}
