//! Names that no list may block.

use std::collections::HashMap;

use super::Essential;
use super::tsv::Sheet;

/// The columns of `essential.tsv`.
pub(super) const COLUMNS: &[&str] = &["name", "match", "purpose", "operator", "sources", "note"];

/// Purposes without which a device takes the network for broken; a store or a log-in is no such.
const OPEN: [&str; 5] = ["captive-portal", "certificates", "emergency", "root-dns", "time"];

/// Returns the names that stay open where only listed names are answered: their wire forms, and
/// whether all below them do too.
pub(super) fn open(essential: &[Essential]) -> HashMap<Box<[u8]>, bool> {
    let mut open: HashMap<Box<[u8]>, bool> = HashMap::new();
    for name in essential.iter().filter(|it| OPEN.contains(&&*it.purpose)) {
        *open.entry(name.name.as_ref().wire().into()).or_default() |= name.subtree;
    }
    open
}

/// Reads `essential.tsv`.
pub(super) fn read(sheet: &mut Sheet<'_>) -> Vec<Essential> {
    let mut essential = Vec::new();
    for line in sheet.lines() {
        let subtree = match line.field(1) {
            "suffix" => true,
            "exact" => false,
            other => {
                let message = format!("`{other}` is no match; write exact or suffix");
                sheet.problem(&line, 1, message, None);
                continue;
            }
        };
        let purpose = sheet.required(&line, 2);
        let name = sheet.name(&line, 0).filter(|_| sheet.is_new(&line));
        if let (Some(name), Some(purpose)) = (name, purpose) {
            essential.push(Essential { name, subtree, purpose: purpose.into(), line: line.number });
        }
    }
    essential
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_and_subtrees_are_told_apart() {
        let text = format!(
            "# edition: 2026-11-21\n{}\na.com\tsuffix\ttime\nb.com\texact\tlogin\nc.com\tall\ttime\n",
            COLUMNS.join("\t")
        );
        let mut sheet = Sheet::new("essential.tsv", &text, COLUMNS);
        let essential = read(&mut sheet);
        let read: Vec<_> = essential.iter().map(|e| (e.name.to_string(), e.subtree)).collect();
        assert_eq!(read, [("a.com".to_string(), true), ("b.com".to_string(), false)]);
        assert_eq!(sheet.finish().1[0].message, "`all` is no match; write exact or suffix");
    }
}
