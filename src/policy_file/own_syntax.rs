//! Texts of own rules in AdGuard's and Pi-hole's syntax.

use std::sync::Arc;

use crate::model::{Action, DomainName};
use crate::policy::{Syntax, check_written};
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
            Syntax::Adguard => (text.to_string(), read_adguard(text)?),
            Syntax::Regex(action) => (text.to_string(), read_regex(text, action)?),
        };
        check_written(&rules).map_err(|why| format!("`{text}` is no rule: {why}"))?;
        Ok(OwnText { syntax, text: text.into(), rules: rules.into() })
    }
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

fn read_adguard(text: &str) -> Result<Vec<Rule>, String> {
    Err(format!("`{text}` is no rule: AdGuard's syntax is not read yet"))
}

fn read_regex(text: &str, _action: Action) -> Result<Vec<Rule>, String> {
    Err(format!("`{text}` is no rule: regular expressions are not read yet"))
}
