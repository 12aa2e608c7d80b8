//! Servers of encrypted DNS, and names that steer devices towards or away from them.

use super::tsv::Sheet;
use crate::model::DomainName;

/// The columns of `encrypted-dns.tsv`.
pub(super) const COLUMNS: &[&str] =
    &["host", "kind", "protocols", "operator", "country", "sources", "note"];

/// Reads `encrypted-dns.tsv`; returns the resolvers with their lines.
pub(super) fn read(sheet: &mut Sheet<'_>) -> Vec<(DomainName, u32)> {
    let mut resolvers = Vec::new();
    for line in sheet.lines() {
        let Some(name) = sheet.name(&line, 0).filter(|_| sheet.is_new(&line)) else {
            continue;
        };
        match line.field(1) {
            "resolver" => resolvers.push((name, line.number)),
            "canary" | "relay" | "ddr" | "connectivity" => {}
            other => {
                let known = "resolver, canary, relay, ddr or connectivity";
                sheet.problem(&line, 1, format!("`{other}` is no kind; write {known}"), None);
            }
        }
    }
    resolvers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resolvers_are_taken_and_unknown_kinds_told() {
        let text = format!(
            "# edition: 2026-11-21\n{}\ndns.a.com\tresolver\nc.a.com\tcanary\nx.a.com\tdoh\n",
            COLUMNS.join("\t")
        );
        let mut sheet = Sheet::new("encrypted-dns.tsv", &text, COLUMNS);
        let resolvers = read(&mut sheet);
        assert_eq!(resolvers, [("dns.a.com".parse().expect("a name"), 3)]);
        let problems = sheet.finish().1;
        assert_eq!((problems[0].line, problems[0].column, problems.len()), (5, 9, 1));
    }
}
