//! What a response policy zone's rule does: its record.

use crate::model::RecordType;

use super::{Answer, Effect, Refusal, Written, because, escaped};

/// Where a record stands.
#[derive(Clone, Copy)]
pub struct Place<'z> {
    /// The name that relative names stand below, if it is known.
    pub origin: Option<&'z str>,
    /// Seconds that records may be kept which do not say.
    pub ttl: Option<u32>,
    /// The trigger as it is written, less the zone's own name.
    pub owner: &'z str,
}

/// Returns what a record says is done.
pub fn effect(record: &Written<'_, '_>, place: Place<'_>) -> Result<Effect, Refusal> {
    if record.record_type == RecordType::CNAME {
        let target = record.only()?.to_ascii_lowercase();
        if let Some(effect) = by_name(&target)? {
            return Ok(effect);
        }
        if is_trigger(&target, place) {
            return Ok(Effect::Allow);
        }
    }
    record.rewrite(place.origin, place.ttl).map(Effect::Rewrite)
}

/// Returns the action that has a name of its own. `rpz-…` without final dot, and `*`, would stand
/// below the zone, which nobody means: a common slip.
fn by_name(target: &str) -> Result<Option<Effect>, Refusal> {
    Ok(Some(match target.strip_suffix('.').unwrap_or(target) {
        "" if target == "." => Effect::Block(Answer::NxDomain),
        "*" => Effect::Block(Answer::NoData),
        "rpz-passthru" => Effect::Allow,
        "rpz-drop" => Effect::Block(Answer::Drop),
        "rpz-tcp-only" => Effect::Truncate,
        other if other.starts_with("rpz-") && !other.contains('.') => {
            return Err(because(&format!("`{}` is no action", escaped(other))));
        }
        _ => return Ok(None),
    }))
}

/// Returns whether the target is the trigger itself, as passthru was once written.
fn is_trigger(target: &str, place: Place<'_>) -> bool {
    let trigger = ["rpz-ip", "rpz-client-ip"]
        .iter()
        .find_map(|kind| place.owner.strip_suffix(kind).and_then(|front| front.strip_suffix('.')));
    let target = Some(target.strip_suffix('.').unwrap_or(target));
    target == Some(place.owner) || (trigger.is_some() && target == trigger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;
    use crate::rules::parse::{Rewrite, split};

    fn read(owner: &str, text: &str) -> Result<Effect, String> {
        let mut words = Vec::new();
        split(text, &mut 0, &mut words).expect("words");
        let record = Written::read(&words).expect("a record");
        let place = Place { origin: Some("rpz.x"), ttl: Some(30), owner };
        effect(&record, place).map_err(|refusal| refusal.to_string())
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    #[test]
    fn actions_are_aliases_of_special_names() {
        let cases = [
            ("CNAME .", Effect::Block(Answer::NxDomain)),
            ("CNAME *.", Effect::Block(Answer::NoData)),
            ("CNAME rpz-passthru.", Effect::Allow),
            ("CNAME RPZ-Drop.", Effect::Block(Answer::Drop)),
            ("CNAME rpz-tcp-only.", Effect::Truncate),
            ("CNAME walled.y.", Effect::Rewrite(Rewrite::Alias(name("walled.y")))),
            ("CNAME walled", Effect::Rewrite(Rewrite::Alias(name("walled.rpz.x")))),
            ("CNAME *.walled.y.", Effect::Rewrite(Rewrite::AliasBelow(name("walled.y")))),
        ];
        for (text, expected) in cases {
            assert_eq!(read("a.x", text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_final_dot_that_is_missing_is_a_slip() {
        assert_eq!(read("a.x", "CNAME rpz-passthru"), Ok(Effect::Allow));
        assert_eq!(read("a.x", "CNAME rpz-drop"), Ok(Effect::Block(Answer::Drop)));
        assert_eq!(read("a.x", "CNAME *"), Ok(Effect::Block(Answer::NoData)));
        assert_eq!(read("a.x", "CNAME rpz-foo."), Err("`rpz-foo` is no action".to_string()));
    }

    #[test]
    fn an_alias_of_the_trigger_itself_lets_through() {
        for (owner, target) in [
            ("a.x", "A.x."),
            ("a.x", "a.x"),
            ("32.1.2.0.192.rpz-ip", "32.1.2.0.192."),
            ("32.1.2.0.192.rpz-client-ip", "32.1.2.0.192."),
            ("*.a.x", "*.a.x."),
        ] {
            assert_eq!(read(owner, &format!("CNAME {target}")), Ok(Effect::Allow), "{owner}");
        }
    }

    #[test]
    fn other_records_are_local_data_for_a_minute_at_most() {
        let ttl = |text| match read("a.x", text) {
            Ok(Effect::Rewrite(Rewrite::Record(record))) => record.ttl,
            other => panic!("{other:?}"),
        };
        assert_eq!(ttl("A 192.0.2.1"), Some(30));
        assert_eq!(ttl("10 A 192.0.2.1"), Some(10));
        assert_eq!(ttl("1d TXT blocked"), Some(60));
    }
}
