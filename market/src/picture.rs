//! Pictures: taken in piece by piece, looked at before they are believed, kept beside their item.

use std::sync::Arc;

use app_router::{Depends, FromState, Issue, Multipart, Part, Path, Rejection, Upload};
use bytes::{Bytes, BytesMut};
use gateway_spec::{AppError, Response, Scope};
use http::header::{CONTENT_SECURITY_POLICY, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::item::{self, Item, Mine, missing};
use crate::{Database, Transaction, change, tagged};

/// Bytes of a picture: a photograph as telephones make them when they are asked for a small one.
pub(crate) const MOST_BYTES: usize = 2 * 1024 * 1024;

/// How many are taken in at once, all of them in memory: 64 MiB.
const AT_ONCE: usize = 32;

/// The field of the form.
const FIELD: &str = "picture";

/// Places for pictures that are under way. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Places {
    fn take(&self) -> Result<OwnedSemaphorePermit, Rejection> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let detail = "too many pictures are on their way";
            Rejection::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                .with_header(RETRY_AFTER, HeaderValue::from_static("5"))
        })
    }
}

/// Takes a picture in, in the place of the one before.
pub(crate) async fn upload(
    mine: Depends<Mine>,
    transaction: Depends<Transaction>,
    FromState(places): FromState<Places>,
    form: Multipart,
) -> Result<app_router::Json<Item>, AppError> {
    take_in(&mine, &transaction, &places, form)
        .await
        .map(app_router::Json)
}

/// What the form does as well.
pub(crate) async fn take_in(
    mine: &Mine,
    transaction: &Transaction,
    places: &Places,
    mut form: Multipart,
) -> Result<Item, AppError> {
    let _place = places.take()?;
    let mut picture = None;
    while let Some(part) = form.next().await? {
        match part.name() {
            // A browser sends a file without a name and without bytes where none was chosen.
            FIELD if part.file_name() == Some("") => {}
            // Each would take as long as the first, and as much memory.
            FIELD if picture.is_some() => {
                return Err(wrong("repeated", "is given more than once", FIELD));
            }
            FIELD => picture = Some(checked(part).await?),
            _ => return Err(wrong("unknown", "there is only `picture`", part.name())),
        }
    }
    let (content_type, bytes) = picture.ok_or_else(|| wrong("missing", "choose a file", FIELD))?;
    let id = mine.0.id;
    let changed = transaction.run(move |connection| {
        keep(connection, id, content_type, &bytes)?;
        Ok(item::find(connection, id)?)
    });
    changed.await?.ok_or_else(|| missing().into())
}

fn wrong(kind: &'static str, detail: &'static str, field: &str) -> AppError {
    Issue::new(Part::Body, field, detail).with_kind(kind).into()
}

/// A picture that is one and not too large. What is none is refused by its first bytes; the rest is not waited for.
async fn checked(mut part: Upload) -> Result<(&'static str, Bytes), AppError> {
    let mut bytes = BytesMut::new();
    let mut known = None;
    while let Some(chunk) = part.chunk().await? {
        if chunk.len() > MOST_BYTES - bytes.len() {
            let detail = format!("is larger than {} MiB", MOST_BYTES / 1024 / 1024);
            let issue = Issue::new(Part::Body, FIELD, detail).with_kind("size");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Rejection::new(status, "the picture is too large")
                .with_issue(issue)
                .into());
        }
        bytes.extend_from_slice(&chunk);
        if known.is_none() && bytes.len() >= LONGEST_MARK {
            known = Some(type_of(&bytes).ok_or_else(no_picture)?);
        }
    }
    match known.or_else(|| type_of(&bytes)) {
        Some(content_type) => Ok((content_type, bytes.freeze())),
        None => Err(no_picture()),
    }
}

fn no_picture() -> AppError {
    let detail = "is no picture in PNG, JPEG, GIF or WebP";
    let issue = Issue::new(Part::Body, FIELD, detail).with_kind("content-type");
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Rejection::new(status, "the file is no picture")
        .with_issue(issue)
        .into()
}

/// Bytes that have to be there to know all types.
const LONGEST_MARK: usize = 12;

/// What a file is by its first bytes, whatever its sender calls it. SVG is none of these: it may hold scripts.
fn type_of(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

/// Shows a picture; the bytes are read only for those who do not have them.
pub(crate) fn show(
    Path(id): Path<u32>,
    FromState(database): FromState<Database>,
    scope: Scope,
) -> Result<Response, AppError> {
    let found = database.read(|connection| {
        let Some(tag) = tag(connection, id)? else {
            return Ok(None);
        };
        if tagged::is_known(&scope.headers, &tag) {
            return Ok(Some(tagged::not_modified(&tag)));
        }
        let (content_type, bytes) = content(connection, id)?;
        Ok(Some(tagged::response(&content_type, bytes, &tag)))
    });
    match found? {
        // Opened by itself it is a page of this site: one that may do nothing.
        Some(response) => Ok(response.with_header(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; sandbox"),
        )),
        None => Err(Rejection::new(StatusCode::NOT_FOUND, "there is no picture").into()),
    }
}

/// Takes a picture away.
pub(crate) async fn delete(
    mine: Depends<Mine>,
    transaction: Depends<Transaction>,
) -> Result<StatusCode, AppError> {
    let id = mine.0.id;
    let was_there = transaction.run(move |connection| {
        let removed = connection.execute("DELETE FROM picture WHERE item = ?", [id])?;
        if removed > 0 {
            change::note(connection, id)?;
        }
        Ok(removed > 0)
    });
    if was_there.await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Rejection::new(StatusCode::NOT_FOUND, "there is no picture").into())
    }
}

fn tag(connection: &Connection, item: u32) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT tag FROM picture WHERE item = ?")?
        .query_row([item], |row| row.get(0))
        .optional()
}

fn content(connection: &Connection, item: u32) -> rusqlite::Result<(String, Vec<u8>)> {
    connection
        .prepare_cached("SELECT content_type, bytes FROM picture WHERE item = ?")?
        .query_row([item], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn keep(
    connection: &Connection,
    item: u32,
    content_type: &str,
    bytes: &[u8],
) -> Result<(), AppError> {
    // The item may have been taken away while the picture was on its way.
    item::find(connection, item)?.ok_or_else(missing)?;
    let tag = tagged::tag_of(bytes);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO picture (item, content_type, tag, bytes) VALUES (?, ?, ?, ?)",
        )?
        .execute((item, content_type, tag, bytes))?;
    change::note(connection, item)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_taken_in_than_there_is_memory_for() {
        let places = Places::default();
        let mut taken: Vec<_> = (0..AT_ONCE).map(|_| places.take().unwrap()).collect();
        let refused = places.take().unwrap_err().into_response();
        assert_eq!(refused.head.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.head.headers.get_str(RETRY_AFTER), Some("5"));
        taken.pop();
        assert!(places.take().is_ok(), "there is room again");
    }

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a", Some("image/gif")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\x10\0\0\0WAVEfmt ", None),
            (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
            (b"<!doctype html>", None),
            (b"", None),
        ] {
            assert_eq!(type_of(bytes), expected, "{bytes:?}");
        }
    }
}
