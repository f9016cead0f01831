//! One exchange from the client's end, step by step.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gateway_spec::{BodyError, Gone, Label, ResponseHead};
use http::{HeaderMap, StatusCode};

use crate::events::EventReader;
use crate::outcome::Outcome;
use crate::peer::{Peer, Reading, Sending};
use crate::reply::{Broken, Reply, Why};
use crate::rules::{Answerer, Head, Output};
use crate::wire::{Read, Wire};

/// One exchange from the client's end, step by step: [`Request::open`](crate::Request::open) and
/// [`Request::stream`](crate::Request::stream) make it.
///
/// The application runs in a task of its own, whether anybody waits here or not. Dropped before its end, the client has left.
///
/// After an upgrade (101, or 2xx to a CONNECT) [`chunk`](Self::chunk) and [`send`](Self::send) carry the tunnel's bytes.
///
/// # Examples
///
/// An echo answers part by part:
///
/// ```
/// use gateway_spec::{AppError, Connection, Done, Http, application_fn, types::StatusCode};
/// use test_client::{Broken, TestClient};
///
/// async fn echo(connection: Connection) -> Result<Done, AppError> {
///     let Connection::Http(Http { mut body, responder, .. }) = connection else {
///         return connection.refuse().await;
///     };
///     let mut writer = responder.start(StatusCode::OK).await?;
///     while let Some(chunk) = body.chunk().await? {
///         writer.write(chunk).await?;
///     }
///     writer.finish().await
/// }
///
/// # test_client::run(async {
/// let client = TestClient::new(application_fn(echo));
/// let mut exchange = client.post("/").body_to_come().stream().await?;
/// for part in ["one", "two"] {
///     exchange.send(part).await?;
///     assert_eq!(exchange.chunk().await?.unwrap(), part);
/// }
/// exchange.finish();
/// assert_eq!(exchange.chunk().await?, None);
/// # Ok::<(), Broken>(()) }).unwrap();
/// ```
#[must_use = "dropped before its end, the client has left"]
pub struct Exchange {
    wire: Arc<Wire>,
    peer: Peer,
    patience: Option<Duration>,
    label: Label,
    /// The length of the body that the request declared.
    declared: Option<u64>,
    sent: u64,
    read: u64,
    informational: Vec<ResponseHead>,
    head: Option<Head>,
    phase: Phase,
}

enum Phase {
    Reading,
    Ended(Option<HeaderMap>),
    Broken(Why),
}

impl Exchange {
    pub(crate) fn new(
        wire: Arc<Wire>,
        peer: Peer,
        patience: Option<Duration>,
        label: Label,
        declared: Option<u64>,
    ) -> Self {
        Self {
            wire,
            peer,
            patience,
            label,
            declared,
            sent: 0,
            read: 0,
            informational: Vec::new(),
            head: None,
            phase: Phase::Reading,
        }
    }

