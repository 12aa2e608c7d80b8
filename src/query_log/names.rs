//! Names as numbers, bounded so that a flood of random ones cannot grow the file.
//!
//! Past the bounds an event keeps the registrable domain, and past those of domains nothing but
//! the mark that there were too many.

use std::borrow::Cow;
use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction};

use super::schema::{DAY, MANY_NAMES_ROW, SECOND};
use crate::model::{DeviceId, NameRef, QuickHash, TextRoom};

/// Most names that are kept, and room beyond for registrable domains.
pub(super) const MAX_NAMES: u64 = 2_000_000;
const DOMAIN_ROOM: u64 = 50_000;

/// New names a minute, in all and of one device.
const NEW_A_MINUTE: u32 = 5_000;
const NEW_A_DEVICE: u32 = 500;
/// New registrable domains a minute beyond those, in all and of one device.
const DOMAINS_A_MINUTE: u32 = 1_000;
const DOMAINS_A_DEVICE: u32 = 100;

const MINUTE: i64 = 60 * SECOND;

/// Names looked up lately, in two generations of this size.
const CACHED: usize = 16_384;

/// A name's number, and whether only its domain is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: i64,
    pub(super) random: bool,
}

/// The numbers of names.
pub(super) struct Names {
    /// Wire octets to number and day; an entry moves to the young half when it is used.
    young: HashMap<Box<[u8]>, (i64, i64), QuickHash>,
    old: HashMap<Box<[u8]>, (i64, i64), QuickHash>,
    count: u64,
    most: u64,
    whole: Allowance,
    domains: Allowance,
}

/// What may still be new in this minute.
struct Allowance {
    a_minute: u32,
    a_device: u32,
    minute: i64,
    used: u32,
    used_by: HashMap<DeviceId, u32>,
}

impl Names {
    /// Begins with a file that holds `count` names, of at most `most`.
    pub(super) fn new(count: u64, most: u64) -> Names {
        Names {
            young: HashMap::default(),
            old: HashMap::default(),
            count,
            most,
            whole: Allowance::new(NEW_A_MINUTE, NEW_A_DEVICE),
            domains: Allowance::new(DOMAINS_A_MINUTE, DOMAINS_A_DEVICE),
        }
    }

    /// Begins again with a file that holds `count` names; allowances stay used.
    pub(super) fn recount(&mut self, count: u64) {
        self.young.clear();
        self.old.clear();
        self.count = count;
    }

    /// Notes that `gone` names were removed from the file.
    pub(super) fn removed(&mut self, gone: u64) {
        self.recount(self.count.saturating_sub(gone));
    }

    /// Returns the number of a name that `device` asked for at `at`.
    pub(super) fn intern(
        &mut self,
        file: &Transaction<'_>,
        device: DeviceId,
        name: NameRef<'_>,
        at: i64,
    ) -> rusqlite::Result<Kept> {
        let day = at.div_euclid(DAY);
        if let Some(id) = self.find(file, name, day)? {
            return Ok(Kept { id, random: false });
        }
        if self.count < self.most && self.whole.take(device, at) {
            return Ok(Kept { id: self.add(file, name, day)?, random: false });
        }
        let domain = registrable(name);
        if let Some(id) = self.find(file, domain, day)? {
            return Ok(Kept { id, random: true });
        }
        if self.count < self.most + DOMAIN_ROOM && self.domains.take(device, at) {
            return Ok(Kept { id: self.add(file, domain, day)?, random: true });
        }
        Ok(Kept { id: MANY_NAMES_ROW, random: true })
    }

