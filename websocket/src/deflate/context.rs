//! The compressor and the inflater of a direction, and the few that a thread lends to directions without context.

use std::{cell::RefCell, collections::VecDeque, fmt};

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{Context, WindowBits};

/// What every flush ends with, and what permessage-deflate cuts off (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Contexts of each kind that a thread keeps for others to come. Compressing is over before the call returns, so more than one
/// is only for different windows; inflaters are lent while a fragmented message lasts.
const SHELF: usize = 4;

/// Compressed messages that a thread remembers, for a broadcast sends one message to many sessions, often several at a time.
const RECENT: usize = 4;

/// The longest message that is remembered, so that a thread holds no more than four of these and what they deflate to.
const RECENT_BYTES: usize = 64 * 1024;

thread_local! {
    static RECENT_MESSAGES: RefCell<VecDeque<Recent>> = const { RefCell::new(VecDeque::new()) };
    static DEFLATERS: RefCell<Vec<Deflater>> = const { RefCell::new(Vec::new()) };
    static INFLATERS: RefCell<Vec<Inflater>> = const { RefCell::new(Vec::new()) };
}

/// Why inflating stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// The bytes are no DEFLATE stream.
    NotDeflate,
    /// There would be more output than allowed.
    TooLarge,
}

/// One direction's inflater, always with the full window: zlib-rs reserves it anyway.
pub(crate) struct Inflater(Decompress);

impl Inflater {
    /// To be fed at the end of each message.
    pub(crate) const TAIL: [u8; 4] = TAIL;

    /// Appends what `input` inflates to. `out` never has more than `limit` bytes (and one, which proves the excess).
    pub(crate) fn inflate(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), InflateError> {
        loop {
            grow(out, input.len(), limit.saturating_add(1));
            let (taken_before, made_before) = (self.0.total_in(), out.len());
            let status = self
                .0
                .decompress_vec(input, out, FlushDecompress::Sync)
                .map_err(|_| InflateError::NotDeflate)?;
            let taken = (self.0.total_in() - taken_before) as usize;
            input = &input[taken..];
            if out.len() > limit {
                return Err(InflateError::TooLarge);
            }
            let progress = taken > 0 || out.len() > made_before;
            match status {
                // A final block (RFC 7692 §7.2.3.4): what follows is a stream of its own.
                Status::StreamEnd => self.0.reset(false),
                Status::Ok | Status::BufError if input.is_empty() && out.len() < out.capacity() => {
                    return Ok(());
                }
                Status::Ok | Status::BufError if progress => {}
                Status::Ok | Status::BufError => return Err(InflateError::NotDeflate),
            }
        }
    }
}

/// Makes room in a full buffer: twice as much each time, but nothing over `most`.
fn grow(out: &mut Vec<u8>, hint: usize, most: usize) {
    /// A first guess when little has arrived: one small message.
    const LEAST: usize = 256;
    if out.len() == out.capacity() {
        let wanted = out
            .capacity()
            .max(hint)
            .saturating_mul(2)
            .max(LEAST)
            .min(most);
        out.reserve_exact(wanted.saturating_sub(out.len()));
    }
}

/// One direction's compressor.
pub(crate) struct Deflater {
    stream: Compress,
    window: WindowBits,
    level: u8,
}

impl Deflater {
    fn new(window: WindowBits, level: u8) -> Self {
        let compression = Compression::new(level.min(9).into());
        Self {
            stream: Compress::new_with_window_bits(compression, false, window.get()),
            window,
            level,
        }
    }

