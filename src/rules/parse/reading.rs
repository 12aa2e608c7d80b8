//! What has been read of a list so far, and what of it is refused.

use std::collections::HashSet;

use crate::model::NameError;

use super::{
    Answer, Effect, Format, Line, ListRefused, Listed, Options, Pattern, RefusedLine, Rule,
    Summary, escaped, listed,
};

/// Refused lines that are kept to be shown.
const SAMPLES: usize = 100;

/// Kinds of refusal that are counted; there are not many more.
const REASONS: usize = 64;

/// Why a line or a word is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What a format's own reader has to say.
    #[error("{0}")]
    Because(String),
    /// No domain name.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A prefix of no bits.
    #[error("it covers every address")]
    EveryAddress,
    /// An address where only a name can be.
    #[error("an address, and no name")]
    NoName,
    /// One label where names have more.
    #[error("a name of one label, which Pi-hole does not take")]
    OneLabel,
    /// An address, then a comment.
    #[error("an address without a name")]
    AddressAlone,
    /// Several words of which the first is no address.
    #[error("the first of several words is no address")]
    NoAddress,
    /// Several words in a list of names.
    #[error("more than one word in a list with one name a line")]
    SeveralWords,
    /// A hosts line in a list of names.
    #[error("a hosts line in a list with one name a line")]
    HostsLine,
    /// A URL that is more than a host.
    #[error("a URL with a path; blocking its whole host would be wrong")]
    Path,
    /// A host and a port.
    #[error("a host with a port; blocking the whole host would be wrong")]
    Port,
    /// A URL of another scheme.
    #[error("a URL that is neither http nor https")]
    OtherUrl,
    /// A rule of the AdGuard syntax.
    #[error("AdGuard syntax in a list of another format")]
    AdGuard,
    /// A wildcard.
    #[error("a wildcard in a list of another format")]
    Wildcard,
    /// A star that is not in front.
    #[error("a `*` elsewhere than in `*.name`")]
    InnerStar,
    /// A line for dnsmasq or unbound.
    #[error("dnsmasq or unbound syntax in a list of another format")]
    ServerConfiguration,
    /// A record of a response policy zone.
    #[error("a record of a zone in a list of another format")]
    Rpz,
    /// Octets that are no text.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// Too long.
    #[error("the line is longer than 64 KiB")]
    LineTooLong,
}

/// A list being read.
pub struct Reading<'t> {
    take: &'t mut dyn FnMut(Rule),
    options: &'t Options,
    list: Summary,
    /// Lines that are neither blank nor comment.
    meaningful: u32,
    /// Lines of which nothing could be read.
    lost: u32,
    reasons: Vec<Reason>,
}

/// A kind of refusal, how often it was met, and where first.
struct Reason {
    refusal: Refusal,
    count: u32,
    line: u32,
}

/// One line being read.
pub struct LineReading<'r> {
    take: &'r mut dyn FnMut(Rule),
    options: &'r Options,
    line: u32,
    rules: u32,
    left_out: bool,
    ignored: bool,
    refused: Option<(Refusal, String)>,
}

