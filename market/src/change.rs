//! The journal of changes: what server-sent events are made of, and what a browser that comes back goes on from.

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use crate::item::{self, Item};

/// How many changes are remembered: who was away for more loads the page again.
const KEPT: u64 = 1000;

/// How many are read at once.
const AT_ONCE: usize = 100;

/// What became of an item.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Change {
    /// It is there, and is so now.
    Saved(Box<Item>),
    /// It is gone.
    Deleted {
        /// Which.
        id: u32,
    },
}

/// What happened after some change.
#[derive(Debug)]
pub(crate) enum Since {
    /// These, each with its number. None if nothing did.
    Changes(Vec<(u64, Change)>),
    /// That is not known any more; this is the number of the last.
    Forgotten(u64),
}

/// Notes that an item was changed, as a part of the transaction that changes it.
pub(crate) fn note(connection: &Connection, item: u32) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO change (item) VALUES (?)")?
        .execute([item])?;
    connection
        .prepare_cached("DELETE FROM change WHERE id <= (SELECT max(id) FROM change) - ?")?
        .execute([KEPT])?;
    Ok(())
}

/// The number of the last change; 0 if there was none.
pub(crate) fn last(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT coalesce(max(id), 0) FROM change")?
        .query_row([], |row| row.get(0))
}

/// What happened after the change of this number: of each item the last, as it is now.
pub(crate) fn since(connection: &Connection, number: u64) -> rusqlite::Result<Since> {
    let last = last(connection)?;
    let first: Option<u64> = connection
        .prepare_cached("SELECT min(id) FROM change")?
        .query_row([], |row| row.get(0))
        .optional()?
        .flatten();
    let oldest = first.unwrap_or(last + 1);
    if number > last || number + 1 < oldest {
        return Ok(Since::Forgotten(last));
    }
    let mut found = connection.prepare_cached(
        "SELECT max(id) AS number, item FROM change WHERE id > ? GROUP BY item ORDER BY number LIMIT ?",
    )?;
    let numbers = found
        .query_map((number, AT_ONCE), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(u64, u32)>>>()?;
    let mut changes = Vec::with_capacity(numbers.len());
    for (number, id) in numbers {
        let change = match item::find(connection, id)? {
            Some(item) => Change::Saved(Box::new(item)),
            None => Change::Deleted { id },
        };
        changes.push((number, change));
    }
    Ok(Since::Changes(changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::migrate;

    #[test]
    fn a_thousand_changes_are_remembered_and_of_each_item_the_last_is_told() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        for number in 0..=KEPT {
            note(&connection, 6 - number as u32 % 7).unwrap();
        }
        let told = |after| match since(&connection, after).unwrap() {
            Since::Changes(changes) => Ok(changes.iter().map(|(number, _)| *number).collect()),
            Since::Forgotten(last) => Err(last),
        };
        assert_eq!(last(&connection).unwrap(), 1001);
        assert_eq!(told(0), Err(1001), "the first is forgotten");
        assert_eq!(told(1), Ok((995..=1001).collect::<Vec<u64>>()));
        assert_eq!(told(1000), Ok(vec![1001]));
        assert_eq!(told(1001), Ok(vec![]));
        assert_eq!(told(1002), Err(1001), "it never was");
    }
}
