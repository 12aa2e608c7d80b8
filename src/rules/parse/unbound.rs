//! unbound's `local-zone:` and `local-data:`.

use crate::model::{DomainName, RecordType};

use super::{
    Answer, Condition, Content, Effect, Format, LineReading, Lines, ListRefused, LocalNames,
    Options, Pattern, Reading, Refusal, Rewrite, Rule, Selection, Spot, Summary, Written, ZoneType,
    because, is_blank, is_boilerplate, is_sink, name_at, split,
};

/// Reads a configuration file. It is read twice: zones may stand behind their data.
pub fn read(
    octets: &[u8],
    options: &Options,
    take: &mut dyn FnMut(Rule),
) -> Result<Summary, ListRefused> {
    let mut names = LocalNames::new();
    for note in [note_zone_and_data, note_parents] {
        for line in Lines::new(octets) {
            if let Content::Text(text) = line.content(Format::Unbound)? {
                // What cannot be read is told below.
                statement(text).into_iter().for_each(|statement| note(&mut names, &statement));
            }
        }
    }
    let mut reading = Reading::new(Format::Unbound, options, take);
    for line in Lines::new(octets) {
        match line.content(Format::Unbound)? {
            Content::Nothing => reading.skip(&line),
            Content::Refused(refusal) => reading.read(&line, |found| found.refuse(refusal)),
            Content::Text(text) => match statement(text) {
                Ok(Statement::Header) => reading.skip(&line),
                statement => reading.read(&line, |found| tell(&mut names, statement, found)),
            },
        }
    }
    reading.finish()
}

/// What a line says.
enum Statement {
    /// The heading of the section that zones are in.
    Header,
    /// Nothing about filtering.
    Other,
    /// About the machine's own names.
    Own,
    /// A zone.
    Zone(DomainName, ZoneType),
    /// A name's data that says that it is blocked.
    Sink(DomainName),
    /// A name's data.
    Data(DomainName, Rewrite),
    /// A name's data that no filter has a use for; the name exists.
    Useless(DomainName),
}

fn statement(text: &str) -> Result<Statement, Refusal> {
    let none = || because("neither `local-zone:` nor `local-data:` nor another option of unbound");
    let (key, value) = text.split_once(':').ok_or_else(none)?;
    match (key, value.trim_start_matches(is_blank)) {
        ("server", value) if value.is_empty() || value.starts_with('#') => Ok(Statement::Header),
        ("server", value) => statement(value),
        ("local-zone", value) => zone(value),
        ("local-data", value) => data(value),
        (key, _) if key.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-') => {
            Ok(Statement::Other)
        }
        _ => Err(none()),
    }
}

/// Reads `"name." TYPE`.
fn zone(value: &str) -> Result<Statement, Refusal> {
    let (name, rest) = word(value)?;
    let (kind, rest) = word(rest)?;
    end(rest)?;
    let name = name_at(name, None)?;
    if is_boilerplate(&name) {
        return Ok(Statement::Own);
    }
    Ok(match ZoneType::read(kind)? {
        Some(kind) => Statement::Zone(name, kind),
        None => Statement::Other,
    })
}

/// Reads `"name. [ttl] [IN] TYPE data"`; without quotes it goes to the end of the line.
fn data(value: &str) -> Result<Statement, Refusal> {
    let record = if value.starts_with(['"', '\'']) {
        let (record, rest) = word(value)?;
        end(rest)?;
        record
    } else {
        value.split('#').next().unwrap_or_default()
    };
    let mut words = Vec::new();
    split(record, &mut 0, &mut words)?;
    let (owner, rest) = words.split_first().ok_or_else(|| because("data without a name"))?;
    let (name, record) = (name_at(owner.text, None)?, Written::read(rest)?);
    if name.as_ref().is_root() {
        return Err(because("data of the root"));
    }
    if is_boilerplate(&name) {
        return Ok(Statement::Own);
    }
    if record.is_of_zone() {
        return Ok(Statement::Useless(name));
    }
    if record.address().is_some_and(is_sink) {
        return Ok(Statement::Sink(name));
    }
    Ok(Statement::Data(name, record.rewrite(None, None)?))
}

/// Takes a word, in quotes or not, off a text.
fn word(text: &str) -> Result<(&str, &str), Refusal> {
    let text = text.trim_start_matches(is_blank);
    let (word, rest) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let text = text.get(1..).unwrap_or_default();
            text.split_once(quote).ok_or_else(|| because("a quote is not closed"))?
        }
        _ => {
            let ends = |character| is_blank(character) || character == '#';
            text.split_at(text.find(ends).unwrap_or(text.len()))
        }
    };
    if word.is_empty() { Err(because("a word is missing")) } else { Ok((word, rest)) }
}