    /// Waits for the head of the answer; asked again, it gives the same.
    ///
    /// # Errors
    ///
    /// If it will not come.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn head(&mut self) -> Result<&ResponseHead, Broken> {
        while self.head.is_none() {
            if let Err(why) = self.advance().await {
                return Err(self.broken(why, BytesMut::new()));
            }
        }
        let head = self.head.as_ref().expect("the loop ends when it is there");
        Ok(&head.head)
    }

    /// The head of the answer, if it came.
    #[must_use]
    pub fn response(&self) -> Option<&ResponseHead> {
        self.head.as_ref().map(|head| &head.head)
    }

    /// The next part of the answer's body, as the application wrote it, or of the tunnel; `None` at the end.
    ///
    /// # Errors
    ///
    /// If the answer is cut off, or the client leaves by its script.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost; a client that reads slowly begins to wait anew.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            match self.advance().await {
                Ok(Step::Data(bytes)) => return Ok(Some(bytes)),
                Ok(Step::Head) => {}
                Ok(Step::End) => return Ok(None),
                Err(why) => return Err(self.broken(why, BytesMut::new())),
            }
        }
    }

    /// Reads the answer as server-sent events from here on.
    pub fn events(self) -> EventReader {
        EventReader::new(self)
    }

    /// The trailers, once [`chunk`](Self::chunk) gave `None`.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        match &self.phase {
            Phase::Ended(trailers) => trailers.as_ref(),
            _ => None,
        }
    }

    /// Reads all that is left of the answer.
    ///
    /// # Errors
    ///
    /// If it is cut off, with what came before; or the client leaves by its script.
    pub async fn reply(mut self) -> Result<Reply, Broken> {
        // A body of one part is handed on as it is.
        let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
        loop {
            match self.advance().await {
                Ok(Step::Head) => {}
                Ok(Step::Data(bytes)) if first.is_empty() => first = bytes,
                Ok(Step::Data(bytes)) => {
                    if rest.is_empty() {
                        rest.extend_from_slice(&first);
                    }
                    rest.extend_from_slice(&bytes);
                }
                Ok(Step::End) => break,
                Err(why) => {
                    if rest.is_empty() {
                        rest.extend_from_slice(&first);
                    }
                    return Err(self.broken(why, rest));
                }
            }
        }
        let body = if rest.is_empty() {
            first
        } else {
            rest.freeze()
        };
        match self.take_reply(body) {
            Some(reply) => Ok(reply),
            None => Err(self.broken(Why::CutOff, BytesMut::new())),
        }
    }

    /// Sends a part of the request's body, or bytes of the tunnel; waits while the server has 64 KiB that the application has not
    /// received (HTTP-11).
    ///
    /// # Errors
    ///
    /// If the exchange is over. A body that the application does not want is taken and thrown away (HTTP-14).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing was sent.
    pub async fn send(&mut self, bytes: impl Into<Bytes>) -> Result<(), Broken> {
        let room = poll_fn(|cx| self.wire.poll_room(cx));
        match patiently(self.patience, room).await {
            Ok(Ok(())) => {
                self.push(bytes.into());
                Ok(())
            }
            // What comes after a complete answer is thrown away, as a server does.
            Ok(Err(Gone::Finished)) => Ok(()),
            Ok(Err(Gone::Aborted)) => Err(self.broken(Why::CutOff, BytesMut::new())),
            Ok(Err(gone)) => Err(self.broken(Why::Left(gone), BytesMut::new())),
            Err(why) => Err(self.broken(why, BytesMut::new())),
        }
    }

    /// Ends the request's body, or this direction of the tunnel. Short of what it declared, the body is malformed (HTTP-8).
    pub fn finish(&mut self) {
        self.end(None);
    }

    /// Ends the request's body with trailers.
    pub fn finish_with_trailers(&mut self, trailers: HeaderMap) {
        self.end(Some(trailers));
    }

    /// What a server says of a body that it cannot read on: too large, too slow, malformed (HTTP-7).
    pub fn fail(&mut self, error: BodyError) {
        self.wire.upload(|upload| upload.fail(error));
    }

    /// The client stops sending and reads on (SRV-3).
    pub fn half_close(&mut self) {
        self.wire.half_close();
    }

    /// The client resets the connection. What was sent to it and not read is lost.
    pub fn reset(self) -> Left {
        self.leave(Gone::PeerReset)
    }

    /// The client leaves, and the application is told that this is why.
    ///
    /// # Panics
    ///
    /// With [`Gone::HalfClosed`], which is no leaving: see [`half_close`](Self::half_close).
    pub fn leave(self, gone: Gone) -> Left {
        assert!(gone.is_final(), "half-closed is not gone");
        self.wire.leave(gone);
        Left {
            wire: Arc::clone(&self.wire),
        }
    }

    /// Bytes of the answer that the application sent and the client has not read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.wire.unread()
    }

    /// Bytes of the request that the client sent and the application has not received.
    #[must_use]
    pub fn unreceived(&self) -> usize {
        self.wire.unreceived()
    }

    /// Changes [`Peer::window`] from here on.
    pub fn set_window(&self, bytes: usize) {
        self.wire.set_window(bytes);
    }

    /// What logs and metrics call the exchange, if the application said so (SCOPE-12).
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.get()
    }

    /// Waits for the call to return.
    pub async fn outcome(&self) -> Outcome {
        self.wire.outcome().await
    }

    /// What the call came to, if it has returned.
    #[must_use]
    pub fn outcome_now(&self) -> Option<Outcome> {
        self.wire.outcome_now()
    }

    /// Reads what comes next, as the script says.
    async fn advance(&mut self) -> Result<Step, Why> {
        match self.phase {
            Phase::Reading => {}
            Phase::Ended(_) => return Ok(Step::End),
            Phase::Broken(why) => return Err(why),
        }
        let output = match patiently(
            self.patience,
            read(&self.wire, &self.peer, self.read, &self.head),
        )
        .await
        {
            Ok(Read::Output(output)) => output,
            Ok(Read::Left(Gone::Aborted | Gone::Finished)) => Output::CutOff,
            Ok(Read::Left(gone)) => {
                self.phase = Phase::Broken(Why::Left(gone));
                return Err(Why::Left(gone));
            }
            // Not the end: whoever has more patience may ask again.
            Err(why) => return Err(why),
        };
        Ok(match output {
            Output::Informational(head) => {
                self.informational.push(head);
                Step::Head
            }
            Output::Head(head) => {
                self.head = Some(head);
                Step::Head
            }
            Output::Upgrade(head) => {
                self.head = Some(Head {
                    head,
                    length: None,
                    by: Answerer::Application,
                });
                Step::Head
            }
            Output::Data(bytes) => {
                self.read += bytes.len() as u64;
                Step::Data(bytes)
            }
            Output::File(_) => unreachable!("the wire reads files"),
            Output::End(trailers) => {
                self.phase = Phase::Ended(trailers);
                Step::End
            }
            Output::Shutdown | Output::Close => {
                self.phase = Phase::Ended(None);
                Step::End
            }
            Output::CutOff => {
                self.phase = Phase::Broken(Why::CutOff);
                return Err(Why::CutOff);
            }
        })
    }

    /// Sends what the script lets pass, without waiting.
    pub(crate) fn push(&mut self, mut bytes: Bytes) {
        let limit = match self.peer.sending {
            Sending::ToTheEnd => u64::MAX,
            Sending::HalfClosesAfter(limit) | Sending::LeavesAfter(limit) => limit,
        };
        let room = limit.saturating_sub(self.sent);
        bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        self.sent += bytes.len() as u64;
        self.wire.upload(|upload| upload.push(bytes));
        if self.sent < limit {
            return;
        }
        match self.peer.sending {
            Sending::LeavesAfter(_) => self.wire.leave(self.peer.leaves_as),
            _ => {
                if self.declared == Some(self.sent) {
                    self.wire.upload(|upload| upload.end(None));
                }
                self.wire.half_close();
            }
        }
    }

    pub(crate) fn end(&mut self, trailers: Option<HeaderMap>) {
        let is_short = self.declared.is_some_and(|declared| self.sent < declared);
        self.wire.upload(|upload| {
            if is_short {
                upload.fail(BodyError::Malformed);
            } else {
                upload.end(trailers);
            }
        });
        if let Sending::HalfClosesAfter(_) = self.peer.sending {
            self.wire.half_close();
        }
    }

    fn broken(&mut self, why: Why, body: BytesMut) -> Broken {
        let partial = self.take_reply(body.freeze());
        Broken::new(why, partial, Arc::clone(&self.wire))
    }

    fn take_reply(&mut self, body: Bytes) -> Option<Reply> {
        let Head { head, length, by } = self.head.take()?;
        let trailers = match &mut self.phase {
            Phase::Ended(trailers) => trailers.take(),
            _ => None,
        };
        Some(Reply {
            status: head.status,
            headers: head.headers,
            body,
            trailers,
            informational: std::mem::take(&mut self.informational),
            answerer: by,
            content_length: length.filter(|_| head.status != StatusCode::SWITCHING_PROTOCOLS),
            label: self.label.clone(),
            wire: Arc::clone(&self.wire),
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.wire.leave(self.peer.leaves_as);
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("head", &self.head)
            .field("read", &self.read)
            .field("unread", &self.unread())
            .field("outcome", &self.outcome_now())
            .finish_non_exhaustive()
    }
}

/// A client that has left; the call may go on.
#[derive(Debug)]
pub struct Left {
    wire: Arc<Wire>,
}

impl Left {
    /// Waits for the call to return.
    pub async fn outcome(&self) -> Outcome {
        self.wire.outcome().await
    }
}

enum Step {
    /// A head, or an informational one.
    Head,
    Data(Bytes),
    End,
}

/// Reads what comes next of an exchange of which so many bytes were read.
async fn read(wire: &Wire, peer: &Peer, so_far: u64, head: &Option<Head>) -> Read {
    let left = match peer.reading {
        Reading::ToTheEnd => u64::MAX,
        Reading::StopsAfter(bytes) | Reading::LeavesAfter(bytes) => bytes.saturating_sub(so_far),
    };
    if let (0, Reading::LeavesAfter(_), Some(_)) = (left, peer.reading, head) {
        wire.leave(peer.leaves_as);
        return Read::Left(peer.leaves_as);
    }
    let mut max = left;
    if let Some(rate) = peer.bytes_per_second {
        let ready = poll_fn(|cx| wire.poll_readable(cx)).await;
        let piece = ready.min(rate).min(left);
        if piece > 0 {
            max = piece;
            tokio::time::sleep(Duration::from_secs_f64(piece as f64 / rate as f64)).await;
        }
    }
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    poll_fn(|cx| wire.poll_read(cx, max)).await
}

/// Waits, but not for ever.
async fn patiently<F: Future>(patience: Option<Duration>, wait: F) -> Result<F::Output, Why> {
    let Some(patience) = patience else {
        return Ok(wait.await);
    };
    let waited = tokio::time::timeout(patience, wait).await;
    waited.map_err(|_elapsed| Why::Silent(patience))
}
