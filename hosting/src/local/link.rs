//! What both ends of an exchange in the process share.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use gateway_spec::{Gone, Headers, ResponseHead};
use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderValue, StatusCode};

use crate::exchange::{
    BodyAllowed, Exchange, Outgoing, Progress, ReplyLength, is_bodiless, keep, wake, weight,
};
use crate::{CONNECTION_FIELDS, OUTBOUND_BYTES};

/// Events that lie ready for the client, however small: bounds what empty ones cost.
pub(super) const EVENTS: usize = 256;

/// What both sides share. Its lock is never held while the exchange's is taken, nor over a waker.
pub(super) struct Link {
    pub(super) exchange: Arc<Exchange>,
    body: BodyAllowed,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// What the client may take.
    pub(super) arrived: VecDeque<Outgoing>,
    /// Bytes of bodies in `arrived`.
    pub(super) bytes: usize,
    pub(super) credit: Credit,
    pub(super) phase: Phase,
    /// The client, reading and sending.
    pub(super) reader: Option<Waker>,
    pub(super) sender: Option<Waker>,
    /// The call, which has more to bring than there is room.
    pub(super) driver: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    #[default]
    Open,
    /// Nothing more comes than what has arrived.
    Ended(Gone),
}

/// When the application gets credit for what it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Credit {
    /// When it has arrived: the client's buffer is as a kernel's.
    #[default]
    OnArrival,
    /// When the client acknowledges it.
    OnAcknowledgement,
}

#[derive(PartialEq, Eq)]
pub(super) enum Delivery {
    GoesOn,
    Over,
}

impl State {
    pub(super) fn has_room(&self) -> bool {
        self.bytes < OUTBOUND_BYTES && self.arrived.len() < EVENTS
    }
}

impl Link {
    pub(super) fn new(exchange: Exchange, body: BodyAllowed) -> Self {
        Self {
            exchange: Arc::new(exchange),
            body,
            state: Mutex::default(),
        }
    }

    /// Brings what the application has sent to the client, as far as there is room.
    pub(super) fn deliver(&self, progress: Progress, driver: &Waker) -> Delivery {
        loop {
            let mut state = self.lock();
            if state.phase != Phase::Open {
                return Delivery::Over;
            }
            if !state.has_room() {
                let unused = keep(&mut state.driver, driver);
                drop(state);
                drop(unused);
                break;
            }
            drop(state);
            let Some(outgoing) = self.exchange.next_output() else {
                break;
            };
            if self.arrive(outgoing) == Credit::OnArrival {
                // With the client, and no more the exchange's to hold.
                self.exchange.unsent(0);
            }
        }
        if progress.wanted.is_over() || progress.wanted.room() > 0 {
            let sender = self.lock().sender.take();
            wake([sender]);
        }
        Delivery::GoesOn
    }

    fn arrive(&self, outgoing: Outgoing) -> Credit {
        let outgoing = self.as_the_client_sees(outgoing);
        let end = end_of(&outgoing);
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.bytes += weight(&outgoing);
            state.arrived.push_back(outgoing);
        }
        let (reader, credit) = (state.reader.take(), state.credit);
        drop(state);
        wake([reader]);
        if let Some(gone) = end {
            self.end(gone);
        }
        credit
    }

    /// Drops the fields that are the host's to say, says the length that it knows, and takes away the body that must not be.
    fn as_the_client_sees(&self, outgoing: Outgoing) -> Outgoing {
        let Outgoing::Head {
            mut head,
            length,
            mut first,
        } = outgoing
        else {
            return outgoing;
        };
        own_the_connection(&mut head);
        let bodiless = is_bodiless(head.status);
        if length == ReplyLength::Whole && !bodiless && !head.headers.contains(CONTENT_LENGTH) {
            head.headers.append(CONTENT_LENGTH, first.len().into());
        }
        if bodiless || self.body == BodyAllowed::Head {
            first = Bytes::new();
        }
        Outgoing::Head {
            head,
            length,
            first,
        }
    }

    /// One side leaves. What has arrived and was not read is lost, unless the response is complete.
    pub(super) fn leave(&self, gone: Gone) {
        let lost = {
            let mut state = self.lock();
            if state.phase != Phase::Open {
                return;
            }
            state.bytes = 0;
            std::mem::take(&mut state.arrived)
        };
        drop(lost);
        self.end(gone);
    }

    /// Nobody reads what has arrived.
    pub(super) fn forget(&self) {
        let lost = std::mem::take(&mut self.lock().arrived);
        drop(lost);
    }

    fn end(&self, gone: Gone) {
        let wakers = {
            let mut state = self.lock();
            if state.phase == Phase::Open {
                state.phase = Phase::Ended(gone);
            }
            [
                state.reader.take(),
                state.sender.take(),
                state.driver.take(),
            ]
        };
        // What the application still holds of it fails from now on (SRV-9).
        self.exchange.set_gone(gone);
        wake(wakers);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under this lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Link")
            .field("phase", &state.phase)
            .field("arrived", &state.arrived.len())
            .finish_non_exhaustive()
    }
}

/// Drops the fields that are the host's to say (HTTP-23): all but a wish to close, and the protocols that a 426 asks for.
fn own_the_connection(head: &mut ResponseHead) {
    let keeps_upgrade = head.status == StatusCode::UPGRADE_REQUIRED;
    let headers: &mut Headers = &mut head.headers;
    let closes = headers.contains_token(CONNECTION, "close");
    for name in CONNECTION_FIELDS {
        if !(keeps_upgrade && name == UPGRADE) {
            headers.remove(&name);
        }
    }
    if closes {
        headers.append(CONNECTION, HeaderValue::from_static("close"));
    }
    if keeps_upgrade && headers.contains(UPGRADE) {
        // RFC 9110 section 15.5.22.
        headers.append(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Why nothing comes after this, if nothing does.
const fn end_of(outgoing: &Outgoing) -> Option<Gone> {
    match outgoing {
        Outgoing::Head {
            length: ReplyLength::Whole,
            ..
        }
        | Outgoing::End(_)
        | Outgoing::Close => Some(Gone::Finished),
        Outgoing::Abort => Some(Gone::Aborted),
        Outgoing::Head { .. }
        | Outgoing::Informational(_)
        | Outgoing::Data(_)
        | Outgoing::File(_)
        | Outgoing::Upgrade(_)
        | Outgoing::Shutdown => None,
    }
}
