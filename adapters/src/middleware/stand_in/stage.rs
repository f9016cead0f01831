//! Where an exchange stands between an application and the middleware that may take its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Who speaks for an exchange. Lock-free, because a transport's methods call it while others wake and wait.
pub(in crate::middleware) struct Stage {
    bits: Bits,
}

/// Shared where an exchange has two transports: a socket, and the plain exchange that it gives back.
enum Bits {
    Own(AtomicU8),
    Shared(Arc<AtomicU8>),
}

/// Whether a handle that is dropped before the first poll is held back.
#[derive(Clone, Copy)]
pub(in crate::middleware) enum Start {
    Held,
    Free,
}

/// The application has begun its answer, or given the exchange up on purpose.
const DECIDED: u8 = 1;
/// Nothing more goes to the client: the answer is complete or given up, or the client has closed.
const ENDED: u8 = 1 << 1;
/// The protocol was switched.
const UPGRADED: u8 = 1 << 2;
/// The middleware speaks for it, and the application's handles are dead.
const TAKEN: u8 = 1 << 3;
/// The call is being polled.
const HELD: u8 = 1 << 4;
/// While it was held, a handle that owed an answer was dropped.
const DROPPED: u8 = 1 << 5;

/// What to do about a handle that was dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Nothing yet, or nothing at all.
    Nothing,
    /// Hand it on: it cuts off what was started.
    HandOn,
    /// Nothing was started, and nobody is polling.
    Abandoned,
}

impl Stage {
    pub(super) const fn new(start: Start) -> Self {
        Self {
            bits: Bits::Own(AtomicU8::new(start.bits())),
        }
    }

    pub(super) fn shared(start: Start) -> Self {
        Self {
            bits: Bits::Shared(Arc::new(AtomicU8::new(start.bits()))),
        }
    }

    /// Another handle to a shared one.
    pub(super) fn same(&self) -> Option<Self> {
        match &self.bits {
            Bits::Own(_) => None,
            Bits::Shared(bits) => Some(Self {
                bits: Bits::Shared(Arc::clone(bits)),
            }),
        }
    }

    fn bits(&self) -> &AtomicU8 {
        match &self.bits {
            Bits::Own(bits) => bits,
            Bits::Shared(bits) => bits,
        }
    }

    fn has(&self, bit: u8) -> bool {
        self.bits().load(Ordering::Acquire) & bit != 0
    }

    fn set(&self, bit: u8) -> u8 {
        self.bits().fetch_or(bit, Ordering::AcqRel)
    }

    fn clear(&self, bits: u8) -> u8 {
        self.bits().fetch_and(!bits, Ordering::AcqRel)
    }

    /// The application begins its answer: whether it still may.
    pub(super) fn decide(&self) -> bool {
        self.change(|bits| (bits & TAKEN == 0).then_some(bits | DECIDED))
            .is_ok()
    }

    /// What it began with was refused, so nothing was started.
    pub(super) fn undecide(&self) {
        self.clear(DECIDED);
    }

    pub(super) fn end(&self) {
        self.set(ENDED);
    }

    pub(super) fn upgrade(&self) {
        self.set(UPGRADED);
    }

    /// Whether nothing more is to come from the application but its return.
    pub(in crate::middleware) fn is_ended(&self) -> bool {
        self.has(ENDED)
    }

    pub(in crate::middleware) fn is_upgraded(&self) -> bool {
        self.has(UPGRADED)
    }

    /// Whether the application has begun its answer, or given the exchange up on purpose.
    pub(in crate::middleware) fn is_decided(&self) -> bool {
        self.has(DECIDED)
    }

    pub(super) fn is_taken(&self) -> bool {
        self.has(TAKEN)
    }

    /// Takes the exchange over, if nothing was started: from here on the application's handles are dead.
    pub(in crate::middleware) fn take(&self) -> bool {
        self.change(|bits| (bits & (DECIDED | TAKEN) == 0).then_some(bits | TAKEN))
            .is_ok()
    }

    pub(super) fn hold(&self) {
        self.set(HELD);
    }

    /// Whether a handle was dropped while it was held, and nothing was started since.
    pub(super) fn release(&self) -> bool {
        let before = self.clear(HELD | DROPPED);
        before & DROPPED != 0 && before & (DECIDED | TAKEN) == 0
    }

    /// A handle that owed an answer was dropped.
    pub(super) fn dropped(&self) -> Dropped {
        let held_back = self.change(|bits| {
            let is_open = bits & (DECIDED | TAKEN) == 0;
            (is_open && bits & HELD != 0).then_some(bits | DROPPED)
        });
        match held_back {
            Ok(_) => Dropped::Nothing,
            Err(bits) if bits & TAKEN != 0 => Dropped::Nothing,
            Err(bits) if bits & DECIDED != 0 => Dropped::HandOn,
            Err(_) => Dropped::Abandoned,
        }
    }

    fn change(&self, change: impl FnMut(u8) -> Option<u8>) -> Result<u8, u8> {
        self.bits()
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
    }
}

impl Start {
    const fn bits(self) -> u8 {
        match self {
            Self::Held => HELD,
            Self::Free => 0,
        }
    }
}
