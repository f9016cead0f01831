//! A message that is encoded once and sent to many sessions.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gateway_spec::Message;

use crate::{
    deflate::{WindowBits, context},
    frame::Frame,
    message,
};

/// A message for many sessions: framed once, and deflated once, when the first of them needs it.
///
/// Give it to [`Session::send_prepared`](crate::Session::send_prepared) of each; all servers' sessions of one agreement share the same bytes. Cheap to clone.
///
/// # When the deflated form is right
///
/// It is made with a fresh context, so it refers to nothing before itself: any peer that agreed to permessage-deflate can inflate
/// it, whatever its inflater remembers, as long as no reference in it is longer than the peer's window. So:
///
/// - The session must have agreed to permessage-deflate, with a window at least as large as the message or as the window that the
///   form was made with. There is one form for each window that needs its own.
/// - A session that keeps its context must forget it. The peer's inflater appends this message to its history; our compressor
///   has never seen it, and its distances would from then on point to the wrong bytes. Its next message starts afresh, which
///   the peer need not know.
/// - A message that deflating does not make smaller goes as it is, and changes nobody's history.
///
/// Sessions see to all of this.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Forms>);

#[derive(Debug)]
struct Forms {
    message: Message,
    plain: OnceLock<Bytes>,
    /// By window, from 9 bits to 15. `None` inside: not smaller.
    deflated: [OnceLock<Option<Bytes>>; 7],
}

impl Prepared {
    /// Prepares a message; the work is done when it is first sent.
    pub fn new(message: impl Into<Message>) -> Self {
        Self(Arc::new(Forms {
            message: message.into(),
            plain: OnceLock::new(),
            deflated: Default::default(),
        }))
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.0.message
    }

    /// The whole frame, uncompressed.
    pub(crate) fn plain(&self) -> Bytes {
        let message = &self.0.message;
        let frame =
            || Frame::new(message::opcode(message), message::payload(message).clone()).to_bytes();
        self.0.plain.get_or_init(frame).clone()
    }

    /// The whole frame, compressed for a peer with this window. The first session's level is taken for all.
    pub(crate) fn deflated(&self, window: WindowBits, level: u8) -> Option<Bytes> {
        let message = &self.0.message;
        let plain = message::payload(message);
        let window = window.for_message(plain.len());
        let frame = || {
            let deflated = context::deflate_shared(plain, window, level)?;
            let mut frame = Frame::new(message::opcode(message), deflated);
            frame.header.compressed = true;
            Some(frame.to_bytes())
        };
        self.0.deflated[usize::from(window.get() - 9)]
            .get_or_init(frame)
            .clone()
    }
}
