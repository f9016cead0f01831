//! Server-sent events: the format (WHATWG HTML, section 9.2) and the stream that carries them.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use gateway_spec::{AppError, Gone, ResponseHead};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::operation::reason;
use crate::stream::{self, Source};
use crate::{IntoReply, Operation, Reply};

/// One event: the fields that a client dispatches together.
///
/// # Examples
///
/// ```
/// use app_router::Event;
///
/// let event = Event::data("two\nlines").with_id(7).with_name("note");
/// assert_eq!(event.to_string(), "data: two\ndata: lines\nid: 7\nevent: note\n\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whole lines, without the empty one that ends the event.
    lines: String,
}

impl Event {
    /// An event with this text; each of its lines (ended by LF, CR or CR LF) becomes a `data` field.
    #[must_use]
    pub fn data(text: impl fmt::Display) -> Self {
        let mut event = Self {
            lines: String::new(),
        };
        event.fields("data", &text.to_string());
        event
    }

    /// An event with this value as JSON.
    ///
    /// # Errors
    ///
    /// If JSON cannot hold the value.
    pub fn json(value: &impl Serialize) -> Result<Self, AppError> {
        Ok(Self::data(serde_json::to_string(value)?))
    }

    /// A comment, which clients pass over.
    #[must_use]
    pub fn comment(text: impl fmt::Display) -> Self {
        let mut event = Self {
            lines: String::new(),
        };
        event.fields("", &text.to_string());
        event
    }

    /// Sets the type that a client's listeners are chosen by. Line ends in it are left out.
    #[must_use]
    pub fn with_name(mut self, name: impl fmt::Display) -> Self {
        self.field("event", &name.to_string());
        self
    }

    /// Sets the id that a client sends as `Last-Event-ID` when it connects again. Line ends and NUL are left out: no
    /// client could receive them.
    #[must_use]
    pub fn with_id(mut self, id: impl fmt::Display) -> Self {
        self.field("id", &id.to_string().replace('\0', ""));
        self
    }

    /// Sets how long a client waits before it connects again, in whole milliseconds.
    #[must_use]
    pub fn with_retry(mut self, wait: Duration) -> Self {
        self.field("retry", &wait.as_millis().to_string());
        self
    }

    fn fields(&mut self, name: &str, text: &str) {
        let mut rest = text;
        while let Some(end) = rest.find(['\r', '\n']) {
            self.field(name, &rest[..end]);
            let ending = if rest[end..].starts_with("\r\n") {
                2
            } else {
                1
            };
            rest = &rest[end + ending..];
        }
        self.field(name, rest);
    }

    fn field(&mut self, name: &str, value: &str) {
        self.lines.push_str(name);
        // A client takes one space after the colon away, so a value that begins with one keeps it.
        self.lines.push_str(": ");
        self.lines
            .extend(value.chars().filter(|c| !matches!(c, '\r' | '\n')));
        self.lines.push('\n');
    }

    fn into_bytes(mut self) -> Bytes {
        self.lines.push('\n');
        self.lines.into()
    }
}

impl fmt::Display for Event {
    /// The event as it is sent, the empty line at its end included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines)?;
        f.write_char('\n')
    }
}

/// A stream of server-sent events, as a reply.
///
/// Each event is flushed to the kernel before the next is asked for, so a slow client slows the source. While there is
/// none, a comment keeps the connection alive. The stream ends with its source, when the server begins to drain, and
/// when the client is gone or has stopped sending (no client of an event stream does so to go on reading). The
/// source is dropped then.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use app_router::{Event, Sse};
///
/// async fn ticks() -> Sse {
///     Sse::produce(async |events| {
///         let mut second = tokio::time::interval(Duration::from_secs(1));
///         for n in 0_u64.. {
///             second.tick().await;
///             events.send(Event::data(n).with_id(n)).await?;
///         }
///         Ok(())
///     })
/// }
/// # let _ = app_router::Router::new().get("/ticks", ticks);
/// ```
pub struct Sse {
    source: Source<Event>,
    keep_alive: Duration,
}

/// Proxies close idle connections after 30 to 60 seconds; the WHATWG text advises "every 15 seconds or so".
const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl Sse {
    /// The events of a stream.
    pub fn new(events: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self {
            source: stream::of(events),
            keep_alive: KEEP_ALIVE,
        }
    }

    /// The events that an async function sends. It runs while the stream does, at most one event ahead; an error that
    /// it returns cuts the stream off.
    pub fn produce<F, Fut>(produce: F) -> Self
    where
        F: FnOnce(EventSender) -> Fut,
        Fut: Future<Output = Result<(), AppError>> + Send + 'static,
    {
        Self {
            source: stream::produced(|events| produce(EventSender { events })),
            keep_alive: KEEP_ALIVE,
        }
    }

    /// Sets after how much silence a comment is sent; 15 seconds otherwise.
    #[must_use]
    pub const fn with_keep_alive(mut self, silence: Duration) -> Self {
        self.keep_alive = silence;
        self
    }
}

impl IntoReply for Sse {
    fn into_reply(self) -> Result<Reply, AppError> {
        let head = ResponseHead::new(StatusCode::OK)
            .with_header(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))
            .with_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
            // nginx and its kin would collect events otherwise.
            .with_header(
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            );
        let Self { source, keep_alive } = self;
        let keep_alive = (keep_alive, Event::comment("keep-alive").into_bytes());
        let write = |event: Event| Ok(event.into_bytes());
        Ok(Reply::stream(head, move |writer, drain| {
            stream::pump(source, write, Some(keep_alive), writer, drain)
        }))
    }

    fn describe(operation: &mut Operation) {
        operation.response_of_bytes(StatusCode::OK, "text/event-stream", reason(StatusCode::OK));
    }
}

impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse")
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

/// The sending end that [`Sse::produce`] gives to its function.
#[derive(Debug, Clone)]
pub struct EventSender {
    events: mpsc::Sender<Event>,
}

impl EventSender {
    /// Sends an event, waiting while the client is slower than the source.
    ///
    /// # Errors
    ///
    /// If the stream has ended, which only a sender moved to another task lives to see.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing was sent and the event is lost.
    pub async fn send(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone::Finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_data_is_a_field_whatever_ends_it() {
        for (text, expected) in [
            ("one", "data: one\n\n"),
            ("", "data: \n\n"),
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\rb", "data: a\ndata: b\n\n"),
            ("a\r\nb", "data: a\ndata: b\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n\n"),
            (" x", "data:  x\n\n"),
            (
                "event: evil\n\nid: 1",
                "data: event: evil\ndata: \ndata: id: 1\n\n",
            ),
        ] {
            assert_eq!(Event::data(text).to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn no_field_can_bring_in_another() {
        let event = Event::data("x")
            .with_id("1\nevent: evil\0")
            .with_name("a\r\nb");
        assert_eq!(
            event.to_string(),
            "data: x\nid: 1event: evil\nevent: ab\n\n"
        );
    }

    #[test]
    fn comments_retry_and_json_have_their_forms() {
        assert_eq!(Event::comment("a\nb").to_string(), ": a\n: b\n\n");
        let retry = Event::data("x").with_retry(Duration::from_millis(2500));
        assert_eq!(retry.to_string(), "data: x\nretry: 2500\n\n");
        assert_eq!(
            Event::json(&["a\nb"]).unwrap().to_string(),
            "data: [\"a\\nb\"]\n\n"
        );
        assert_eq!(Event::data("x").into_bytes(), "data: x\n\n");
    }
}
