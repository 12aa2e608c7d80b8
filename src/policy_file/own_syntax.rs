//! Texts of own rules in AdGuard's and Pi-hole's syntax.

use std::sync::Arc;

use crate::model::{Action, DomainName};
use crate::policy::{Syntax, check_written};
use crate::rules::parse::{adguard_rule, pihole_regex};
use crate::rules::{Answer, Effect, Pattern, Rule};

/// Longest text of an own rule, in octets.
const LONGEST_TEXT: usize = 4_096;

/// An own rule's text, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnText {
    /// How it is written.
    pub syntax: Syntax,
    /// The text, blanks around it cut.
    pub text: Box<str>,
    /// What it says.
    pub rules: Arc<[Rule]>,
}

impl OwnText {
    /// Reads a rule in AdGuard's syntax; the error says what is wrong with it.
    pub fn adguard(text: &str) -> Result<OwnText, String> {
        OwnText::read(Syntax::Adguard, text)
    }

    /// Reads a rule; the error says what is wrong with it.
    pub fn read(syntax: Syntax, text: &str) -> Result<OwnText, String> {
        let text = text.trim();
        if text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
            return Err(format!(
                "a rule has at most {LONGEST_TEXT} octets, without line breaks or other control \
                 characters"
            ));
        }
        let (text, rules) = match syntax {
            Syntax::Exact(action) => exact(text, action)?,
            Syntax::Adguard => {
                let rule = adguard_rule(text).map_err(|why| refused(text, &why))?;
                (text.to_string(), vec![rule])
            }
            Syntax::Regex(action) => {
                let allow = action == Action::Allow;
                let rules = pihole_regex(text, allow).map_err(|why| refused(text, &why))?;
                (text.to_string(), rules)
            }
        };
        check_written(&rules).map_err(|why| refused(&text, &why))?;
        Ok(OwnText { syntax, text: text.into(), rules: rules.into() })
    }
}

fn refused(text: &str, why: &str) -> String {
    format!("`{text}` is no rule: {why}")
}

fn exact(text: &str, action: Action) -> Result<(String, Vec<Rule>), String> {
    let name = DomainName::parse(text).map_err(|error| format!("`{text}` is no name: {error}"))?;
    let effect = match action {
        Action::Allow => Effect::Allow,
        Action::Block => Effect::Block(Answer::Policy),
    };
    let written = name.to_string();
    Ok((written, vec![Rule::plain(Pattern::Exact(name), effect, 1)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rewrite;

    fn effects(syntax: Syntax, text: &str) -> Vec<Effect> {
        let read = OwnText::read(syntax, text).unwrap_or_else(|why| panic!("{why}"));
        read.rules.iter().map(|rule| rule.effect.clone()).collect()
    }

    #[test]
    fn each_syntax_is_read_by_its_reader() {
        let (allow, block) = (Action::Allow, Action::Block);
        let blocked = Effect::Block(Answer::Policy);
        assert_eq!(effects(Syntax::Exact(block), " X.com. "), std::slice::from_ref(&blocked));
        assert_eq!(effects(Syntax::Exact(allow), "x.com"), [Effect::Allow]);
        assert_eq!(effects(Syntax::Regex(allow), "^x[.]"), [Effect::Allow]);
        let dropped = Effect::Block(Answer::Drop);
        assert_eq!(effects(Syntax::Regex(block), "^x;reply=NONE"), [dropped]);
        assert_eq!(effects(Syntax::Adguard, "||x.com^$important"), [blocked]);
        assert_eq!(effects(Syntax::Adguard, "@@||x.com^"), [Effect::Allow]);
        let rewrite = effects(Syntax::Adguard, "||x.com^$dnsrewrite=NXDOMAIN;;");
        assert_eq!(rewrite, [Effect::Rewrite(Rewrite::Code(3))]);
    }

    #[test]
    fn what_is_wrong_is_told_with_the_text() {
        let long = "x".repeat(LONGEST_TEXT + 1);
        let regex = Syntax::Regex(Action::Block);
        for (syntax, text, told) in [
            (Syntax::Adguard, "||x.com^$nonsense", "`||x.com^$nonsense` is no rule: "),
            (Syntax::Adguard, "||x.com^$third-party", "is no rule: "),
            (Syntax::Adguard, "", "is no rule: "),
            (Syntax::Adguard, "a\u{1b}b", "control"),
            (Syntax::Adguard, &long, "at most 4096 octets"),
            (regex, "(", "`(` is no rule: "),
            (regex, "x;reply=perhaps", "is no rule: "),
            (Syntax::Exact(Action::Block), "a..b", "`a..b` is no name: "),
        ] {
            let refused = OwnText::read(syntax, text).expect_err(text);
            assert!(refused.contains(told), "{refused}");
        }
    }
}
