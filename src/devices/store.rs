//! Devices and bindings in `state.db`.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::register::{BindingRow, Changes, DeviceRow, Source, Stored};
use crate::model::{BindingId, DeviceId};

/// Reads everything; `anew` says that a damaged predecessor was lost with its numbers.
pub(super) fn load(connection: &mut Connection, anew: bool) -> rusqlite::Result<Stored> {
    Ok(Stored {
        devices: load_devices(connection)?,
        bindings: load_bindings(connection)?,
        next_number: next_number(connection, anew)?,
    })
}

fn load_devices(connection: &Connection) -> rusqlite::Result<HashMap<DeviceId, DeviceRow>> {
    let mut select =
        connection.prepare("SELECT id, name, named, first_seen, last_seen FROM device")?;
    let rows = select.query_map([], |row| {
        let last_seen = row.get(4)?;
        let device = DeviceRow {
            name: row.get(1)?,
            named: row.get(2)?,
            first_seen: row.get(3)?,
            last_seen,
            stored: Some(last_seen),
        };
        Ok((DeviceId(row.get(0)?), device))
    })?;
    rows.collect()
}

fn load_bindings(connection: &Connection) -> rusqlite::Result<HashMap<BindingId, BindingRow>> {
    let mut select = connection.prepare(
        "SELECT b.id, b.address, b.device, b.source, b.began, d.last_seen
         FROM binding b JOIN device d ON d.id = b.device WHERE b.ended IS NULL",
    )?;
    let rows = select.query_map([], read_binding)?;
    rows.filter_map(Result::transpose).collect()
}

/// Reads one binding; a row that this program cannot have written is passed over.
fn read_binding(row: &Row<'_>) -> rusqlite::Result<Option<(BindingId, BindingRow)>> {
    let address: String = row.get(1)?;
    let source = match row.get::<_, String>(3)?.as_str() {
        "policy" => address.parse().ok().map(Source::Policy),
        "prefix" => address.parse().ok().map(Source::Within),
        "address" => address.parse().ok().map(Source::Address),
        "others" => Some(Source::Others),
        _ => None,
    };
    let Some(source) = source else { return Ok(None) };
    let binding = BindingRow {
        device: DeviceId(row.get(2)?),
        source,
        began: row.get(4)?,
        ended: None,
        last: row.get(5)?,
        queries: 0,
        stored: true,
    };
    Ok(Some((BindingId(row.get(0)?), binding)))
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
    for device in &changes.gone {
        transaction.execute("DELETE FROM device WHERE id=?1", [device.0])?;
        transaction.execute("DELETE FROM binding WHERE device=?1", [device.0])?;
    }
    if let Some(before) = changes.ended_before {
        transaction.execute("DELETE FROM binding WHERE ended < ?1", [before])?;
    }
    transaction.commit()
}

fn write_devices(transaction: &Transaction<'_>, changes: &Changes) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "REPLACE INTO device(id, name, named, first_seen, last_seen) VALUES(?1, ?2, ?3, ?4, ?5)",
    )?;
    for (id, row) in &changes.devices {
        insert.execute(params![id.0, row.name, row.named, row.first_seen, row.last_seen])?;
    }
    Ok(())
}

fn write_bindings(transaction: &Transaction<'_>, changes: &Changes) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "REPLACE INTO binding(id, address, device, grade, source, began, ended)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for (id, row) in &changes.bindings {
        let (source, address) = match row.source {
            Source::Policy(prefix) => ("policy", prefix.to_string()),
            Source::Within(address) => ("prefix", address.to_string()),
            Source::Address(address) => ("address", address.to_string()),
            Source::Others => ("others", String::new()),
        };
        let grade = row.source.grade().as_str();
        insert.execute(params![
            id.0,
            address,
            row.device.0,
            grade,
            source,
            row.began,
            row.ended
        ])?;
    }
    Ok(())
}

/// Removes a device's past, and the device itself unless the policy names it.
pub(super) fn forget(
    connection: &mut Connection,
    device: DeviceId,
    named: bool,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let (device_sql, binding_sql) = if named {
        (
            "UPDATE device SET first_seen=0, last_seen=0 WHERE id=?1",
            "DELETE FROM binding WHERE device=?1 AND NOT (source='policy' AND ended IS NULL)",
        )
    } else {
        ("DELETE FROM device WHERE id=?1", "DELETE FROM binding WHERE device=?1")
    };
    transaction.execute(device_sql, [device.0])?;
    transaction.execute(binding_sql, [device.0])?;
    transaction.commit()
}
