//! The rows: what each call of the store reads and writes.

use std::sync::Arc;

use rusqlite::{Connection, Error, OptionalExtension, Result, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{Epoch, Message, Offset, Person, Text, Timestamp};
use crate::moderation::{Change, Kind, Rules, Ruling};
use crate::name::{Cid, Nick, RoomName, UserId};
use crate::recent::{RECEIPTS, WINDOW};
use crate::ring::{RING_MESSAGES, Ring};
use crate::room::Receipt;
use crate::store::{Past, RULINGS, page};

const VERSION: i64 = 1;

/// Messages that a room keeps: a year of a lively one, and 50 MB of usual ones.
const MESSAGES: u64 = 100_000;

/// So often, in messages, the oldest ones are deleted.
const TRIM_EVERY: u64 = 64;

/// Rooms that are kept: whoever makes up names of rooms cannot fill the disk.
const ROOMS: i64 = 100_000;

/// Brings the file to this version.
pub(super) fn prepare(connection: &mut Connection) -> Result<()> {
    let state = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = state.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        0 => {
            state.execute_batch(include_str!("schema.sql"))?;
            let epoch = Epoch::new(fastrand::u64(..));
            state.execute("INSERT INTO house VALUES (?1, 0)", [epoch.as_str()])?;
        }
        VERSION => {}
        later => {
            let text =
                format!("version {later} of the chat's tables, and this one knows {VERSION}");
            return Err(corrupt(text));
        }
    }
    state.commit()
}

pub(super) fn past(connection: &Connection, room: &RoomName) -> Result<Past> {
    let rules = rules(connection, Some(room))?;
    let Some((id, epoch)) = find(connection, room)? else {
        return Ok(Past {
            epoch: fresh_epoch(connection)?,
            ring: Ring::default(),
            receipts: Vec::new(),
            rules,
        });
    };
    let mut ring = Ring::default();
    let newest_first = messages(connection, id, u64::MAX, RING_MESSAGES)?;
    newest_first
        .into_iter()
        .rev()
        .for_each(|said| ring.insert(said));
    Ok(Past {
        epoch,
        receipts: receipts(connection, id, ring.end())?,
        ring,
        rules,
    })
}

pub(super) fn append(
    connection: &Connection,
    room: &RoomName,
    said: &[Arc<Message>],
) -> Result<()> {
    let (Some(first), Some(last)) = (said.first(), said.last()) else {
        return Ok(());
    };
    let id = use_room(connection, room, last.at)?;
    let end: Option<u64> = connection
        .prepare_cached("SELECT max(o) FROM messages WHERE room = ?1")?
        .query_row([id], |row| row.get(0))?;
    if first.offset != Offset(end.unwrap_or(0)).next() {
        return Err(corrupt("the offset is taken"));
    }
    let mut insert =
        connection.prepare_cached("INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for message in said {
        insert.execute(params![
            id,
            message.offset.0,
            message.from.user.to_bits().cast_signed(),
            message.from.nick.as_str(),
            message.at.0,
            message.cid.as_str(),
            message.text.as_str(),
        ])?;
    }
    if first.offset.0 / TRIM_EVERY != last.offset.next().0 / TRIM_EVERY {
        connection
            .prepare_cached("DELETE FROM messages WHERE room = ?1 AND o <= ?2")?
            .execute(params![id, last.offset.0.saturating_sub(MESSAGES)])?;
    }
    Ok(())
}

pub(super) fn history(
    connection: &Connection,
    room: &RoomName,
    before: Offset,
    limit: usize,
) -> Result<Vec<Arc<Message>>> {
    let Some((id, _)) = find(connection, room)? else {
        return Ok(Vec::new());
    };
    let newest_first = messages(connection, id, before.0, limit)?;
    Ok(page(newest_first.into_iter(), limit))
}

/// What is in force in a room, or in the house.
pub(super) fn rules(connection: &Connection, room: Option<&RoomName>) -> Result<Rules> {
    let mut rows =
        connection.prepare_cached("SELECT kind, user, sanction FROM sanctions WHERE room = ?1")?;
    let mut rules = Rules::default();
    let mut rows = rows.query([name(room)])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(2)?;
        let user = user(row, 1)?;
        let change = match row.get_ref(0)?.as_str()? {
            PACE => Change::Pace(read(&text)?),
            kind if kind == label(Kind::Mute) => Change::Set(Kind::Mute, user, read(&text)?),
            _ => Change::Set(Kind::Ban, user, read(&text)?),
        };
        rules.apply(change);
    }
    Ok(rules)
}

pub(super) fn rule(connection: &Connection, ruling: &Ruling) -> Result<()> {
    let room = ruling.room.as_ref();
    match ruling.change() {
        Change::Set(kind, user, sanction) => set(connection, room, label(kind), user, &sanction)?,
        Change::Lift(kind, user) => {
            connection
                .prepare_cached(
                    "DELETE FROM sanctions WHERE room = ?1 AND kind = ?2 AND user = ?3",
                )?
                .execute(params![
                    name(room),
                    label(kind),
                    user.to_bits().cast_signed()
                ])?;
        }
        Change::Pace(ms) => set(connection, room, PACE, UserId::passing(0), &ms)?,
        Change::Nothing => {}
    }
    connection
        .prepare_cached("INSERT INTO audit (ruling) VALUES (?1)")?
        .execute([write(ruling)?])?;
    connection
        .prepare_cached("DELETE FROM audit WHERE id <= last_insert_rowid() - ?1")?
        .execute([RULINGS])?;
    Ok(())
}