    fn find(
        &mut self,
        file: &Transaction<'_>,
        name: NameRef<'_>,
        day: i64,
    ) -> rusqlite::Result<Option<i64>> {
        if let Some(&(id, known)) = self.young.get(name.wire())
            && known >= day
        {
            return Ok(Some(id));
        }
        let cached = self.young.get(name.wire()).or_else(|| self.old.get(name.wire())).copied();
        let found = match cached {
            Some(found) => Some(found),
            None => file
                .prepare_cached("SELECT id, day FROM name WHERE text=?1")?
                .query_row([text(name, &mut TextRoom::default())], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?,
        };
        let Some((id, known)) = found else { return Ok(None) };
        if known < day {
            file.prepare_cached("UPDATE name SET day=?2 WHERE id=?1")?.execute([id, day])?;
        }
        self.remember(name, id, known.max(day));
        Ok(Some(id))
    }

    fn add(
        &mut self,
        file: &Transaction<'_>,
        name: NameRef<'_>,
        day: i64,
    ) -> rusqlite::Result<i64> {
        file.prepare_cached("INSERT INTO name(text, day) VALUES(?1, ?2)")?
            .execute((text(name, &mut TextRoom::default()), day))?;
        let id = file.last_insert_rowid();
        self.count += 1;
        self.remember(name, id, day);
        Ok(id)
    }

    fn remember(&mut self, name: NameRef<'_>, id: i64, day: i64) {
        if self.young.len() >= CACHED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name.wire().into(), (id, day));
    }
}

impl Allowance {
    fn new(a_minute: u32, a_device: u32) -> Allowance {
        Allowance { a_minute, a_device, minute: 0, used: 0, used_by: HashMap::new() }
    }

    /// Uses one up, if any is left.
    fn take(&mut self, device: DeviceId, at: i64) -> bool {
        let minute = at.div_euclid(MINUTE);
        // A query that comes late counts to the minute that is running.
        if minute > self.minute || minute + 2 < self.minute {
            self.minute = minute;
            self.used = 0;
            self.used_by.clear();
        }
        let used_by = self.used_by.entry(device).or_insert(0);
        if self.used >= self.a_minute || *used_by >= self.a_device {
            return false;
        }
        *used_by += 1;
        self.used += 1;
        true
    }
}

/// Returns a name as it is kept; the usual one takes no allocation.
fn text<'b>(name: NameRef<'_>, room: &'b mut TextRoom) -> Cow<'b, str> {
    let plain = name.plain_text(room).and_then(|plain| std::str::from_utf8(plain).ok());
    plain.map_or_else(|| name.to_string().into(), Cow::Borrowed)
}

