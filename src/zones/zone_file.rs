//! Zone files, read by hickory's parser; problems get the line that the parser does not tell.

use std::collections::BTreeMap;
use std::path::Path;

use hickory_server::proto::rr::{LowerName, Name, RecordSet, RecordType, RrKey};
use hickory_server::proto::serialize::txt::{LexerError, ParseError, Parser};

/// Largest zone file that is read.
const MAX_OCTETS: u64 = 16 << 20;

/// Reads the records of the zone `apex`; the error names the file, the line and what is wrong.
pub fn read(path: &Path, apex: &Name) -> Result<BTreeMap<RrKey, RecordSet>, String> {
    let file = path.display();
    let length = std::fs::metadata(path).map_err(|error| format!("{file}: {error}"))?.len();
    if length > MAX_OCTETS {
        return Err(format!("{file}: the zone file is larger than 16 MiB"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    parse(&text, apex)
        .and_then(|records| check(&records, apex).map(|()| records).map_err(|why| (None, why)))
        .map_err(|(line, why)| match line {
            Some(line) => format!("{file}:{line}: {why}"),
            None => format!("{file}: {why}"),
        })
}

type Located = (Option<usize>, String);

fn parse(text: &str, apex: &Name) -> Result<BTreeMap<RrKey, RecordSet>, Located> {
    // An include could name any file that we may read, whatever the parser takes for a string.
    if let Some(at) = text.lines().position(|line| line.trim_start().starts_with("$INCLUDE")) {
        let why = "$INCLUDE is not read; put all records of the zone into this file";
        return Err((Some(at + 1), why.into()));
    }
    records(text, apex).map_err(|error| (Some(line_of(text, apex)), error.to_string()))
}

fn records(text: &str, apex: &Name) -> Result<BTreeMap<RrKey, RecordSet>, ParseError> {
    Parser::new(text, None, Some(apex.clone())).parse().map(|(_, records)| records)
}

/// Returns the line on which the first bad entry ends.
///
/// The parser stops at the first error, so every text that holds the bad entry whole fails.
fn line_of(text: &str, apex: &Name) -> usize {
    let lines: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let good = lines.partition_point(|&end| {
        let part = text.get(..end).unwrap_or(text);
        matches!(
            records(part, apex),
            Ok(_)
                | Err(ParseError::Lexer(
                    LexerError::UnclosedList | LexerError::UnclosedQuotedString
                ))
        )
    });
    good + 1
}

fn check(records: &BTreeMap<RrKey, RecordSet>, apex: &Name) -> Result<(), String> {
    let origin = LowerName::new(apex);
    if !records.contains_key(&RrKey::new(origin.clone(), RecordType::SOA)) {
        return Err(format!("the zone has no SOA record at {apex}"));
    }
    for key in records.keys() {
        if !origin.zone_of(&key.name) {
            return Err(format!("{} is not in the zone {apex}", key.name));
        }
        if key.record_type == RecordType::NS && key.name != origin {
            return Err(format!(
                "{} is delegated by NS, which is not followed; map it under [[forward]] in config.toml",
                key.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "$TTL 300\n@ IN SOA ns admin (\n  1 ; serial\n  3600 900 604800\n  60 )\n\
                        @ NS ns\nns A 192.0.2.1\n*.dev A 192.0.2.2\ntxt TXT \"a ; b\"\n";

    fn apex() -> Name {
        Name::from_ascii("home.lan.").expect("a name")
    }

    fn problem(text: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("home.lan.zone");
        std::fs::write(&path, text).expect("written");
        let problem = read(&path, &apex()).expect_err("a problem");
        problem.replace(&folder.path().display().to_string(), "")
    }

    #[test]
    fn a_zone_file_is_read() {
        let records = records(GOOD, &apex()).expect("records");
        assert!(check(&records, &apex()).is_ok());
        assert_eq!(records.len(), 5);
    }

    #[test]
    fn a_bad_line_is_named() {
        let bad = format!("{GOOD}mail MX ten mail\nafter A 192.0.2.9\n");
        assert!(problem(&bad).starts_with("/home.lan.zone:10: "), "{}", problem(&bad));
        let wrong_type = GOOD.replace("ns A 192", "ns ADDRESS 192");
        assert!(problem(&wrong_type).starts_with("/home.lan.zone:7: "), "{}", problem(&wrong_type));
        let unclosed = GOOD.replace("60 )", "60");
        assert!(problem(&unclosed).contains("unclosed"), "{}", problem(&unclosed));
    }

    #[test]
    fn other_files_and_other_zones_are_out_of_reach() {
        let include = format!("{GOOD}$INCLUDE /etc/passwd\n");
        assert!(problem(&include).starts_with("/home.lan.zone:10: $INCLUDE"));
        let quoted = format!("{GOOD}t TXT a\"b\n$INCLUDE /etc/passwd\n\"\n");
        assert!(problem(&quoted).starts_with("/home.lan.zone:11: $INCLUDE"));
        let foreign = format!("{GOOD}example.com. A 192.0.2.3\n");
        assert!(problem(&foreign).contains("example.com. is not in the zone home.lan."));
        let delegated = format!("{GOOD}sub NS ns.sub\n");
        assert!(problem(&delegated).contains("sub.home.lan. is delegated"));
        assert!(problem("$TTL 1\nns A 192.0.2.1\n").contains("no SOA"));
        assert!(read(Path::new("/nonexistent/zone"), &apex()).is_err());
    }
}