    /// The payload of a compressed message (RFC 7692 §7.2.1). `input` must not be empty: zlib does not flush twice.
    fn deflate(&mut self, mut input: &[u8]) -> Bytes {
        /// zlib asks for more than six bytes, or it may repeat the end mark.
        const ROOM: usize = 64;
        let mut out = Vec::with_capacity(input.len() / 2 + ROOM);
        loop {
            let before = self.stream.total_in();
            self.stream
                .compress_vec(input, &mut out, FlushCompress::Sync)
                .expect("zlib fails only when misused");
            input = &input[(self.stream.total_in() - before) as usize..];
            if out.len() < out.capacity() {
                break;
            }
            out.reserve(out.len() / 2 + ROOM);
        }
        debug_assert!(input.is_empty() && out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out.into()
    }
}

/// Compresses one message by itself, with a context that the thread lends.
fn deflate_once(input: &[u8], window: WindowBits, level: u8) -> Bytes {
    let fits = |deflater: &Deflater| deflater.window == window && deflater.level == level;
    let mut deflater = DEFLATERS
        .with_borrow_mut(|shelf| {
            let at = shelf.iter().position(fits)?;
            Some(shelf.swap_remove(at))
        })
        .unwrap_or_else(|| Deflater::new(window, level));
    let out = deflater.deflate(input);
    deflater.stream.reset();
    DEFLATERS.with_borrow_mut(|shelf| {
        shelf.truncate(SHELF - 1);
        shelf.insert(0, deflater);
    });
    out
}

/// A message that was compressed by itself, and what came of it.
struct Recent {
    plain: Bytes,
    window: WindowBits,
    level: u8,
    /// `None`: not smaller.
    deflated: Option<Bytes>,
}

impl Recent {
    fn is(&self, plain: &Bytes, window: WindowBits, level: u8) -> bool {
        // The same memory is the same message: it cannot change or be used anew while we hold it.
        self.plain.as_ptr() == plain.as_ptr()
            && self.plain.len() == plain.len()
            && self.window == window
            && self.level == level
    }
}

/// Compresses one message by itself, or finds it compressed already. `None`: it would not get smaller.
pub(crate) fn deflate_shared(plain: &Bytes, window: WindowBits, level: u8) -> Option<Bytes> {
    let window = window.for_message(plain.len());
    let deflate = || Some(deflate_once(plain, window, level)).filter(|out| out.len() < plain.len());
    if plain.len() > RECENT_BYTES || plain.is_unique() {
        return deflate();
    }
    let known = RECENT_MESSAGES.with_borrow(|recent| {
        let found = recent
            .iter()
            .find(|recent| recent.is(plain, window, level))?;
        Some(found.deflated.clone())
    });
    known.unwrap_or_else(|| {
        let deflated = deflate();
        let new = Recent {
            plain: plain.clone(),
            window,
            level,
            deflated: deflated.clone(),
        };
        RECENT_MESSAGES.with_borrow_mut(|recent| {
            recent.truncate(RECENT - 1);
            recent.push_front(new);
        });
        deflated
    })
}

/// The sending half of a session's compression.
pub(crate) enum Sending {
    Fresh,
    Kept(Option<Box<Deflater>>),
}

impl Sending {
    pub(crate) fn new(context: Context) -> Self {
        match context {
            Context::Fresh => Self::Fresh,
            Context::Kept => Self::Kept(None),
        }
    }

    /// Compresses one message. `None` is one that would not get smaller: it goes as it is.
    pub(crate) fn deflate(
        &mut self,
        input: &Bytes,
        window: WindowBits,
        level: u8,
    ) -> Option<Bytes> {
        match self {
            Self::Fresh => deflate_shared(input, window, level),
            // Larger or not: the message is in our history now, so it must get into the peer's.
            Self::Kept(deflater) => {
                let deflater =
                    deflater.get_or_insert_with(|| Box::new(Deflater::new(window, level)));
                Some(deflater.deflate(input))
            }
        }
    }

    /// Forgets the history, because the peer's has moved on without us.
    pub(crate) fn forget(&mut self) {
        if let Self::Kept(Some(deflater)) = self {
            deflater.stream.reset();
        }
    }
}

/// The receiving half of a session's compression.
pub(crate) enum Receiving {
    Fresh,
    /// `None` before the first compressed message, and while one is being read.
    Kept(Option<Box<Inflater>>),
}

impl Receiving {
    pub(crate) fn new(context: Context) -> Self {
        match context {
            Context::Fresh => Self::Fresh,
            Context::Kept => Self::Kept(None),
        }
    }

    /// The inflater for the next message.
    pub(crate) fn take(&mut self) -> Inflater {
        match self {
            Self::Fresh => INFLATERS.with_borrow_mut(Vec::pop),
            Self::Kept(inflater) => inflater.take().map(|inflater| *inflater),
        }
        .unwrap_or_else(|| Inflater(Decompress::new(false)))
    }

    /// Takes the inflater back after the message.
    pub(crate) fn put(&mut self, mut inflater: Inflater) {
        match self {
            Self::Fresh => {
                inflater.0.reset(false);
                INFLATERS.with_borrow_mut(|shelf| {
                    shelf.truncate(SHELF - 1);
                    shelf.push(inflater);
                });
            }
            Self::Kept(slot) => *slot = Some(Box::new(inflater)),
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "Fresh",
            Self::Kept(None) => "Kept, not yet made",
            Self::Kept(Some(_)) => "Kept",
        })
    }
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "Fresh",
            Self::Kept(None) => "Kept, not here",
            Self::Kept(Some(_)) => "Kept",
        })
    }
}