fn end(rest: &str) -> Result<(), Refusal> {
    match rest.trim_start_matches(is_blank) {
        rest if rest.is_empty() || rest.starts_with('#') => Ok(()),
        _ => Err(because("more words than the option takes")),
    }
}

fn note_zone_and_data(names: &mut LocalNames, statement: &Statement) {
    let (Statement::Zone(name, _) | Statement::Sink(name) | Statement::Data(name, _)) = statement
    else {
        return;
    };
    let Some(spot) = names.place(name.as_ref()) else { return };
    match statement {
        Statement::Zone(_, kind) => spot.zone = spot.zone.max(Some(*kind)),
        Statement::Sink(_) => spot.sink = true,
        _ => spot.data = true,
    }
}

/// Only in static zones it matters which names exist.
fn note_parents(names: &mut LocalNames, statement: &Statement) {
    let (Statement::Sink(name) | Statement::Data(name, _) | Statement::Useless(name)) = statement
    else {
        return;
    };
    if matches!(names.zone_of(name.as_ref()), Some((ZoneType::Static, _))) {
        names.exist(name.as_ref());
    }
}

fn tell(
    names: &mut LocalNames,
    statement: Result<Statement, Refusal>,
    found: &mut LineReading<'_>,
) {
    match statement {
        Ok(Statement::Header | Statement::Other) => found.ignore(),
        Ok(Statement::Own) => found.leave_out(),
        Ok(Statement::Zone(name, kind)) => match names.spot(name.as_ref()) {
            Some(spot) => tell_zone(names, (name, kind), spot, found),
            None => found.refuse(because("the list has more than 8,000,000 names")),
        },
        Ok(Statement::Sink(name)) => tell_data(names, name, None, found),
        Ok(Statement::Data(name, rewrite)) => tell_data(names, name, Some(rewrite), found),
        Ok(Statement::Useless(name)) => {
            found.ignore();
            tell_empty(names, &name, found);
        }
        Err(refusal) => found.refuse(refusal),
    }
}

/// A zone's own data stands beside the zone's rule at one name, so where it decides there the
/// zone's rule is for the names below only.
fn tell_zone(
    names: &LocalNames,
    (name, kind): (DomainName, ZoneType),
    spot: Spot,
    found: &mut LineReading<'_>,
) {
    let scope = |below| if below { below_of(&name) } else { subtree_of(&name) };
    let mut block = |below, answer| rule(scope(below), Effect::Block(answer), found);
    match kind {
        ZoneType::Always(answer) => block(false, answer),
        ZoneType::Static => block(spot.exists, Answer::NxDomain),
        ZoneType::Strict(answer) => block(spot.sink, answer),
        // What the data answers is told where the data stands.
        ZoneType::Redirect if spot.data => {}
        ZoneType::Redirect if spot.sink => block(false, Answer::Policy),
        ZoneType::Redirect => block(false, Answer::NoData),
        ZoneType::BlockType(kind) => {
            let effect = Effect::Block(Answer::NoData);
            found.rule(Rule { condition: only(kind), ..Rule::plain(scope(spot.sink), effect, 0) });
        }
        _ => {}
    }
    if kind >= ZoneType::Redirect {
        return;
    }
    if !names.is_in_blocking_zone(name.as_ref()) {
        return found.ignore();
    }
    let below = match kind {
        ZoneType::Transparent => spot.sink || spot.data,
        ZoneType::AlwaysTransparent => false,
        _ => spot.sink,
    };
    let condition = match kind {
        ZoneType::BlockType(kind) => not(kind),
        _ => None,
    };
    found.rule(Rule { condition, ..Rule::plain(scope(below), Effect::Allow, 0) });
}

