//! Messages, and their making from fragments (RFC 6455 §5.4, §5.6).

use std::fmt;

use bytes::{Bytes, BytesMut};
use simdutf8::basic;

use crate::{
    deflate::context::{InflateError, Inflater},
    error::ProtocolError,
    frame::Opcode,
    limits::Limits,
    utf8::{NotUtf8, Utf8},
};

/// A text whose bytes can be shared: UTF-8, checked when it was built.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text(Bytes);

impl Text {
    /// The text. Without unsafe code it is checked again, at the speed of memory: keep the result rather than ask twice.
    pub fn as_str(&self) -> &str {
        basic::from_utf8(&self.0).expect("a Text is UTF-8 from the start, and Bytes do not change")
    }

    /// The bytes of the text, at no cost.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes of the text, at no cost.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// For bytes that [`Utf8`] has passed.
    fn checked(bytes: Bytes) -> Self {
        debug_assert!(std::str::from_utf8(&bytes).is_ok());
        Self(bytes)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl TryFrom<Bytes> for Text {
    type Error = std::str::Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        std::str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// A message of the application, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(Text),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    pub(crate) fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }

    pub(crate) fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

/// The kind of a message that is being read, with what its kind needs to know of the bytes before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text(Utf8),
    Binary,
}

impl Kind {
    pub(crate) const TEXT: Self = Self::Text(Utf8::EMPTY);

    /// Looks at the next bytes of the message.
    pub(crate) fn check(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        match self {
            Self::Text(utf8) => Ok(utf8.push(bytes)?),
            Self::Binary => Ok(()),
        }
    }

    /// Makes the message of all its bytes, each of which [`check`](Self::check) has seen.
    pub(crate) fn message(self, bytes: Bytes) -> Result<Message, ProtocolError> {
        match self {
            Self::Text(utf8) => {
                utf8.finish()?;
                Ok(Message::Text(Text::checked(bytes)))
            }
            Self::Binary => Ok(Message::Binary(bytes)),
        }
    }
}

/// A message of which a part has arrived: fragmented, compressed, or both.
#[derive(Debug)]
pub(crate) struct Partial {
    kind: Kind,
    body: Body,
    // Kept beside the body, whose length says nothing about the wire. Counters: a sum over the fragments at each fragment
    // would be quadratic.
    wire_bytes: usize,
    fragments: u32,
}

#[derive(Debug)]
enum Body {
    Plain(BytesMut),
    // A vector, because its spare capacity can be inflated into without clearing it first.
    Inflated(Vec<u8>, Inflater),
}

impl Partial {
    pub(crate) fn plain(kind: Kind) -> Self {
        Self {
            kind,
            body: Body::Plain(BytesMut::new()),
            wire_bytes: 0,
            fragments: 0,
        }
    }

    pub(crate) fn compressed(kind: Kind, inflater: Inflater) -> Self {
        Self {
            kind,
            body: Body::Inflated(Vec::new(), inflater),
            wire_bytes: 0,
            fragments: 0,
        }
    }

    /// Counts the next frame, before any of its payload.
    pub(crate) fn begin_frame(
        &mut self,
        length: usize,
        limits: &Limits,
    ) -> Result<(), ProtocolError> {
        if self.fragments == limits.fragments {
            return Err(ProtocolError::TooManyFragments);
        }
        self.fragments += 1;
        let bound = match self.body {
            Body::Plain(_) => limits.wire_bytes.min(limits.message_bytes),
            Body::Inflated(..) => limits.wire_bytes,
        };
        match self.wire_bytes.checked_add(length) {
            Some(total) if total <= bound => self.wire_bytes = total,
            _ => return Err(ProtocolError::MessageTooLarge),
        }
        Ok(())
    }

    /// Takes the next bytes of the payload, unmasked.
    pub(crate) fn push(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), ProtocolError> {
        match &mut self.body {
            Body::Plain(body) => {
                self.kind.check(bytes)?;
                body.extend_from_slice(bytes);
                Ok(())
            }
            Body::Inflated(body, inflater) => {
                let start = body.len();
                let outcome = inflater.inflate(bytes, body, limits.message_bytes);
                // What was inflated before the error came first, and so does its own.
                self.kind
                    .check(&body[start..body.len().min(limits.message_bytes)])?;
                Ok(outcome?)
            }
        }
    }

    /// Ends the message after its last frame, and gives back the inflater for the next one.
    pub(crate) fn finish(
        mut self,
        limits: &Limits,
    ) -> Result<(Message, Option<Inflater>), ProtocolError> {
        if matches!(self.body, Body::Inflated(..)) {
            // RFC 7692 §7.2.2: the sender cut these off.
            self.push(&Inflater::TAIL, limits)?;
        }
        Ok(match self.body {
            Body::Plain(body) => (self.kind.message(body.freeze())?, None),
            Body::Inflated(body, inflater) => (self.kind.message(body.into())?, Some(inflater)),
        })
    }
}

impl From<NotUtf8> for ProtocolError {
    fn from(_: NotUtf8) -> Self {
        Self::NotUtf8
    }
}

impl From<InflateError> for ProtocolError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::NotDeflate => Self::NotDeflate,
            InflateError::TooLarge => Self::MessageTooLarge,
        }
    }
}
