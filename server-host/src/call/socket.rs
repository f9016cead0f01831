//! The call that may become a WebSocket's, and the one of a WebSocket, which has its connection for itself.

use std::sync::Arc;
use std::task::{Context, Poll};

use gateway_spec::{AppError, Done, Gone, Http, Scope};
use hosting::{Sent, UpgradeAsked, drop_confined, poll_confined, report_of};
use http::{Method, StatusCode};
use websocket::line::Turn as SocketTurn;
use websocket::{Line, Watch};

use super::kit::fate_of;
use super::trailing::Trailing;
use super::{Call, Phase};
use crate::app::{self, BoxCall, Started};
use crate::metrics::{Gauge, Open};
use crate::observe::Began;
use crate::stall::Mark;
use crate::worker::Worker;
use crate::{Io, Output, socket};

/// What a request may become.
pub(super) struct MayBeSocket {
    /// The socket, if its bytes may be the connection's.
    pub(super) line: Option<(Arc<Line<Output>>, Watch)>,
    /// How the call has returned.
    pub(super) returned: SocketTurn,
}

impl Call {
    /// Starts the call in a slot of its own: such a future is larger than others, and rare.
    #[cold]
    pub(super) fn begin_upgrade(&mut self, http: Http, asked: UpgradeAsked) {
        let Some(kit) = &mut self.kit else {
            return;
        };
        // Where no tunnel can be, nobody looks after one.
        let tunnel = match asked {
            UpgradeAsked::Yes => Some(Arc::clone(&kit.exchange)),
            UpgradeAsked::Unlisted | UpgradeAsked::No => None,
        };
        let Started { slot, line } = self.worker.app.upgrade(http, tunnel);
        kit.slot = slot;
        kit.socket = Some(Box::new(MayBeSocket {
            line,
            returned: SocketTurn::Pending,
        }));
    }

    /// Whether the call under way is a WebSocket's that the application has accepted, and whose bytes are the connection's: once the
    /// answer is on its way, the connection is given up to it by [`into_socket`](Self::into_socket).
    #[must_use]
    pub fn is_socket(&self) -> bool {
        let line = self.kit.as_ref().and_then(|kit| kit.line());
        line.is_some_and(Line::is_open)
    }

    /// Makes the connection that of the WebSocket, in a task of its own: HTTP is over, and all that it needed is given back. What `io` has read is
    /// what came behind the request.
    ///
    /// A call that [is no socket](Self::is_socket) is dropped, and the connection with it.
    pub fn into_socket(mut self, mut io: Io, context: crate::Context) {
        io.give_back();
        let Some(mut kit) = self.kit.take() else {
            return;
        };
        let Some(socket) = kit.socket.take() else {
            return;
        };
        let MayBeSocket { line, returned } = *socket;
        let Some((line, watch)) = line else {
            return;
        };
        // From here on the exchange is nobody's.
        let handed_over = line.attach(kit.exchange.take_signal());
        drop(handed_over);
        let slot = std::mem::replace(&mut kit.slot, self.worker.app.slot());
        let path = kit.scope.uri.path().into();
        let began = kit.began.take();
        let (mut mark, scope) = kit.give_away(&self.worker);
        let observed = began.map(|began| Box::new(ObservedSocket::new(scope, began)));
        mark.settle();
        let call = SocketCall {
            _open: Open::new(&self.worker.counts, Gauge::WebSockets),
            path,
            mark,
            observed,
            call: match self.phase {
                Phase::Running => slot.into_call(),
                Phase::Idle | Phase::Returned => None,
            },
            worker: Arc::clone(&self.worker),
            returned,
        };
        self.phase = Phase::Idle;
        self.worker.give_kit(kit);
        tokio::spawn(socket::Wire::new(io, line, watch, call, context));
    }
}

/// The call of a WebSocket whose connection has a task of its own.
pub(crate) struct SocketCall {
    worker: Arc<Worker>,
    /// `None` once it has returned.
    call: Option<BoxCall>,
    returned: SocketTurn,
    /// What the request asked for, for a log. Not its scope: that is the application's alone, to let go of.
    path: Box<str>,
    mark: Mark,
    /// If somebody wants to know of the socket.
    observed: Option<Box<ObservedSocket>>,
    _open: Open,
}

/// A socket of which somebody wants to know.
struct ObservedSocket {
    scope: Scope,
    began: Began,
    sent: u64,
    received: u64,
}

impl ObservedSocket {
    const fn new(scope: Scope, began: Began) -> Self {
        Self {
            scope,
            began,
            sent: 0,
            received: 0,
        }
    }
}

impl SocketCall {
    /// Polls the application, if it has not returned.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> SocketTurn {
        let Some(call) = &mut self.call else {
            return self.returned;
        };
        self.mark.begin();
        let polled = poll_confined(call.as_mut(), cx);
        if let Some(since) = self.mark.end() {
            self.worker
                .was_held_by_socket(&self.mark, &self.path, since);
        }
        match polled {
            Poll::Pending => SocketTurn::Pending,
            Poll::Ready(result) => self.return_with(result),
        }
    }

    #[cold]
    fn return_with(&mut self, result: Result<Done, AppError>) -> SocketTurn {
        drop_confined(|| self.call = None);
        self.worker.call_ended();
        self.returned = SocketTurn::of(&result);
        if let Err(error) = result {
            if let Some(observed) = &mut self.observed {
                observed.began.fate = fate_of(&error);
            }
            report_of(
                &Method::GET,
                &self.path,
                self.mark.shown().as_deref(),
                &error,
            );
        }
        self.returned
    }

    /// Counts what was sent.
    #[inline]
    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(observed) = &mut self.observed {
            observed.sent += bytes as u64;
        }
    }

    /// Counts what has come.
    #[inline]
    pub(crate) fn received(&mut self, bytes: usize) {
        if let Some(observed) = &mut self.observed {
            observed.received += bytes as u64;
        }
    }

    /// The socket is over: whoever wants to know of it is told. An application that has not returned goes on in a task of its
    /// own (SRV-1).
    pub(crate) fn end(&mut self, gone: Gone) {
        self.tell(gone);
        if let Some(call) = self.call.take() {
            let slot = app::slot_of(call);
            let path = std::mem::take(&mut self.path);
            let mark = std::mem::replace(&mut self.mark, self.worker.turns.mark());
            tokio::spawn(Trailing::of_socket(&self.worker, slot, path, mark));
        }
    }

    fn tell(&mut self, gone: Gone) {
        if let Some(observed) = self.observed.take() {
            let ObservedSocket {
                scope,
                began,
                sent,
                received,
            } = *observed;
            let sent = Sent {
                status: Some(StatusCode::SWITCHING_PROTOCOLS),
                bytes: sent,
            };
            self.worker
                .exchange_over(&began, &scope, sent, received, gone);
        }
    }
}

impl Drop for SocketCall {
    fn drop(&mut self) {
        self.tell(Gone::Shutdown);
        if self.call.is_some() {
            self.worker.call_ended();
        }
    }
}