impl<'t> Reading<'t> {
    /// Starts a list in a format that was named or found out; rules go to `take`.
    pub fn new(format: Format, options: &'t Options, take: &'t mut dyn FnMut(Rule)) -> Reading<'t> {
        let list = Summary { format, ..Summary::default() };
        Reading { take, options, list, meaningful: 0, lost: 0, reasons: Vec::new() }
    }

    /// Returns whether nothing but blank lines and comments has been read.
    pub fn is_at_start(&self) -> bool {
        self.meaningful == 0
    }

    /// Counts a line without meaning.
    pub fn skip(&mut self, line: &Line<'_>) {
        self.list.lines = self.list.lines.max(line.number);
    }

    /// Counts a line and takes in what `read` finds on it.
    pub fn read(&mut self, line: &Line<'_>, read: impl FnOnce(&mut LineReading<'_>)) {
        let mut found = LineReading {
            take: self.take,
            options: self.options,
            line: line.number,
            rules: 0,
            left_out: false,
            ignored: false,
            refused: None,
        };
        read(&mut found);
        let LineReading { rules, left_out, ignored, refused, .. } = found;
        self.skip(line);
        self.list.rules = self.list.rules.saturating_add(rules);
        self.meaningful += 1;
        self.list.boilerplate += u32::from(left_out && rules == 0);
        self.list.ignored += u32::from(ignored && rules == 0);
        if let Some((refusal, why)) = refused {
            self.lost += u32::from(rules == 0 && !left_out && !ignored);
            self.refuse(line, refusal, why);
        }
    }

    /// Judges the whole: a list without rules, or hardly readable, is not taken in.
    pub fn finish(self) -> Result<Summary, ListRefused> {
        if u64::from(self.lost) * 10 > u64::from(self.meaningful) * 9 {
            let commonest =
                self.reasons.iter().reduce(|a, b| if b.count > a.count { b } else { a });
            let reason = commonest.expect("a lost line has a reason");
            let why = reason.refusal.to_string();
            return Err(ListRefused::Unreadable { line: reason.line, why });
        }
        if self.list.rules == 0 {
            return Err(ListRefused::Empty);
        }
        Ok(self.list)
    }

    fn refuse(&mut self, line: &Line<'_>, refusal: Refusal, why: String) {
        self.list.refused += 1;
        if self.list.samples.len() < SAMPLES {
            let sample = RefusedLine { line: line.number, text: line.shown(), why };
            self.list.samples.push(sample);
        }
        if let Some(known) = self.reasons.iter_mut().find(|known| known.refusal == refusal) {
            known.count += 1;
        } else if self.reasons.len() < REASONS {
            self.reasons.push(Reason { refusal, count: 1, line: line.number });
        }
    }
}

impl LineReading<'_> {
    /// Returns how the list is to be read.
    pub fn options(&self) -> &Options {
        self.options
    }

    /// Takes a word as a name that is blocked, itself alone, or as an address in answers.
    pub fn name(&mut self, word: &str) {
        self.name_to(word, Effect::Block(Answer::Policy));
    }

    /// Takes a word as a name, itself alone, with an effect; an address is blocked whatever it is.
    pub fn name_to(&mut self, word: &str, effect: Effect) {
        match listed(word) {
            Ok(Listed::Name(name)) if self.options.cover_subdomains => {
                self.rule(Rule::plain(Pattern::Subtree(name), effect, 0));
            }
            Ok(Listed::Name(name)) => self.rule(Rule::plain(Pattern::Exact(name), effect, 0)),
            Ok(Listed::Address(prefix)) => {
                let pattern = Pattern::Address(prefix);
                self.rule(Rule::plain(pattern, Effect::Block(Answer::Policy), 0));
            }
            Ok(Listed::Boilerplate) => self.leave_out(),
            Err(refusal) => self.refuse_word(word, refusal),
        }
    }

    /// Takes a word as a name that is blocked with all below it.
    pub fn subtree(&mut self, word: &str) {
        match listed(word) {
            Ok(Listed::Name(name)) => {
                let pattern = Pattern::Subtree(name);
                self.rule(Rule::plain(pattern, Effect::Block(Answer::Policy), 0));
            }
            Ok(Listed::Boilerplate) => self.leave_out(),
            Ok(Listed::Address(_)) => self.refuse_word(word, Refusal::NoName),
            Err(refusal) => self.refuse_word(word, refusal),
        }
    }

    /// Takes a rule; its line is filled in.
    pub fn rule(&mut self, rule: Rule) {
        (self.take)(Rule { line: self.line, ..rule });
        self.rules = self.rules.saturating_add(1);
    }

    /// Notes that the line is not for DNS: it is neither a rule nor refused.
    pub fn ignore(&mut self) {
        self.ignored = true;
    }

    /// Notes that something on the line is left out by design.
    pub fn leave_out(&mut self) {
        self.left_out = true;
    }

    /// Refuses the line.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refused.get_or_insert_with(|| {
            let why = refusal.to_string();
            (refusal, why)
        });
    }

    /// Refuses the line for one of its words.
    pub fn refuse_word(&mut self, word: &str, refusal: Refusal) {
        self.refused.get_or_insert_with(|| {
            let why = format!("`{}`: {refusal}", escaped(word));
            (refusal, why)
        });
    }
}

/// Keeps the first line of each rule, and the order of lines.
pub fn drop_duplicates(rules: &mut Vec<Rule>) {
    let mut known = HashSet::new();
    rules.retain(|rule| {
        let rule = Rule { line: 0, ..rule.clone() };
        known.insert((rule.pattern, rule.effect, rule.important, rule.badfilter, rule.condition))
    });
}