/// Tells one line of data; `None` is an address that means blocking.
fn tell_data(
    names: &mut LocalNames,
    name: DomainName,
    rewrite: Option<Rewrite>,
    found: &mut LineReading<'_>,
) {
    if names.spot(name.as_ref()).is_none() {
        return found.refuse(because("the list has more than 8,000,000 names"));
    }
    let (zone, is_apex) = names.zone_of(name.as_ref()).unwrap_or((ZoneType::Transparent, false));
    let exact = Pattern::Exact(name.clone());
    match (zone, rewrite) {
        (ZoneType::Always(_) | ZoneType::AlwaysTransparent, _) => found.ignore(),
        (ZoneType::Redirect, _) if !is_apex => {
            found.refuse(because("data below a zone that redirects is never answered"));
        }
        // The zone's line tells the block.
        (ZoneType::Redirect, None) => {}
        (ZoneType::Redirect, Some(rewrite)) => {
            rule(subtree_of(&name), Effect::Rewrite(rewrite), found);
        }
        (_, None) => rule(exact, Effect::Block(Answer::Policy), found),
        (ZoneType::Static | ZoneType::Transparent, Some(rewrite)) => {
            rule(exact, Effect::Rewrite(rewrite), found);
        }
        (_, Some(rewrite)) => {
            let condition = match &rewrite {
                Rewrite::Record(record) => only(record.record_type),
                _ => None,
            };
            found.rule(Rule { condition, ..Rule::plain(exact, Effect::Rewrite(rewrite), 0) });
        }
    }
    tell_empty(names, &name, found);
}

/// Tells that names which exist in a static zone without data have none.
fn tell_empty(names: &mut LocalNames, name: &DomainName, found: &mut LineReading<'_>) {
    if matches!(names.zone_of(name.as_ref()), Some((ZoneType::Static, _))) {
        names.empty(name.as_ref(), |name| {
            rule(Pattern::Exact(name), Effect::Block(Answer::NoData), found);
        });
    }
}

fn rule(pattern: Pattern, effect: Effect, found: &mut LineReading<'_>) {
    found.rule(Rule::plain(pattern, effect, 0));
}

fn subtree_of(name: &DomainName) -> Pattern {
    if name.as_ref().is_root() { Pattern::Everything } else { Pattern::Subtree(name.clone()) }
}

fn below_of(name: &DomainName) -> Pattern {
    if name.as_ref().is_root() { Pattern::Everything } else { Pattern::Below(name.clone()) }
}

fn only(kind: RecordType) -> Option<Box<Condition>> {
    let types = Selection { include: [kind].into(), ..Selection::default() };
    Some(Box::new(Condition { types, ..Condition::default() }))
}

