//! The names of a response policy zone: its own, and which of those in it exist.

use crate::model::{DomainName, NameRef};

use super::{NameTable, Pattern, Refusal, Trigger, Word, because};

/// Where the entries of a zone file stand. All names are lower case, without final dot; "" is
/// the root.
#[derive(Default)]
pub struct ZonePlace {
    /// What relative names stand below, if the file says so.
    pub origin: Option<String>,
    /// The zone's own name, if the file says so.
    apex: Option<String>,
    /// What the zone is called where the file does not say.
    configured: Option<String>,
    /// Whether the start of authority has been read.
    begun: bool,
    /// The last owner, less the zone's own name.
    owner: Option<String>,
}

impl ZonePlace {
    /// Starts a file whose zone is called so if the file does not say.
    pub fn new(configured: Option<&DomainName>) -> ZonePlace {
        let configured = configured.map(DomainName::to_string);
        ZonePlace { configured, ..ZonePlace::default() }
    }

    /// Takes `$ORIGIN`. The first one is the zone's name until its start of authority tells.
    pub fn set_origin(&mut self, text: &str) -> Result<(), Refusal> {
        let (origin, _) = self.full(text)?;
        if self.apex.is_none() && !origin.is_empty() {
            self.apex = Some(origin.clone());
        }
        self.origin = Some(origin);
        Ok(())
    }

    /// Takes the owner of the start of authority, which is the zone's name; returns whether it is
    /// the first one.
    pub fn begin(&mut self, owner: Option<&Word<'_>>) -> bool {
        let first = !std::mem::replace(&mut self.begun, true);
        let is_named = |word: &&Word<'_>| word.text != "@" || self.origin.is_some();
        if let (true, Some(word)) = (first, owner.filter(is_named)) {
            self.apex = self.full(word.text).ok().map(|(name, _)| name);
        }
        first
    }

    /// Takes an owner as it is written, or the one before; returns it less the zone's own name.
    pub fn owner(&mut self, written: Option<&Word<'_>>) -> Result<&str, Refusal> {
        if let Some(word) = written {
            self.owner = None;
            self.owner = Some(self.relative(word.text)?);
        }
        self.owner.as_deref().ok_or_else(|| because("no owner stands above"))
    }

    fn relative(&self, text: &str) -> Result<String, Refusal> {
        if text == "@" && self.origin.is_none() {
            return Ok(String::new());
        }
        let (full, is_whole) = self.full(text)?;
        let Some(zone) = self.apex.as_ref().or(self.configured.as_ref()) else {
            return Ok(full);
        };
        match full.strip_suffix(zone.as_str()) {
            Some("") => Ok(String::new()),
            Some(_) if zone.is_empty() => Ok(full),
            Some(front) if front.ends_with('.') => Ok(front.trim_end_matches('.').to_string()),
            _ if is_whole && self.apex.is_some() => Err(because("the owner is outside the zone")),
            _ => Ok(full),
        }
    }

    /// Returns a name in full, and whether it is known to be whole.
    fn full(&self, text: &str) -> Result<(String, bool), Refusal> {
        let mut text = text.to_ascii_lowercase();
        if text.contains('\\') {
            let dot = if text.ends_with('.') { "." } else { "" };
            text = DomainName::from_presentation(&text)?.to_string() + dot;
        }
        if let Some(whole) = text.strip_suffix('.') {
            return Ok((whole.to_string(), true));
        }
        Ok(match self.origin.as_deref() {
            Some(origin) if text == "@" => (origin.to_string(), true),
            Some("") => (text, true),
            Some(origin) => (format!("{text}.{origin}"), true),
            None => (text, false),
        })
    }
}

/// The rules of one trigger.
#[derive(Clone, Copy, Default)]
pub struct TriggerRules {
    /// Whether there are any.
    any: bool,
    /// Whether there are several.
    pub several: bool,
    /// Whether one of them is an alias, which answers for all types.
    pub alias: bool,
}

/// What is known of one name of a zone.
#[derive(Default)]
struct Node {
    /// For the name itself.
    exact: TriggerRules,
    /// Of the wildcard right below it.
    below: TriggerRules,
    /// Whether its hole has been told.
    told: bool,
}

/// Which triggers a zone has, and which names exist in it. A wildcard stands for names below it of
/// which none between exists (RFC 4592, section 3.3.1): one that exists is a hole.
pub struct ZoneNames {
    nodes: NameTable<Node>,
}

impl ZoneNames {
    /// Starts without names.
    pub fn new() -> ZoneNames {
        ZoneNames { nodes: NameTable::new() }
    }

    /// Notes a rule; with its trigger's name all parents exist.
    pub fn note(&mut self, trigger: &Trigger, is_alias: bool) {
        let keys = self.keys(trigger);
        let Some(node) = keys.first().and_then(|&key| self.nodes.place(key)) else { return };
        let rules = node.rules_mut(trigger);
        rules.several |= rules.any;
        rules.any = true;
        rules.alias |= is_alias;
        for &key in keys.iter().skip(1) {
            self.nodes.place(key);
        }
    }

    /// Returns what rules a trigger has, or `None` if there was no room to note them.
    pub fn rules(&self, trigger: &Trigger) -> Option<TriggerRules> {
        let keys = self.keys(trigger);
        let node = self.nodes.get(*keys.first()?)?;
        let rules = if matches!(trigger, Trigger::Below(_)) { node.below } else { node.exact };
        let is_whole = keys.iter().all(|&key| self.nodes.get(key).is_some());
        (rules.any && is_whole).then_some(rules)
    }

    /// Gives, once each, the holes that a trigger's name and its parents make.
    pub fn holes(&mut self, trigger: &Trigger, mut give: impl FnMut(Pattern)) {
        let (Trigger::Name(name) | Trigger::Below(name)) = trigger else { return };
        let keys = self.keys(trigger);
        for ((name, &key), &above) in name.as_ref().walk().zip(&keys).zip(keys.iter().skip(1)) {
            let is_below_wildcard = self.nodes.get(above).is_some_and(|above| above.below.any);
            let Some(node) = self.nodes.get_mut(key).filter(|_| is_below_wildcard) else {
                continue;
            };
            if !std::mem::replace(&mut node.told, true) {
                node.hole(name).into_iter().for_each(&mut give);
            }
        }
    }

    fn keys(&self, trigger: &Trigger) -> Vec<u64> {
        match trigger {
            Trigger::Name(name) | Trigger::Below(name) => self.nodes.keys(name.as_ref()),
            other => vec![self.nodes.key_of(other)],
        }
    }
}

impl Node {
    fn rules_mut(&mut self, trigger: &Trigger) -> &mut TriggerRules {
        if matches!(trigger, Trigger::Below(_)) { &mut self.below } else { &mut self.exact }
    }

    /// Returns for which names a wildcard right above does not stand: the name, if it exists for
    /// the sake of others only, and those below, if they have no wildcard of their own.
    fn hole(&self, name: NameRef<'_>) -> Option<Pattern> {
        let name = name.to_owned();
        match (self.exact.any, self.below.any) {
            (true, true) => None,
            (true, false) => Some(Pattern::Below(name)),
            (false, true) => Some(Pattern::Exact(name)),
            (false, false) => Some(Pattern::Subtree(name)),
        }
    }
}