pub(super) fn audit(connection: &Connection, limit: usize) -> Result<Vec<Arc<Ruling>>> {
    let mut rows =
        connection.prepare_cached("SELECT ruling FROM audit ORDER BY id DESC LIMIT ?1")?;
    let rulings = rows.query_map([limit], |row| read(row.get_ref(0)?.as_str()?).map(Arc::new))?;
    rulings.collect()
}

fn find(connection: &Connection, room: &RoomName) -> Result<Option<(i64, Epoch)>> {
    connection
        .prepare_cached("SELECT id, epoch FROM rooms WHERE name = ?1")?
        .query_row([room.as_str()], |row| {
            Ok((row.get(0)?, Epoch::stored(row.get_ref(1)?.as_str()?)))
        })
        .optional()
}

/// The epoch of a room in which nothing was said yet.
fn fresh_epoch(connection: &Connection) -> Result<Epoch> {
    connection.query_row("SELECT epoch, forgotten FROM house", [], |row| {
        let (epoch, forgotten) = (row.get_ref(0)?.as_str()?, row.get::<_, i64>(1)?);
        Ok(Epoch::stored(&format!("{epoch}-{forgotten:x}")))
    })
}

/// The row of a room, which is made if there is none.
fn use_room(connection: &Connection, room: &RoomName, now: Timestamp) -> Result<i64> {
    let used = connection
        .prepare_cached("UPDATE rooms SET used = max(used, ?2) WHERE name = ?1 RETURNING id")?
        .query_row(params![room.as_str(), now.0], |row| row.get(0))
        .optional()?;
    if let Some(id) = used {
        return Ok(id);
    }
    let epoch = fresh_epoch(connection)?;
    let rooms: i64 = connection.query_row("SELECT count(*) FROM rooms", [], |row| row.get(0))?;
    if rooms >= ROOMS {
        connection.execute(
            "DELETE FROM rooms WHERE id = (SELECT id FROM rooms ORDER BY used LIMIT 1)",
            [],
        )?;
        connection.execute("UPDATE house SET forgotten = forgotten + 1", [])?;
    }
    connection.execute(
        "INSERT INTO rooms (name, epoch, used) VALUES (?1, ?2, ?3)",
        params![room.as_str(), epoch.as_str(), now.0],
    )?;
    Ok(connection.last_insert_rowid())
}

/// Messages before an offset, the newest first.
fn messages(
    connection: &Connection,
    room: i64,
    before: u64,
    limit: usize,
) -> Result<Vec<Arc<Message>>> {
    let mut rows = connection.prepare_cached(
        "SELECT o, user, nick, ts, cid, text FROM messages WHERE room = ?1 AND o < ?2 ORDER BY o DESC LIMIT ?3",
    )?;
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    let found = rows.query_map(params![room, before, limit], |row| {
        Ok(Arc::new(Message {
            offset: Offset(row.get(0)?),
            from: Person {
                user: user(row, 1)?,
                nick: Nick::stored(row.get_ref(2)?.as_str()?),
            },
            at: Timestamp(row.get(3)?),
            cid: Cid::parse(row.get_ref(4)?.as_str()?).map_err(corrupt)?,
            text: Text::parse(row.get_ref(5)?.as_str()?).map_err(corrupt)?,
        }))
    })?;
    found.collect()
}

fn receipts(
    connection: &Connection,
    room: i64,
    end: Offset,
) -> Result<Vec<(UserId, Cid, Receipt)>> {
    let mut rows = connection.prepare_cached(
        "SELECT o, user, ts, cid FROM messages WHERE room = ?1 AND o > ?2 AND ts >= ?3 ORDER BY o",
    )?;
    let first = end.0.saturating_sub(RECEIPTS as u64);
    let since = Timestamp::now().0.saturating_sub(WINDOW.as_millis() as u64);
    let found = rows.query_map(params![room, first, since], |row| {
        let receipt = Receipt {
            offset: Offset(row.get(0)?),
            at: Timestamp(row.get(2)?),
        };
        let cid = Cid::parse(row.get_ref(3)?.as_str()?).map_err(corrupt)?;
        Ok((user(row, 1)?, cid, receipt))
    })?;
    found.collect()
}

fn set(
    connection: &Connection,
    room: Option<&RoomName>,
    kind: &str,
    user: UserId,
    value: &impl Serialize,
) -> Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO sanctions VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            name(room),
            kind,
            user.to_bits().cast_signed(),
            write(value)?
        ])?;
    Ok(())
}

/// The kind of the row that holds a room's pace.
const PACE: &str = "slow";

const fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Ban => "ban",
        Kind::Mute => "mute",
    }
}

/// A room's name is never empty, so the house has that one.
fn name(room: Option<&RoomName>) -> &str {
    room.map_or("", RoomName::as_str)
}

fn user(row: &Row<'_>, column: usize) -> Result<UserId> {
    Ok(UserId::passing(row.get::<_, i64>(column)?.cast_unsigned()))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(corrupt)
}

fn write(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(corrupt)
}

fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::ToSqlConversionFailure(error.into())
}
