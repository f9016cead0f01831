//! Server-sent events as a browser reads them (WHATWG HTML, section 9.2.6).

use std::fmt;
use std::mem;
use std::time::Duration;

use crate::{Broken, Exchange};

/// Reads an answer as server-sent events: made by [`Exchange::events`].
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Connection, Done, ResponseHead, application_fn, types::StatusCode};
/// use test_client::{Broken, TestClient};
///
/// async fn ticks(connection: Connection) -> Result<Done, AppError> {
///     let Connection::Http(http) = connection else { return connection.refuse().await };
///     let mut writer = http.responder.start(StatusCode::OK).await?;
///     writer.write("id: 7\nevent: tick\ndata: one\ndata: two\n\n").await?;
///     writer.finish().await
/// }
///
/// # test_client::run(async {
/// let client = TestClient::new(application_fn(ticks));
/// let mut events = client.get("/").stream().await?.events();
/// let event = events.next().await?.unwrap();
/// assert_eq!((&*event.name, &*event.data), ("tick", "one\ntwo"));
/// assert_eq!(events.last_event_id(), "7");
/// assert!(events.next().await?.is_none());
/// # Ok::<(), Broken>(()) }).unwrap();
/// ```
pub struct EventReader {
    exchange: Exchange,
    parser: Parser,
}

/// An event as a listener gets it.
///
/// # Examples
///
/// See [`EventReader`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerEvent {
    /// The type; `message` if the server named none.
    pub name: String,
    /// The data, its lines joined by line feeds.
    pub data: String,
    /// The id that the client would come back with after it.
    pub id: String,
}

impl EventReader {
    pub(crate) fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            parser: Parser::default(),
        }
    }

    /// The next event; `None` at the end of the answer. What was begun and has no end is dropped, as browsers do.
    ///
    /// # Errors
    ///
    /// As [`Exchange::chunk`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<ServerEvent>, Broken> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(Some(event));
            }
            match self.exchange.chunk().await? {
                Some(chunk) => self.parser.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// What a client would send as `Last-Event-ID` now; empty if there was no id.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.parser.id
    }

    /// How long a client would wait before it comes back, if the server said.
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.parser.retry
    }

    /// How many comments came so far, such as those that keep a connection alive.
    #[must_use]
    pub const fn comments(&self) -> usize {
        self.parser.comments
    }

    /// The exchange, for what is not events: to leave, or to ask for the [outcome](Exchange::outcome).
    pub const fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The exchange itself. What was read and not given out is lost.
    pub fn into_exchange(self) -> Exchange {
        self.exchange
    }
}

/// Bytes in, events out.
#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
    began: bool,
    name: String,
    data: String,
    id: String,
    retry: Option<Duration>,
    comments: usize,
}

impl Parser {
    fn next(&mut self) -> Option<ServerEvent> {
        while let Some(line) = self.line() {
            if !line.is_empty() {
                self.field(&line);
                continue;
            }
            let name = mem::take(&mut self.name);
            let mut data = mem::take(&mut self.data);
            // Without data there is no event, and its type is forgotten.
            if data.pop().is_some() {
                let name = if name.is_empty() {
                    String::from("message")
                } else {
                    name
                };
                let id = self.id.clone();
                return Some(ServerEvent { name, data, id });
            }
        }
        None
    }

    /// The next whole line. One that ends with a CR is whole when it is known that no LF follows.
    fn line(&mut self) -> Option<String> {
        let end = self
            .buffer
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))?;
        let length = match (self.buffer[end], self.buffer.get(end + 1)) {
            (b'\r', None) => return None,
            (b'\r', Some(b'\n')) => end + 2,
            _ => end + 1,
        };
        let line: Vec<u8> = self.buffer.drain(..length).take(end).collect();
        let line = String::from_utf8_lossy(&line).into_owned();
        if mem::replace(&mut self.began, true) {
            return Some(line);
        }
        Some(
            line.strip_prefix('\u{feff}')
                .map_or(line.clone(), str::to_owned),
        )
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => self.comments += 1,
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" => {
                let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
                let wait = value.parse().ok().filter(|_| is_number);
                self.retry = wait.map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
    }
}

impl fmt::Debug for EventReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReader")
            .field("last_event_id", &self.parser.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pieces: &[&[u8]]) -> (Vec<(String, String, String)>, Parser) {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for piece in pieces {
            parser.buffer.extend_from_slice(piece);
            while let Some(ServerEvent { name, data, id }) = parser.next() {
                events.push((name, data, id));
            }
        }
        (events, parser)
    }

    #[test]
    fn events_are_the_same_however_they_are_cut_and_whatever_ends_their_lines() {
        let event =
            |name: &str, data: &str, id: &str| (name.to_owned(), data.to_owned(), id.to_owned());
        let text = "\u{feff}: hello\nid: 1\ndata: a\ndata\ndata:  b\n\nevent: x\n\nevent: y\ndata:c\n\nid\nretry: 25\nretry: 2x\nwhat: ever\ndata: d\n\ndata: cut";
        let expected = vec![
            event("message", "a\n\n b", "1"),
            event("y", "c", "1"),
            event("message", "d", ""),
        ];
        for ending in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', ending);
            for size in [1, 2, 7, text.len()] {
                let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                let (events, parser) = parsed(&pieces);
                assert_eq!(events, expected, "{ending:?} {size}");
                assert_eq!(parser.retry, Some(Duration::from_millis(25)));
                assert_eq!(parser.comments, 1);
            }
        }
    }
}
