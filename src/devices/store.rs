//! Devices, bindings and hints in `state.db`.

use std::collections::HashMap;
use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{
    Asker, BindingRecord, BindingRow, By, Changes, Claim, DeviceRow, Entry, Evidence, HintSource,
    HintText, OTHERS, Part, Stored, Subject, part_text,
};
use crate::model::{BindingId, DeviceId, DeviceKind, Grade, Prefix};

/// Most bindings of the past that are kept: an address that two fight for ends one in each moment.
const MAX_ENDED: u32 = 262_144;

/// Reads everything; `anew` says that a damaged predecessor was lost with its numbers.
pub(super) fn load(connection: &mut Connection, anew: bool) -> rusqlite::Result<Stored> {
    let mut devices = load_devices(connection)?;
    load_entries(connection, &mut devices)?;
    Ok(Stored {
        devices,
        bindings: load_bindings(connection)?,
        hints: load_hints(connection)?,
        next_number: next_number(connection, anew)?,
    })
}

fn load_devices(connection: &Connection) -> rusqlite::Result<HashMap<DeviceId, DeviceRow>> {
    let mut select = connection
        .prepare("SELECT id, name, named, part, merged, first_seen, last_seen FROM device")?;
    let rows = select.query_map([], |row| {
        let (name, named): (String, bool) = (row.get(1)?, row.get(2)?);
        let part: Option<String> = row.get(3)?;
        let last_seen = row.get(6)?;
        let subject = match part.and_then(|part| read_part(&part)) {
            Some(part) if !named => Subject::Part(part),
            _ if named => Subject::Named(name),
            _ => Subject::Released(name),
        };
        let device = DeviceRow {
            merged: row.get(4)?,
            first_seen: row.get(5)?,
            last_seen,
            stored: Some(last_seen),
            ..DeviceRow::of(subject)
        };
        Ok((DeviceId(row.get(0)?), device))
    })?;
    rows.collect()
}

fn load_entries(
    connection: &Connection,
    devices: &mut HashMap<DeviceId, DeviceRow>,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT device, entry FROM device_entry")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        let Some(device) = devices.get_mut(&DeviceId(row.get(0)?)) else { continue };
        match (text.parse(), text.parse()) {
            (Ok(hardware), _) => _ = device.entry.hardware.insert(hardware),
            (_, Ok(prefix)) => _ = device.entry.addresses.insert(prefix),
            _ => {}
        }
    }
    Ok(())
}

fn load_bindings(connection: &Connection) -> rusqlite::Result<HashMap<BindingId, BindingRow>> {
    let mut select = connection.prepare(
        "SELECT b.id, b.address, b.device, b.source, b.began, d.last_seen, b.hardware, b.detail
         FROM binding b JOIN device d ON d.id = b.device WHERE b.ended IS NULL",
    )?;
    let rows = select.query_map([], read_binding)?;
    rows.filter_map(Result::transpose).collect()
}

/// Reads one binding; a row that this program cannot have written is passed over.
fn read_binding(row: &Row<'_>) -> rusqlite::Result<Option<(BindingId, BindingRow)>> {
    let (address, source): (String, String) = (row.get(1)?, row.get(3)?);
    let (hardware, detail): (Option<String>, Option<String>) = (row.get(6)?, row.get(7)?);
    let hardware = hardware.and_then(|text| text.parse().ok());
    let by = read_by(&source, &address, detail.as_deref().unwrap_or_default());
    let Some(by) = by else { return Ok(None) };
    let asker = read_asker(&address, by);
    if asker.is_none() && by != By::Shared {
        return Ok(None);
    }
    let binding = BindingRow {
        part: DeviceId(row.get(2)?),
        asker,
        evidence: Evidence { by, hardware },
        began: row.get(4)?,
        ended: None,
        last: row.get(5)?,
        queries: 0,
        stored: true,
    };
    Ok(Some((BindingId(row.get(0)?), binding)))
}

fn read_by(source: &str, address: &str, detail: &str) -> Option<By> {
    match source {
        "kernel" => detail.parse().ok().map(By::Kernel),
        "lease" => Some(By::Lease),
        "policy" => detail.parse().ok().map(By::Policy),
        // Written by a version that did not tell which prefix it was.
        "prefix" => address.parse().ok().map(|address| By::Policy(Prefix::host(address))),
        "beside" => detail.parse().ok().map(By::Beside),
        "forwarder" => detail.parse().ok().map(By::Forwarder),
        "address" => Some(By::Alone),
        "others" => Some(By::Shared),
        _ => None,
    }
}

