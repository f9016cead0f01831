//! Messages made from fragments (RFC 6455 §5.4, §5.6): counted, checked and inflated as they arrive.

use bytes::{Bytes, BytesMut};
use gateway_spec::{Message, Text};

use crate::{
    deflate::context::{InflateError, Inflater},
    error::ProtocolError,
    frame::Opcode,
    limits::Limits,
    utf8::{NotUtf8, Utf8},
};

/// The payload's bytes, shared.
pub(crate) fn payload(message: &Message) -> &Bytes {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
    }
}

/// The payload's bytes, out of the message.
pub(crate) fn into_payload(message: Message) -> Bytes {
    match message {
        Message::Text(text) => text.into_bytes(),
        Message::Binary(bytes) => bytes,
    }
}

/// The opcode of the message's first frame.
pub(crate) fn opcode(message: &Message) -> Opcode {
    match message {
        Message::Text(_) => Opcode::Text,
        Message::Binary(_) => Opcode::Binary,
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

    /// Looks at bytes that arrive before the message is whole, so that a text fails at the first byte that cannot be.
    pub(crate) fn check(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        match self {
            Self::Text(utf8) => utf8.push(bytes).map_err(|NotUtf8| ProtocolError::NotUtf8),
            Self::Binary => Ok(()),
        }
    }

    /// Makes the message of all its bytes. A text is checked as a whole, for that is how a [`Text`] is made.
    pub(crate) fn message(self, bytes: Bytes) -> Result<Message, ProtocolError> {
        match self {
            Self::Text(_) => {
                let text = Text::try_from(bytes).map_err(|_| ProtocolError::NotUtf8)?;
                Ok(Message::Text(text))
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

impl From<InflateError> for ProtocolError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::NotDeflate => Self::NotDeflate,
            InflateError::TooLarge => Self::MessageTooLarge,
        }
    }
}