fn not(kind: RecordType) -> Option<Box<Condition>> {
    let types = Selection { exclude: [kind].into(), ..Selection::default() };
    Some(Box::new(Condition { types, ..Condition::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::parse::{ParsedList, Record, parse};

    fn list(text: &str) -> ParsedList {
        parse(text.as_bytes(), Format::Unbound).expect("a good list")
    }

    /// The rules, in the order of lines.
    fn rules(text: &str) -> Vec<(Pattern, Effect)> {
        let rules = list(text).rules.into_iter();
        rules.map(|rule| (rule.pattern, rule.effect)).collect()
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn subtree(text: &str, answer: Answer) -> (Pattern, Effect) {
        (Pattern::Subtree(name(text)), Effect::Block(answer))
    }

    #[test]
    fn zones_are_written_with_quotes_final_dot_and_heading_or_without() {
        let expected = [subtree("a.x", Answer::NxDomain)];
        for text in [
            "local-zone: \"a.x.\" always_nxdomain",
            "server:\nlocal-zone: A.x always_nxdomain",
            "server: # heading\n\tlocal-zone:'a.x' 'Always_NXDOMAIN'#note",
            "server: local-zone: \"a.x\" static # note",
        ] {
            assert_eq!(rules(text), expected, "{text}");
        }
    }

    #[test]
    fn each_blocking_type_has_its_answer() {
        let cases = [
            ("always_nxdomain", Answer::NxDomain),
            ("static", Answer::NxDomain),
            ("always_nodata", Answer::NoData),
            ("always_null", Answer::Policy),
            ("refuse", Answer::Refused),
            ("always_refuse", Answer::Refused),
            ("deny", Answer::Drop),
            ("always_deny", Answer::Drop),
            ("inform_deny", Answer::Drop),
            ("redirect", Answer::NoData),
            ("inform_redirect", Answer::NoData),
        ];
        for (kind, answer) in cases {
            let text = format!("local-zone: \"a.x.\" {kind}");
            assert_eq!(rules(&text), [subtree("a.x", answer)], "{kind}");
        }
    }

    #[test]
    fn a_type_of_record_alone_can_be_blocked() {
        let rule = list("local-zone: \"a.x.\" block_aaaa").rules.remove(0);
        assert_eq!((rule.pattern, rule.effect), subtree("a.x", Answer::NoData));
        let types = rule.condition.expect("a condition").types;
        assert_eq!(types.include, [RecordType::AAAA].into());
    }

    #[test]
    fn a_transparent_zone_allows_under_a_blocking_one_and_else_says_nothing() {
        for kind in ["transparent", "typetransparent", "always_transparent", "inform", "nodefault"]
        {
            let text = format!("local-zone: a.b.x {kind}\nlocal-zone: \"x.\" refuse\n");
            let allow = (Pattern::Subtree(name("a.b.x")), Effect::Allow);
            assert_eq!(rules(&text), [allow, subtree("x", Answer::Refused)], "{kind}");
            let alone = list(&format!("local-zone: a.b.x {kind}\nlocal-zone: y refuse"));
            assert_eq!((alone.rules.len(), alone.summary.ignored), (1, 1), "{kind}");
        }
    }

    #[test]
    fn a_redirect_with_a_sink_is_one_block_in_any_order() {
        let (zone, data) = ("local-zone: \"a.x\" redirect", "local-data: \"a.x A 0.0.0.0\"");
        let more = "local-data: \"a.x. 3600 IN AAAA ::\"";
        for text in [format!("{zone}\n{data}\n{more}"), format!("{more}\n{data}\n{zone}")] {
            let list = list(&text);
            let found = list.rules.into_iter().map(|rule| (rule.pattern, rule.effect));
            assert_eq!(found.collect::<Vec<_>>(), [subtree("a.x", Answer::Policy)]);
            assert_eq!((list.summary.refused, list.summary.ignored), (0, 0));
        }
    }

    #[test]
    fn a_redirect_with_data_is_a_rewrite_of_the_subtree() {
        let zone = "local-zone: a.x redirect\n";
        let of = |data: &str| rules(&format!("{zone}local-data: \"{data}\""));
        let rewrite = |rewrite| [(Pattern::Subtree(name("a.x")), Effect::Rewrite(rewrite))];
        let record = Record::v4([192, 0, 2, 1].into());
        assert_eq!(of("a.x A 192.0.2.1"), rewrite(Rewrite::Record(record)));
        assert_eq!(of("a.x CNAME b.y."), rewrite(Rewrite::Alias(name("b.y"))));
        assert_eq!(of("a.x CNAME *.b.y."), rewrite(Rewrite::AliasBelow(name("b.y"))));
    }

    #[test]
    fn data_alone_is_for_its_name() {
        let block = (Pattern::Exact(name("a.x")), Effect::Block(Answer::Policy));
        assert_eq!(rules("local-data: 'a.x A 127.0.0.1'"), [block]);
        let found = rules("local-data: \"a.x 30 TXT 'see # there'\" # note");
        assert!(matches!(&*found, [(Pattern::Exact(_), Effect::Rewrite(_))]), "{found:?}");
    }

    #[test]
    fn a_zone_for_everything_is_a_pattern_for_everything() {
        let found = rules("local-zone: \".\" refuse\nlocal-zone: a.x transparent");
        let everything = (Pattern::Everything, Effect::Block(Answer::Refused));
        assert_eq!(found, [everything, (Pattern::Subtree(name("a.x")), Effect::Allow)]);
    }

    #[test]
    fn other_options_are_ignored_and_bad_lines_refused() {
        let text = "local-zone: a.x static\nserver:\nforward-zone:\n  name: \".\"\nverbosity: 1\n\
                    local-data-ptr: \"192.0.2.1 a.x\"\nlocal-zone: b.x noview\n\
                    local-zone: localhost. nodefault\nlocal-data: \"localhost. A 127.0.0.1\"\n";
        let found = list(text).summary;
        let counts = (found.rules, found.ignored, found.boilerplate, found.refused);
        assert_eq!(counts, (1, 5, 2, 0));
        for bad in [
            "local-zone: b.x",
            "local-zone: b.x foo",
            "local-zone: b!.x static",
            "local-zone: \"b.x static",
            "local-zone: b.x static more",
            "local-data: \"b.x\"",
            "local-data: \"b.x A 1.2.3\"",
            "local-data: \"b.x HTTPS 1 .\"",
            "local-data: \". A 192.0.2.1\"",
            "address=/b.x/",
        ] {
            let found = list(&format!("local-zone: a.x static\n{bad}"));
            assert_eq!((found.rules.len(), found.summary.refused), (1, 1), "{bad}");
        }
    }

    #[test]
    fn data_below_a_redirecting_zone_is_refused_with_the_reason() {
        let text = "local-zone: a.x redirect\nlocal-data: \"b.a.x A 192.0.2.1\"";
        let found = list(text).summary.samples;
        assert_eq!(found[0].why, "data below a zone that redirects is never answered");
    }
}