/// Reads who asks: an address, or the claim that a forwarder made.
fn read_asker(text: &str, by: By) -> Option<Asker> {
    let address = || text.parse::<IpAddr>().ok();
    let By::Forwarder(forwarder) = by else { return address().map(Asker::Address) };
    let claim = match text.split_once(' ') {
        Some((hardware, address)) => Claim::Both(hardware.parse().ok()?, address.parse().ok()?),
        None => {
            let hardware = || text.parse().ok().map(Claim::Hardware);
            address().map(Claim::Address).or_else(hardware)?
        }
    };
    Some(Asker::Claimed(forwarder, claim))
}

fn load_hints(connection: &Connection) -> rusqlite::Result<Vec<(Part, HintSource, HintText)>> {
    let mut select = connection
        .prepare("SELECT part, source, name, words, kind FROM device_hint ORDER BY part, source")?;
    let rows = select.query_map([], |row| {
        let (part, source): (String, String) = (row.get(0)?, row.get(1)?);
        let (words, kind): (String, Option<String>) = (row.get(3)?, row.get(4)?);
        let text = HintText {
            name: row.get(2)?,
            words: words.lines().map(String::from).collect(),
            kind: kind.and_then(|kind| DeviceKind::of(&kind)),
        };
        Ok(read_part(&part).zip(HintSource::of(&source)).map(|(part, source)| (part, source, text)))
    })?;
    rows.filter_map(Result::transpose).collect()
}

fn read_part(text: &str) -> Option<Part> {
    let address = || text.parse().ok().map(Part::Address);
    let hardware = || text.parse().ok().map(Part::Hardware);
    let others = || (text == OTHERS).then_some(Part::Others);
    address().or_else(hardware).or_else(others)
}

fn next_number(connection: &Connection, anew: bool) -> rusqlite::Result<u32> {
    let mut number: u32 = connection.query_row(
        "SELECT 1 + max(coalesce((SELECT max(id) FROM device), 0),
                        coalesce((SELECT max(id) FROM binding), 0))",
        [],
        |row| row.get(0),
    )?;
    if anew {
        // The log still refers to the numbers of the lost file: stay clear of them.
        number = number.max(1 << 31 | getrandom::u32().expect("random octets") >> 2);
    }
    let reserved: Option<u32> = connection
        .query_row("SELECT value FROM meta WHERE key='next_number'", [], |row| row.get(0))
        .optional()?;
    Ok(number.max(reserved.unwrap_or(0)))
}

/// Writes changes in one transaction.
pub(super) fn write(connection: &mut Connection, changes: &Changes) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if let Some(reserve) = changes.reserve {
        transaction.execute("REPLACE INTO meta VALUES('next_number', ?1)", [reserve])?;
    }
    write_devices(&transaction, changes)?;
    write_bindings(&transaction, changes)?;
    write_hints(&transaction, changes)?;
    for device in &changes.gone {
        delete_device(&transaction, *device)?;
        transaction.execute("DELETE FROM binding WHERE device=?1", [device.0])?;
    }
    if let Some(before) = changes.ended_before {
        transaction.execute("DELETE FROM binding WHERE ended < ?1", [before])?;
        let surplus = "DELETE FROM binding WHERE ended IS NOT NULL AND id <= (
            SELECT id FROM binding WHERE ended IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?1)";
        transaction.execute(surplus, [MAX_ENDED])?;
    }
    transaction.commit()
}

fn write_devices(transaction: &Transaction<'_>, changes: &Changes) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "REPLACE INTO device(id, name, named, part, merged, first_seen, last_seen)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for (id, row) in &changes.devices {
        let (name, named, part) = match &row.subject {
            Subject::Named(name) => (name.clone(), true, None),
            Subject::Released(name) => (name.clone(), false, None),
            Subject::Part(part) => (part_text(*part), false, Some(part_text(*part))),
        };
        let (first, last) = (row.first_seen, row.last_seen);
        insert.execute(params![id.0, name, named, part, row.merged, first, last])?;
        if !matches!(row.subject, Subject::Part(_)) {
            write_entry(transaction, *id, &row.entry)?;
        }
    }
    Ok(())
}

fn write_entry(transaction: &Transaction<'_>, id: DeviceId, entry: &Entry) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM device_entry WHERE device=?1")?.execute([id.0])?;
    let mut insert = transaction.prepare_cached("INSERT INTO device_entry VALUES(?1, ?2)")?;
    let hardware = entry.hardware.iter().map(ToString::to_string);
    for text in hardware.chain(entry.addresses.iter().map(ToString::to_string)) {
        insert.execute(params![id.0, text])?;
    }
    Ok(())
}

