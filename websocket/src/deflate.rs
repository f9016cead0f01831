//! permessage-deflate (RFC 7692): what may be agreed, and the agreement.
//!
//! The parameters are decided here, as pure data; the private module `context` does the compressing.
//!
//! # What a connection costs
//!
//! Nothing until the first compressed message. A direction that keeps its context then holds it to the end: measured with zlib-rs
//! 0.6, 371 KiB for sending with a window of 15 bits (259 KiB at 12, 245 KiB at 9: the match tables stay as they are), and 46 KiB
//! for receiving. With [`Context::Fresh`] a direction holds nothing between messages: the contexts are lent by their thread, which
//! keeps a few. It pays with a worse ratio for messages that are alike, and with clearing 128 KiB of tables for each message that it
//! sends, unless the same message (the same memory, that is) went to another session just before, as in a broadcast: then it is not
//! compressed again.

pub(crate) mod context;

use std::{borrow::Cow, fmt::Write};

/// The extension's name.
pub(crate) const NAME: &str = "permessage-deflate";

const SERVER_FRESH: &str = "server_no_context_takeover";
const CLIENT_FRESH: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";

/// The base-two logarithm of a compressor's window: 9 to 15.
///
/// RFC 7692 also knows 8, which zlib cannot do for a raw stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 32 KiB, the most and the default.
    pub const MAX: Self = Self(15);

    /// A window of two to the power of `bits`, if that is 9 to 15.
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            9..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The logarithm.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The window to compress a message of so many bytes with, by itself: no reference is longer than the message, so a short one
    /// that is compressed with the largest window suits every other.
    pub(crate) const fn for_message(self, bytes: usize) -> Self {
        if bytes <= 1 << self.0 {
            Self::MAX
        } else {
            self
        }
    }
}

/// Whether a direction's compression state survives from one message to the next ("context takeover").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// It does: a better ratio for similar messages, at the price of the memory between them.
    Kept,
    /// Every message starts afresh: no memory between messages.
    Fresh,
}

/// What a server wants of permessage-deflate.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our direction. Kept by default; a client's wish for a fresh one is always granted.
    pub sending: Context,
    /// The client's direction. Kept by default; `Fresh` obliges every client, which RFC 7692 §7.1.1.2 allows.
    pub receiving: Context,
    /// The most for our window; a client may ask for less. 15 by default. (There is no such setting for the client's: our
    /// inflater has the full window in any case.)
    pub window: WindowBits,
    /// zlib's compression level, 0 to 9. 6, zlib's default.
    pub level: u8,
    /// Bytes under which a message is sent as it is. 64: below, deflating costs more than it saves.
    pub minimum_bytes: usize,
}

impl Settings {
    /// Sets [`sending`](Self::sending).
    #[must_use]
    pub const fn with_sending(mut self, context: Context) -> Self {
        self.sending = context;
        self
    }

    /// Sets [`receiving`](Self::receiving).
    #[must_use]
    pub const fn with_receiving(mut self, context: Context) -> Self {
        self.receiving = context;
        self
    }

    /// Sets [`window`](Self::window).
    #[must_use]
    pub const fn with_window(mut self, window: WindowBits) -> Self {
        self.window = window;
        self
    }

    /// Sets [`level`](Self::level). Over 9 counts as 9.
    #[must_use]
    pub const fn with_level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }

    /// Sets [`minimum_bytes`](Self::minimum_bytes).
    #[must_use]
    pub const fn with_minimum_bytes(mut self, bytes: usize) -> Self {
        self.minimum_bytes = bytes;
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sending: Context::Kept,
            receiving: Context::Kept,
            window: WindowBits::MAX,
            level: 6,
            minimum_bytes: 64,
        }
    }
}

/// One way to speak permessage-deflate that a client offered, and that we can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    server_context: Context,
    client_context: Context,
    server_window: WindowBits,
}

impl Offer {
    /// Reads the parameters of one offer. `None` is an offer to decline (RFC 7692 §7.1): a parameter that is unknown, given twice,
    /// of a value that it must not have, or of one that we cannot do.
    pub(crate) fn parse(parameters: &[(&str, Option<Cow<'_, str>>)]) -> Option<Self> {
        let mut seen = Vec::with_capacity(4);
        let mut offer = Self {
            server_context: Context::Kept,
            client_context: Context::Kept,
            server_window: WindowBits::MAX,
        };
        for (name, value) in parameters {
            if seen.contains(name) {
                return None;
            }
            match (*name, value.as_deref()) {
                (SERVER_FRESH, None) => offer.server_context = Context::Fresh,
                (CLIENT_FRESH, None) => offer.client_context = Context::Fresh,
                // A window of 8 bits is legal, but nothing that we could keep to.
                (SERVER_WINDOW, Some(value)) => {
                    offer.server_window = WindowBits::new(bits(value)?)?
                }
                // A promise or a hint of the client's; it needs no answer, since we inflate with the full window.
                (CLIENT_WINDOW, None) => {}
                (CLIENT_WINDOW, Some(value)) => drop(bits(value)?),
                _ => return None,
            }
            seen.push(*name);
        }
        Some(offer)
    }

    /// Agrees to the offer: the more frugal of both sides' wishes.
    pub(crate) fn accept(&self, settings: &Settings) -> Agreed {
        let frugal = |ours, theirs| match (ours, theirs) {
            (Context::Kept, Context::Kept) => Context::Kept,
            _ => Context::Fresh,
        };
        Agreed {
            server: Direction {
                context: frugal(settings.sending, self.server_context),
                window: settings.window.min(self.server_window),
            },
            client: Direction {
                context: frugal(settings.receiving, self.client_context),
                window: WindowBits::MAX,
            },
            level: settings.level,
            minimum_bytes: settings.minimum_bytes,
        }
    }
}

/// How one direction compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Whether state survives from message to message.
    pub context: Context,
    /// The compressor's window.
    pub window: WindowBits,
}

/// The agreed way to speak permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// From the server to the client.
    pub server: Direction,
    /// From the client to the server.
    pub client: Direction,
    pub(crate) level: u8,
    pub(crate) minimum_bytes: usize,
}

impl Agreed {
    /// The value of `Sec-WebSocket-Extensions` in the answer.
    pub(crate) fn answer(&self) -> String {
        let mut answer = NAME.to_owned();
        if self.server.context == Context::Fresh {
            answer += "; ";
            answer += SERVER_FRESH;
        }
        if self.client.context == Context::Fresh {
            answer += "; ";
            answer += CLIENT_FRESH;
        }
        if self.server.window < WindowBits::MAX {
            write!(answer, "; {SERVER_WINDOW}={}", self.server.window.get())
                .expect("writing to a string cannot fail");
        }
        answer
    }

    /// What a server agreed to, for the client that offered [`NAME`] without parameters. `None`: it answered what was not offered.
    pub(crate) fn from_answer(
        parameters: &[(&str, Option<Cow<'_, str>>)],
        settings: &Settings,
    ) -> Option<Self> {
        // An answer has the form of an offer, but for this parameter, which answers one that we do not offer.
        if parameters.iter().any(|(name, _)| *name == CLIENT_WINDOW) {
            return None;
        }
        let answer = Offer::parse(parameters)?;
        Some(Self {
            server: Direction {
                context: answer.server_context,
                window: answer.server_window,
            },
            client: Direction {
                context: answer.client_context,
                window: settings.window,
            },
            level: settings.level,
            minimum_bytes: settings.minimum_bytes,
        })
    }
}

/// A number of window bits as RFC 7692 §7.1.2 writes it: decimal, 8 to 15, no leading zero.
fn bits(value: &str) -> Option<u8> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}