/// Returns a name's registrable domain, or the name itself where it has none.
fn registrable(name: NameRef<'_>) -> NameRef<'_> {
    let labels: Vec<String> = name
        .labels()
        .map(|label| {
            let plain = |&octet: &u8| if octet == b'.' { '?' } else { char::from(octet) };
            label.iter().map(plain).collect()
        })
        .collect();
    let text = labels.join(".");
    let Some(domain) = psl::domain_str(&text) else { return name };
    let kept = domain.split('.').count();
    name.walk().nth(labels.len().saturating_sub(kept)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;
    use crate::query_log::schema::MIGRATIONS;
    use crate::storage::Database;

    fn name(text: &str) -> DomainName {
        DomainName::from_presentation(text).expect("a name")
    }

    /// Interns `names` at `at` and returns what is kept of each.
    fn keep(database: &Database, names: &mut Names, asked: &[(u32, &str, i64)]) -> Vec<Kept> {
        let work = |connection: &mut rusqlite::Connection| {
            let file = connection.transaction()?;
            let kept = asked
                .iter()
                .map(|&(device, text, at)| {
                    names.intern(&file, DeviceId(device), name(text).as_ref(), at)
                })
                .collect::<rusqlite::Result<Vec<Kept>>>()?;
            file.commit()?;
            Ok(kept)
        };
        database.with(work).expect("written")
    }

    fn text_of(database: &Database, id: i64) -> String {
        let sql = "SELECT text FROM name WHERE id=?1";
        database.with(|c| c.query_row(sql, [id], |row| row.get(0))).expect("a name")
    }

    fn log() -> Database {
        Database::memory(MIGRATIONS).expect("a database")
    }

    #[test]
    fn a_name_has_one_number_whether_remembered_or_not() {
        let (log, mut names) = (log(), Names::new(1, MAX_NAMES));
        let asked = [(1, "a.example.com", 0), (2, "a.example.com", 1), (1, "b.example.com", 2)];
        let kept = keep(&log, &mut names, &asked);
        assert_eq!(kept[0], kept[1]);
        assert_ne!(kept[0].id, kept[2].id);
        names.recount(3);
        assert_eq!(keep(&log, &mut names, &asked), kept);
    }

    #[test]
    fn the_day_of_the_latest_use_is_kept() {
        let (log, mut names) = (log(), Names::new(1, MAX_NAMES));
        let asked = [(1, "a.example.com", 5 * DAY), (1, "a.example.com", 9 * DAY)];
        let id = keep(&log, &mut names, &asked)[0].id;
        let sql = "SELECT day FROM name WHERE id=?1";
        assert_eq!(log.with(|c| c.query_row(sql, [id], |row| row.get(0))).ok(), Some(9));
    }

    #[test]
    fn a_flood_of_one_device_keeps_the_domain_and_others_keep_their_names() {
        let (log, mut names) = (log(), Names::new(1, MAX_NAMES));
        for number in 0..NEW_A_DEVICE {
            let kept = keep(&log, &mut names, &[(1, &format!("r{number}.evil.co.uk"), 0)]);
            assert!(!kept[0].random);
        }
        let asked = [(1, "x.y.evil.co.uk", 1), (1, "z.evil.co.uk", 2), (2, "w.evil.co.uk", 3)];
        let kept = keep(&log, &mut names, &asked);
        assert_eq!(text_of(&log, kept[0].id), "evil.co.uk");
        assert_eq!((kept[0], kept[0].random, kept[2].random), (kept[1], true, false));
        let known = keep(&log, &mut names, &[(1, "r7.evil.co.uk", 4), (1, "new.com", MINUTE)]);
        assert_eq!((known[0].random, known[1].random), (false, false));
    }

    #[test]
    fn a_flood_of_domains_ends_in_one_entry() {
        let (log, mut names) = (log(), Names::new(1, MAX_NAMES));
        let mut rows = std::collections::HashSet::new();
        for number in 0..2_000 {
            rows.insert(keep(&log, &mut names, &[(1, &format!("a.evil{number}.com"), 0)])[0].id);
        }
        assert_eq!(rows.len() as u32, NEW_A_DEVICE + DOMAINS_A_DEVICE + 1);
        assert!(rows.contains(&MANY_NAMES_ROW));
    }

    #[test]
    fn all_devices_together_are_bounded_too() {
        let (log, mut names) = (log(), Names::new(1, MAX_NAMES));
        let mut whole = 0;
        for number in 0..NEW_A_MINUTE + 500 {
            let text = format!("r{number}.example.com");
            whole += u32::from(!keep(&log, &mut names, &[(number % 40, &text, 0)])[0].random);
        }
        assert_eq!(whole, NEW_A_MINUTE);
    }

    #[test]
    fn a_full_table_takes_domains_only() {
        let (log, mut names) = (log(), Names::new(10, 10));
        let kept = keep(&log, &mut names, &[(1, "a.b.example.com", 0)]);
        assert_eq!((text_of(&log, kept[0].id).as_str(), kept[0].random), ("example.com", true));
    }

    #[test]
    fn registrable_domains_follow_the_public_suffix_list() {
        for (whole, domain) in [
            ("a.b.example.co.uk", "example.co.uk"),
            ("example.com", "example.com"),
            ("com", "com"),
            ("x.a\\.b.com", "a\\.b.com"),
            (".", "."),
        ] {
            assert_eq!(registrable(name(whole).as_ref()).to_string(), domain);
        }
    }
}