fn write_bindings(transaction: &Transaction<'_>, changes: &Changes) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "REPLACE INTO binding(id, address, device, grade, source, hardware, detail, began, ended)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for (id, row) in &changes.bindings {
        let (source, detail) = by_words(row.evidence.by);
        insert.execute(params![
            id.0,
            asker_text(row.asker),
            row.part.0,
            row.evidence.grade().as_str(),
            source,
            row.evidence.hardware.map(|hardware| hardware.to_string()),
            detail,
            row.began,
            row.ended
        ])?;
    }
    Ok(())
}

fn by_words(by: By) -> (&'static str, Option<String>) {
    match by {
        By::Kernel(interface) => ("kernel", Some(interface.to_string())),
        By::Lease => ("lease", None),
        By::Policy(prefix) => ("policy", Some(prefix.to_string())),
        By::Beside(address) => ("beside", Some(address.to_string())),
        By::Forwarder(forwarder) => ("forwarder", Some(forwarder.to_string())),
        By::Alone => ("address", None),
        By::Shared => ("others", None),
    }
}

fn asker_text(asker: Option<Asker>) -> String {
    match asker {
        None => String::new(),
        Some(Asker::Address(address) | Asker::Claimed(_, Claim::Address(address))) => {
            address.to_string()
        }
        Some(Asker::Claimed(_, Claim::Hardware(hardware))) => hardware.to_string(),
        Some(Asker::Claimed(_, Claim::Both(hardware, address))) => format!("{hardware} {address}"),
    }
}

fn write_hints(transaction: &Transaction<'_>, changes: &Changes) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached("DELETE FROM device_hint WHERE part=?1")?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO device_hint VALUES(?1, ?2, ?3, ?4, ?5)")?;
    for (part, texts) in &changes.hints {
        let part = part_text(*part);
        delete.execute([&part])?;
        for (source, text) in texts {
            let kind = text.kind.map(|kind| kind.as_str());
            let words = text.words.join("\n");
            insert.execute(params![part, source.as_str(), text.name, words, kind])?;
        }
    }
    Ok(())
}

fn delete_device(transaction: &Transaction<'_>, id: DeviceId) -> rusqlite::Result<()> {
    transaction.execute(
        "DELETE FROM device_hint WHERE part=(SELECT part FROM device WHERE id=?1)",
        [id.0],
    )?;
    transaction.execute("DELETE FROM device_entry WHERE device=?1", [id.0])?;
    transaction.execute("DELETE FROM device WHERE id=?1", [id.0])?;
    Ok(())
}

/// Removes the past of parts; `named` says which the policy names, so that their rows stay.
pub(super) fn forget(
    connection: &mut Connection,
    parts: &[(DeviceId, bool)],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for &(part, named) in parts {
        if named {
            let blank = "UPDATE device SET first_seen=0, last_seen=0 WHERE id=?1";
            transaction.execute(blank, [part.0])?;
        } else {
            delete_device(&transaction, part)?;
        }
        transaction.execute("DELETE FROM binding WHERE device=?1", [part.0])?;
    }
    transaction.commit()
}

/// Reads the bindings of parts, those of the past too.
pub(super) fn bindings(
    connection: &Connection,
    parts: &[DeviceId],
) -> rusqlite::Result<Vec<BindingRecord>> {
    let mut select = connection.prepare(
        "SELECT id, address, device, source, began, ended, hardware, detail, grade
         FROM binding WHERE device=?1",
    )?;
    let mut found = Vec::new();
    for part in parts {
        let rows = select.query_map([part.0], |row| {
            let (address, source): (String, String) = (row.get(1)?, row.get(3)?);
            let (hardware, detail): (Option<String>, Option<String>) = (row.get(6)?, row.get(7)?);
            let hardware = hardware.and_then(|text| text.parse().ok());
            let by = read_by(&source, &address, detail.as_deref().unwrap_or_default());
            let evidence = by.map(|by| Evidence { by, hardware });
            let grade: String = row.get(8)?;
            let grade = Grade::ALL.into_iter().find(|known| known.as_str() == grade);
            Ok(BindingRecord {
                id: BindingId(row.get(0)?),
                part: DeviceId(row.get(2)?),
                address,
                grade: grade.unwrap_or(Grade::Address),
                evidence: evidence.map_or(source, Evidence::words),
                began: row.get(4)?,
                ended: row.get(5)?,
            })
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

/// Returns a binding as it is shown.
pub(super) fn record(id: BindingId, row: &BindingRow) -> BindingRecord {
    BindingRecord {
        id,
        part: row.part,
        address: asker_text(row.asker),
        grade: row.evidence.grade(),
        evidence: row.evidence.words(),
        began: row.began,
        ended: row.ended,
    }
}
