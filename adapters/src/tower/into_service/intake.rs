//! The request's body on its way from the outer server to the application.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use gateway_spec::{BodyError, BodyLength, Gone};
use hosting::{Wanted, may_be_trailer};
use http::{HeaderMap, Version};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, LengthLimitError};
use tokio::task::coop;
use tokio::time::error::Elapsed;

use super::super::BoxError;
use super::peer::Peer;

/// The body of a request, asked for only while the application asks.
pub(super) struct Intake {
    body: UnsyncBoxBody<Bytes, BoxError>,
    version: Version,
    /// Bytes that are still to come, if the head said how many.
    left: Option<u64>,
    /// Bytes that came.
    taken: u64,
}

/// What came of asking for the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// Something: the application is to be polled again.
    Something,
    /// Nothing yet, or it is not wanted yet.
    Nothing,
    /// Its end, or nobody wants it any more.
    End,
}

/// What a body gave.
enum Came {
    Part(Bytes),
    End(Option<HeaderMap>),
    Failed(BodyError),
    /// The client stopped sending in the middle.
    CutShort,
}

impl Intake {
    pub(super) fn new<B>(body: B, version: Version, length: BodyLength) -> Self
    where
        B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        Self {
            body: body
                // No copy, of `Bytes`.
                .map_frame(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                .map_err(Into::into)
                .boxed_unsync(),
            version,
            left: match length {
                BodyLength::Known(length) => Some(length),
                BodyLength::Empty | BodyLength::Unknown => None,
            },
            taken: 0,
        }
    }

    /// Brings what the application wants and the outer server has.
    pub(super) fn bring(&mut self, peer: &Peer, cx: &mut Context<'_>) -> Brought {
        let client = peer.client();
        match client.wanted() {
            // Where nobody asked yet, a client that waits for `100 Continue` waits on (SRV-8).
            Wanted::NotYet(_) | Wanted::Now(0) => return Brought::Nothing,
            Wanted::Never | Wanted::Complete => return Brought::End,
            Wanted::Now(_) => {}
        }
        let Poll::Ready(came) = self.poll(cx) else {
            return Brought::Nothing;
        };
        let came = match came {
            Came::Part(bytes) if self.body.is_end_stream() => {
                client.send(bytes);
                self.end(None)
            }
            came => came,
        };
        match came {
            Came::Part(bytes) => {
                client.send(bytes);
                return Brought::Something;
            }
            Came::End(trailers) => client.finish(trailers),
            Came::Failed(BodyError::Gone(gone)) => client.leave(gone),
            Came::Failed(error) => {
                peer.note_bad_body();
                client.fail(error);
            }
            // It may still read why its body was not taken (HTTP-8).
            Came::CutShort => {
                peer.note_bad_body();
                client.fail(BodyError::Malformed);
                client.half_close();
            }
        }
        Brought::End
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        // A body that never lets wait gives way to others on its thread (SRV-15).
        let turn = ready!(coop::poll_proceed(cx));
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        turn.made_progress();
        Poll::Ready(match frame {
            None => self.end(None),
            Some(Err(error)) => self.failed(&*error),
            Some(Ok(frame)) => match frame.into_data().map_err(Frame::into_trailers) {
                Ok(bytes) => self.part(bytes),
                // HTTP-6.
                Err(Ok(trailers)) if !trailers.keys().all(may_be_trailer) => {
                    Came::Failed(BodyError::Malformed)
                }
                Err(trailers) => self.end(trailers.ok()),
            },
        })
    }

    fn part(&mut self, bytes: Bytes) -> Came {
        let length = bytes.len() as u64;
        self.taken += length;
        if let Some(left) = &mut self.left {
            match left.checked_sub(length) {
                Some(rest) => *left = rest,
                None => return Came::Failed(BodyError::Malformed),
            }
        }
        Came::Part(bytes)
    }

    /// `Known(n)` means exactly `n` bytes (HTTP-4), whoever stands between the wire and this.
    fn end(&self, trailers: Option<HeaderMap>) -> Came {
        match self.left {
            Some(left) if left > 0 => Came::Failed(BodyError::Malformed),
            _ => Came::End(trailers),
        }
    }

    fn failed(&self, error: &(dyn Error + 'static)) -> Came {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(known) = self.known(error) {
                return known;
            }
            // An `io::Error` does not name what it wraps among its causes.
            let wrapped = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
                .map(|error| error as &(dyn Error + 'static));
            cause = wrapped.or_else(|| error.source());
        }
        Came::Failed(BodyError::Malformed)
    }

    fn known(&self, error: &(dyn Error + 'static)) -> Option<Came> {
        if let Some(error) = error.downcast_ref::<BodyError>() {
            return Some(Came::Failed(*error));
        }
        if error.is::<LengthLimitError>() {
            // How many they may be it does not say: at least as many as came.
            return Some(Came::Failed(BodyError::TooLarge { limit: self.taken }));
        }
        if error.is::<Elapsed>() {
            return Some(Came::Failed(BodyError::Timeout));
        }
        if error.is::<hyper::Error>() && self.version == Version::HTTP_2 {
            // The stream is gone, by whomever.
            return Some(Came::Failed(BodyError::Gone(Gone::StreamReset)));
        }
        match error.downcast_ref::<io::Error>()?.kind() {
            io::ErrorKind::TimedOut => Some(Came::Failed(BodyError::Timeout)),
            io::ErrorKind::UnexpectedEof => Some(Came::CutShort),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Some(Came::Failed(BodyError::Gone(Gone::PeerReset))),
            _ => None,
        }
    }
}
