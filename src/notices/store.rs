//! Notices and known contacts as rows of `state.db`.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use super::board::{Changes, Row};
use super::contacts::Known;
use super::{Draft, Notice, NoticeKind};
use crate::model::DeviceId;

/// Reads all notices, and (time that passed, wall clock) as written last.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<(Vec<Row>, Option<(i64, i64)>)> {
    let mut select = connection.prepare(
        "SELECT id, kind, subject, device, title, words, items, remedy, raised_at, latest_at,
             count, dismissed_at, always, raised, touched
         FROM notice ORDER BY id",
    )?;
    let rows = select.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let time = connection
        .query_row("SELECT passed, wall FROM notice_time", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // A kind of a later version of the program is left alone.
    Ok((rows.into_iter().flatten().collect(), time))
}

/// Writes what changed in one transaction.
pub(super) fn write(connection: &mut Connection, changes: &Changes) -> rusqlite::Result<()> {
    let file = connection.transaction()?;
    for row in &changes.rows {
        write_row(&file, row)?;
    }
    for &id in &changes.gone {
        file.prepare_cached("DELETE FROM notice WHERE id=?1")?.execute([id as i64])?;
    }
    if let Some((passed, wall)) = changes.time {
        file.prepare_cached(
            "INSERT OR REPLACE INTO notice_time(only, passed, wall) VALUES(1, ?1, ?2)",
        )?
        .execute([passed, wall])?;
    }
    file.commit()
}

/// Reads which part contacted which company, oldest first.
pub(super) fn load_contacts(connection: &Connection) -> rusqlite::Result<Vec<Known>> {
    let mut select =
        connection.prepare("SELECT part, company, since FROM contact ORDER BY since, part")?;
    let rows = select.query_map([], |row| {
        Ok(Known { part: DeviceId(row.get(0)?), company: row.get(1)?, since: row.get(2)? })
    })?;
    rows.collect()
}

/// Writes contacts, and removes those of parts that are gone.
pub(super) fn write_contacts(
    connection: &mut Connection,
    added: &[Known],
    gone: &[(DeviceId, Option<String>)],
) -> rusqlite::Result<()> {
    let file = connection.transaction()?;
    for (part, company) in gone {
        file.prepare_cached("DELETE FROM contact WHERE part=?1 AND (?2 IS NULL OR company=?2)")?
            .execute(params![part.0, company])?;
    }
    for known in added {
        file.prepare_cached(
            "INSERT OR IGNORE INTO contact(part, company, since) VALUES(?1, ?2, ?3)",
        )?
        .execute(params![known.part.0, known.company, known.since])?;
    }
    file.commit()
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Option<Row>> {
    let kind: String = row.get(1)?;
    let Some(kind) = NoticeKind::parse(&kind) else { return Ok(None) };
    let items: String = row.get(6)?;
    let draft = Draft {
        kind,
        subject: row.get(2)?,
        device: row.get::<_, Option<u32>>(3)?.map(DeviceId),
        title: row.get(4)?,
        words: row.get(5)?,
        items: items.lines().map(String::from).collect(),
        remedy: row.get(7)?,
    };
    let notice = Notice {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        draft,
        raised: row.get(8)?,
        latest: row.get(9)?,
        count: row.get::<_, i64>(10)?.unsigned_abs(),
        dismissed: row.get(11)?,
        always: row.get(12)?,
    };
    Ok(Some(Row { notice, raised: row.get(13)?, touched: row.get(14)? }))
}

fn write_row(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let (notice, draft) = (&row.notice, &row.notice.draft);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO notice(id, kind, subject, device, title, words, items, remedy,
                 raised_at, latest_at, count, dismissed_at, always, raised, touched)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            notice.id as i64,
            draft.kind.as_str(),
            draft.subject,
            draft.device.map(|device| device.0),
            draft.title,
            draft.words,
            draft.items.join("\n"),
            draft.remedy,
            notice.raised,
            notice.latest,
            notice.count as i64,
            notice.dismissed,
            notice.always,
            row.raised,
            row.touched,
        ])?;
    Ok(())
}
