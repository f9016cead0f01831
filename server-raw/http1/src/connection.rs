//! Joins the parts; the only stateful entry.

use bytes::{Buf, BytesMut};
use gateway_spec::{Field, Headers};
use http::{HeaderMap, Method, StatusCode, Uri, Version};

use crate::body_reader::{BodyReader, Part};
use crate::body_writer::BodyWriter;
use crate::error::{PeerError, UsageError};
use crate::event::{AfterReply, Event, Payload, Step};
use crate::framing::{BodyFraming, ReplyBody, ReplyFraming};
use crate::head::{
    self, Expectation, Finished, HeadFacts, HeadParts, Last, Persistence, Progress, Upgrade,
};
use crate::limits::Limits;
use crate::reply_head::{self, ReplyHead};
use crate::state::{Exchange, Input, MethodKind, Reading, Request, State, Writing};

/// The server's side of one connection.
///
/// It holds no bytes: the input belongs to the caller, who reads into it, and so does the output, who writes and empties it.
/// The [crate's page](crate) says in which order to call.
#[derive(Debug)]
pub struct Connection {
    state: State,
    limits: Limits,
    /// Whether there can be another exchange. Once `Close`, always.
    persistence: Persistence,
    peer: Peer,
    /// The method of the request whose head was refused.
    refused: MethodKind,
    /// The index of the section being read; empty between sections.
    index: Vec<Field>,
    last: Last,
}

/// Whether the peer will send more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Sending,
    Finished,
}

impl Connection {
    /// A connection on which nothing was read.
    pub const fn new(limits: Limits) -> Self {
        Self {
            state: State::Head(Progress::START),
            limits,
            persistence: Persistence::KeepOpen,
            peer: Peer::Sending,
            refused: MethodKind::Other,
            index: Vec::new(),
            last: Last::new(),
        }
    }

    /// Looks for the next fact in `input`, and takes out of it what it used.
    ///
    /// On [`Event::Head`], the head is in `head` (a `&mut` [`RequestHead`](crate::RequestHead), or [`HeadParts`]), whose fields
    /// are the connection's own, shared; otherwise it is not touched, except that after an error it holds a mixture. After [`Step::NeedBytes`] the bytes that are left must be there at the next call, with more
    /// behind them; they are bounded by the [`Limits`], and are not looked at twice.
    ///
    /// # Errors
    ///
    /// What the peer did wrong. It stays: every further call says the same. Answer with
    /// [`error_reply`](Self::error_reply) and close, or, where the reply is already on its way, end it and close.
    #[inline]
    pub fn next_event<'a>(
        &mut self,
        input: &mut BytesMut,
        head: impl Into<HeadParts<'a>>,
    ) -> Result<Step, PeerError> {
        let found = match self.state {
            State::Head(_) => self.find_head(input, head.into()),
            _ => self.find_part(input),
        };
        if let Err(error) = found {
            self.fail(error, input);
        }
        found
    }

    /// Whether `input` begins with a head that is as the one before it: a GET, by HTTP/1.1, of the target that `head` has, with the same fields, which
    /// say nothing special. It is then in `head`, no body follows, and all that is left to do is to take so many bytes out of the input. `None` is no
    /// verdict: [`next_event`](Self::next_event) has one.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use http1::{Connection, Event, Limits, RequestHead, Step};
    ///
    /// let mut connection = Connection::new(Limits::default());
    /// let mut head = RequestHead::default();
    /// let again = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
    /// assert_eq!(connection.next_repeated(again, &mut head), None);
    /// assert_eq!(connection.next_event(&mut BytesMut::from(&again[..]), &mut head)?, Step::Event(Event::Head));
    /// # let (status, fields, date) = (http::StatusCode::OK, Default::default(), b"Sun, 06 Nov 1994 08:49:37 GMT");
    /// # connection.send_whole(status, &fields, b"", date, &mut Vec::new())?;
    /// # connection.start_next()?;
    /// assert_eq!(connection.next_repeated(again, &mut head), Some(again.len()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn next_repeated<'a>(
        &mut self,
        input: &[u8],
        head: impl Into<HeadParts<'a>>,
    ) -> Option<usize> {
        if self.state != State::Head(Progress::START) {
            return None;
        }
        let length = head::read_repeated(input, &self.last, &self.limits, &mut head.into())?;
        self.begin_request(MethodKind::Other, HeadFacts::PLAIN);
        Some(length)
    }

    /// The same for a caller whose places have the head before: it is a GET of this target with these fields, and they are the connection's own, so nothing is
    /// to be written.
    #[inline]
    pub fn next_same(
        &mut self,
        input: &[u8],
        method: &Method,
        uri: &Uri,
        headers: &Headers,
    ) -> Option<usize> {
        if self.state != State::Head(Progress::START) || *method != Method::GET {
            return None;
        }
        let length = self.last.same(input, uri, headers, &self.limits)?;
        self.begin_request(MethodKind::Other, HeadFacts::PLAIN);
        Some(length)
    }

    /// As [`next_event`](Self::next_event), for a caller who has no place for a head because a request is being read: where it is not,
    /// [`Step::NeedBytes`].
    ///
    /// # Errors
    ///
    /// As `next_event`.
    pub fn next_part(&mut self, input: &mut BytesMut) -> Result<Step, PeerError> {
        let found = self.find_part(input);
        if let Err(error) = found {
            self.fail(error, input);
        }
        found
    }

    #[cold]
    fn fail(&mut self, error: PeerError, input: &BytesMut) {
        self.persistence = Persistence::Close;
        self.index.clear();
        if let State::Head(_) = self.state {
            self.refused = head::method_of(input);
        }
        // Refused where the error stands already.
        let _ = self.state.on(Input::PeerFailed(error));
    }

    #[inline]
    fn find_head(
        &mut self,
        input: &mut BytesMut,
        mut head: HeadParts<'_>,
    ) -> Result<Step, PeerError> {
        let State::Head(progress) = &mut self.state else {
            return Ok(Step::Paused);
        };
        let (index, last) = (&mut self.index, &mut self.last);
        match head::read(input, progress, index, last, &self.limits, &mut head)? {
            Some(finished) => Ok(self.begin_exchange(&finished, input)),
            None if self.peer == Peer::Sending => Ok(Step::NeedBytes),
            // The empty line that may stand before a request line is no request.
            None if matches!(&input[..], b"" | b"\r\n") => {
                self.advance(Input::PeerLeft);
                Ok(Step::Closed)
            }
            None => Err(PeerError::TruncatedHead),
        }
    }

    fn find_part(&mut self, input: &mut BytesMut) -> Result<Step, PeerError> {
        match &mut self.state {
            State::Head(_) => Ok(Step::NeedBytes),
            State::Exchange(Exchange {
                request, reading, ..
            }) => match reading {
                Reading::Body(reader) => match reader.read(input, &mut self.index, &self.limits)? {
                    Part::Data(data) => {
                        request.expectation = Expectation::None;
                        Ok(Step::Event(Event::Data(data)))
                    }
                    Part::Trailers(trailers) => Ok(Step::Event(Event::Trailers(trailers))),
                    Part::End => {
                        self.advance(Input::BodyEnded);
                        Ok(Step::Event(Event::End))
                    }
                    Part::NeedBytes if self.peer == Peer::Sending => Ok(Step::NeedBytes),
                    Part::NeedBytes => Err(PeerError::TruncatedBody),
                },
                Reading::Done => Ok(Step::Paused),
                Reading::Failed(error) => Err(*error),
            },
            State::Tunnel | State::Closed => Ok(Step::Closed),
            State::Failed(error) => Err(*error),
        }
    }

    #[inline]
    fn begin_exchange(&mut self, finished: &Finished, input: &mut BytesMut) -> Step {
        if finished.length == input.len() {
            // Nearly always; and the buffer is as large again as it was.
            input.clear();
        } else {
            input.advance(finished.length);
        }
        if finished.persistence == Persistence::Close {
            self.persistence = Persistence::Close;
        }
        self.begin_request(finished.method, finished.facts);
        Step::Event(Event::Head)
    }

    #[inline]
    fn begin_request(&mut self, method: MethodKind, facts: HeadFacts) {
        let request = Request {
            method,
            version: facts.version,
            upgrade: facts.upgrade,
            expectation: facts.expectation,
        };
        let reading = match facts.framing {
            BodyFraming::Empty => Reading::Done,
            BodyFraming::Sized(left) => Reading::Body(BodyReader::Sized { left }),
            BodyFraming::Chunked => Reading::Body(BodyReader::chunked()),
        };
        self.advance(Input::Request(request, reading));
    }

    #[inline]
    fn advance(&mut self, input: Input) {
        self.state
            .on(input)
            .expect("only asked for in the state that it belongs to");
    }

    /// The peer will send no more (its FIN came).
    ///
    /// What is in the input is still read; when it is used up, [`next_event`](Self::next_event) gives [`Step::Closed`] between
    /// requests, and an error within one. Replies can still be sent.
    pub const fn end_of_input(&mut self) {
        self.peer = Peer::Finished;
    }

    /// Whether the peer waits for a 100 before it sends the body: send one when the body is asked for, with
    /// [`send_informational`](Self::send_informational), and the body comes.
    ///
    /// If the final reply goes out first, the connection closes after it, since nobody can know whether the body comes.
    pub const fn expects_continue(&self) -> bool {
        matches!(
            self.state,
            State::Exchange(Exchange {
                request: Request {
                    expectation: Expectation::Continue,
                    ..
                },
                reading: Reading::Body(_),
                writing: Writing::Head,
            })
        )
    }

    /// Closes after the reply under way or, if there is none, after the next: for a server that drains.
    ///
    /// The reply says so if its head was not sent yet.
    pub const fn close_after_reply(&mut self) {
        self.persistence = Persistence::Close;
    }

    /// What to do with the connection when the reply is written; known when its head was sent.
    #[inline]
    pub const fn after_reply(&self) -> AfterReply {
        match (&self.state, self.persistence) {
            (_, Persistence::Close) | (State::Tunnel | State::Closed | State::Failed(_), _) => {
                AfterReply::Close
            }
            (State::Head(_), Persistence::KeepOpen) => AfterReply::KeepOpen,
            (State::Exchange(exchange), Persistence::KeepOpen) => match exchange.reading {
                Reading::Body(_) => AfterReply::Drain,
                Reading::Done => AfterReply::KeepOpen,
                Reading::Failed(_) => AfterReply::Close,
            },
        }
    }

    /// Goes on to the next request.
    ///
    /// # Errors
    ///
    /// [`UsageError::OutOfOrder`] when the reply is not written, or when the request is not read to its end and the
    /// connection is to be kept.
    #[inline]
    pub fn start_next(&mut self) -> Result<(), UsageError> {
        self.state.on(Input::Next(self.persistence))
    }

    /// Writes an interim reply: 100, 103 ... (ASGI: `http.response.early_hint` and its kin). A peer of HTTP/1.0 does not know
    /// them: for it, nothing is written.
    ///
    /// # Errors
    ///
    /// [`UsageError::Status`] for 101 and for a status that is not 1xx, [`UsageError::OutOfOrder`] once the head of the
    /// final reply was sent.
    pub fn send_informational(
        &mut self,
        status: StatusCode,
        headers: &Headers,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let exchange = self.owing_head()?;
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UsageError::Status);
        }
        if exchange.request.version == Version::HTTP_10 {
            return Ok(());
        }
        if status == StatusCode::CONTINUE {
            exchange.request.expectation = Expectation::None;
        }
        reply_head::write_informational(status, headers, out);
        Ok(())
    }

    /// Writes the head of the final reply (ASGI: `http.response.start`).
    ///
    /// The application's Transfer-Encoding, Connection, Keep-Alive and Upgrade are not written, for these are the server's;
    /// but `Connection: close` is honoured. `date` is the value of Date, unless `headers` have one.
    ///
    /// # Errors
    ///
    /// [`UsageError`], and nothing is written: for an interim status, for a 2xx to CONNECT, for a wrong content-length, or when
    /// no head is owed.
    pub fn send_head(
        &mut self,
        status: StatusCode,
        headers: &Headers,
        body: ReplyBody,
        date: &[u8; 29],
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let framing = self.write_head(status, headers, body, date, out)?;
        self.state.on(Input::HeadSent(BodyWriter::new(framing)))
    }

    #[inline]
    fn write_head(
        &mut self,
        status: StatusCode,
        headers: &Headers,
        body: ReplyBody,
        date: &[u8; 29],
        out: &mut Vec<u8>,
    ) -> Result<ReplyFraming, UsageError> {
        let persistence = self.persistence;
        let exchange = self.owing_head()?;
        let persistence = match (&exchange.reading, exchange.request.expectation) {
            // A peer that waits for a 100 may send the body all the same, or not: what comes next cannot be told.
            (Reading::Body(_), Expectation::Continue) | (Reading::Failed(_), _) => {
                Persistence::Close
            }
            (Reading::Body(_), Expectation::None) | (Reading::Done, _) => persistence,
        };
        let reply = ReplyHead {
            status,
            headers,
            body,
            date,
        };
        let decided = reply.write(exchange.request, persistence, out)?;
        self.persistence = decided.persistence;
        Ok(decided.framing)
    }

    /// Writes a part of the body, framed as the head said (ASGI: `http.response.body`). Nothing is written where the reply
    /// has no body: to HEAD, and for 204, 205 and 304.
    ///
    /// # Errors
    ///
    /// [`UsageError::TooMuchData`] beyond the content-length, [`UsageError::OutOfOrder`] before the head or after the end.
    pub fn send_data(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        match self.send_data_frame(data.len(), out)? {
            Payload::Write { suffix } => {
                out.extend_from_slice(data);
                out.extend_from_slice(suffix);
            }
            Payload::Skip => {}
        }
        Ok(())
    }

    /// Writes what stands before `length` bytes of the body, for a caller who writes the bytes from where they are.
    ///
    /// # Errors
    ///
    /// As [`send_data`](Self::send_data).
    pub fn send_data_frame(
        &mut self,
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<Payload, UsageError> {
        self.writer()?.frame(length, out)
    }

    /// Writes the last part of the body and the end of the reply, or nothing.
    ///
    /// # Errors
    ///
    /// As [`send_data`](Self::send_data), and [`UsageError::TooLittleData`] when more is owed than this: it can still come.
    pub fn send_last(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.writer()?.check_last(data.len())?;
        self.send_data(data, out)?;
        self.send_end(None, out)
    }

    /// Writes the end of the reply. Trailers are written where the body is chunked, and dropped elsewhere.
    ///
    /// # Errors
    ///
    /// [`UsageError::TooLittleData`] when the content-length says more: the connection can only be closed.
    /// [`UsageError::ForbiddenTrailer`], [`UsageError::OutOfOrder`].
    pub fn send_end(
        &mut self,
        trailers: Option<&HeaderMap>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let ended = self.writer()?.end(trailers, out);
        if let Err(UsageError::TooLittleData { .. }) = ended {
            self.persistence = Persistence::Close;
        }
        ended?;
        self.state.on(Input::ReplyEnded)
    }

    /// Writes a whole reply: head, body and end.
    ///
    /// # Errors
    ///
    /// As [`send_head`](Self::send_head).
    pub fn send_whole(
        &mut self,
        status: StatusCode,
        headers: &Headers,
        data: &[u8],
        date: &[u8; 29],
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        match self.send_whole_frame(status, headers, data.len(), date, out)? {
            Payload::Write { suffix: _nothing } => out.extend_from_slice(data),
            Payload::Skip => {}
        }
        Ok(())
    }

    /// Writes what stands before the `length` bytes of a whole reply, for a caller who writes the bytes from where they are. Nothing
    /// follows them.
    ///
    /// # Errors
    ///
    /// As [`send_head`](Self::send_head).
    #[inline]
    pub fn send_whole_frame(
        &mut self,
        status: StatusCode,
        headers: &Headers,
        length: usize,
        date: &[u8; 29],
        out: &mut Vec<u8>,
    ) -> Result<Payload, UsageError> {
        let framing =
            self.write_head(status, headers, ReplyBody::Whole(length as u64), date, out)?;
        self.state.on(Input::WholeSent)?;
        Ok(match framing {
            ReplyFraming::Nothing { .. } => Payload::Skip,
            ReplyFraming::Sized(_) => Payload::Write { suffix: b"" },
            ReplyFraming::Chunked | ReplyFraming::UntilClose => {
                unreachable!("the length of a whole reply is known")
            }
        })
    }

    /// [`send_whole_frame`](Self::send_whole_frame) and [`start_next`](Self::start_next) at once, if both are as usual: a 200 whose only field is its content
    /// type, to a request that was read to its end and is none of those whose replies are different, on a connection that is kept. Whether they are;
    /// if not, nothing was done.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use gateway_spec::Headers;
    /// use http::{HeaderValue, StatusCode, header};
    /// use http1::{Connection, Limits, RequestHead};
    ///
    /// let mut connection = Connection::new(Limits::default());
    /// let mut input = BytesMut::from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    /// connection.next_event(&mut input, &mut RequestHead::default())?;
    /// let (mut headers, mut out) = (Headers::new(), Vec::new());
    /// let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
    /// assert!(!connection.send_usual_frame(StatusCode::OK, &headers, 2, date, &mut out));
    /// headers.append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    /// assert!(connection.send_usual_frame(StatusCode::OK, &headers, 2, date, &mut out));
    /// assert!(out.ends_with(b"\r\n\r\n"));
    /// // The next head may come.
    /// assert!(connection.start_next().is_err());
    /// # Ok::<(), http1::PeerError>(())
    /// ```
    #[inline]
    pub fn send_usual_frame(
        &mut self,
        status: StatusCode,
        headers: &Headers,
        length: usize,
        date: &[u8; 29],
        out: &mut Vec<u8>,
    ) -> bool {
        let State::Exchange(Exchange {
            request,
            reading: Reading::Done,
            writing: Writing::Head,
        }) = &self.state
        else {
            return false;
        };
        if self.persistence != Persistence::KeepOpen || *request != Request::PLAIN {
            return false;
        }
        let Some(content_type) = reply_head::usual(status, headers) else {
            return false;
        };
        reply_head::write_usual(content_type, length as u64, date, out);
        // Each is what the state allows, as was seen above.
        self.advance(Input::WholeSent);
        self.advance(Input::Next(Persistence::KeepOpen));
        true
    }

    /// Makes the connection a tunnel: writes a 101 whose `headers` have an Upgrade, or the 2xx to a CONNECT.
    ///
    /// From then on the bytes in both directions are not HTTP, those in the input too.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOffered`] when the request is neither a CONNECT nor offers an upgrade, or the status or the fields do
    /// not fit it; [`UsageError::OutOfOrder`] when the head of a reply was sent, or when the request has a body that was not
    /// read to its end.
    pub fn switch_protocols(
        &mut self,
        status: StatusCode,
        headers: &Headers,
        date: &[u8; 29],
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let exchange = self.owing_head()?;
        if exchange.reading != Reading::Done {
            return Err(UsageError::OutOfOrder);
        }
        match (
            exchange.request.method,
            exchange.request.upgrade,
            status.as_u16(),
        ) {
            (MethodKind::Connect, _, 200..300) => {
                reply_head::write_connected(status, headers, date, out)
            }
            (_, Upgrade::Offered, 101) => reply_head::write_switch(headers, date, out)?,
            _ => return Err(UsageError::NotOffered),
        }
        self.state.on(Input::Switched)
    }

    /// Writes the whole reply to an error of the peer, after which the connection closes: its text, which the reply to a
    /// HEAD does not have, says what was wrong.
    ///
    /// # Errors
    ///
    /// [`UsageError::OutOfOrder`] when a final reply has begun: end it, or close.
    pub fn error_reply(
        &mut self,
        error: PeerError,
        date: &[u8; 29],
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let method = match &self.state {
            State::Exchange(exchange) => exchange.request.method,
            _ => self.refused,
        };
        self.state.on(Input::Refused)?;
        self.persistence = Persistence::Close;
        reply_head::write_error(error, method, date, out);
        Ok(())
    }

    fn owing_head(&mut self) -> Result<&mut Exchange, UsageError> {
        match &mut self.state {
            State::Exchange(
                exchange @ Exchange {
                    writing: Writing::Head,
                    ..
                },
            ) => Ok(exchange),
            _ => Err(UsageError::OutOfOrder),
        }
    }

    fn writer(&mut self) -> Result<&mut BodyWriter, UsageError> {
        match &mut self.state {
            State::Exchange(Exchange {
                writing: Writing::Body(writer),
                ..
            }) => Ok(writer),
            _ => Err(UsageError::OutOfOrder),
        }
    }
}
