//! The transport under a synchronous call: all passes, but a handle that was dropped is reported with the result.
//!
//! A call that fails drops its handles on the pool's thread, a moment before its error reaches the server. A server
//! that saw a dropped handle of a call that still runs would answer 500 (SRV-12), and the status of the error would
//! be lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use gateway_spec::{Abort, Gone, GoneSignal, HttpReceive, HttpSend, HttpTransport, SendError};

pub(super) struct Held {
    transport: Arc<dyn HttpTransport>,
    stage: Mutex<Stage>,
}

#[derive(Clone, Copy)]
enum Stage {
    Running,
    /// Running, and a handle that owed an answer was dropped.
    Dropped,
    /// Nothing is held back any more.
    Over,
}

enum Fact {
    HandleDropped,
    CallReturned,
    /// Nobody waits for the call any more.
    GivenUp,
}

enum Report {
    Nothing,
    Abort,
}

impl Stage {
    const fn on(self, fact: &Fact) -> (Self, Report) {
        match (self, fact) {
            (Self::Running | Self::Dropped, Fact::HandleDropped) => {
                (Self::Dropped, Report::Nothing)
            }
            (Self::Over, Fact::HandleDropped) => (Self::Over, Report::Abort),
            (Self::Running, Fact::CallReturned) => (Self::Over, Report::Nothing),
            (Self::Dropped, Fact::CallReturned) => (Self::Over, Report::Abort),
            (Self::Running | Self::Dropped, Fact::GivenUp) => (Self::Over, Report::Abort),
            (Self::Over, Fact::CallReturned | Fact::GivenUp) => (Self::Over, Report::Nothing),
        }
    }
}

impl Held {
    pub(super) const fn new(transport: Arc<dyn HttpTransport>) -> Self {
        Self {
            transport,
            stage: Mutex::new(Stage::Running),
        }
    }

    pub(super) fn client_left(&self) -> bool {
        self.transport.gone().value().is_some_and(Gone::is_final)
    }

    /// The call has returned: a handle that it dropped is reported now.
    pub(super) fn let_go(&self) {
        self.note(&Fact::CallReturned);
    }

    /// The call is given up: the client sees it, and a thread that waits for the client goes on. After the call has
    /// returned this does nothing.
    pub(super) fn give_up(&self) {
        self.note(&Fact::GivenUp);
    }

    fn note(&self, fact: &Fact) {
        let report = {
            let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            let (next, report) = stage.on(fact);
            *stage = next;
            report
        };
        match report {
            Report::Abort => self.transport.abort(Abort::Dropped),
            Report::Nothing => {}
        }
    }
}

impl HttpTransport for Held {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        self.transport.poll_receive(cx)
    }

    fn stop_receiving(&self) {
        self.transport.stop_receiving();
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.transport.poll_ready(cx)
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        self.transport.send(event)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        self.transport.poll_write(cx, bytes)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.transport.poll_flush(cx)
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        self.transport.poll_buffered(cx, n)
    }

    fn gone(&self) -> GoneSignal {
        self.transport.gone()
    }

    fn close(&self) {
        self.transport.close();
    }

    fn abort(&self, why: Abort) {
        match why {
            Abort::Dropped => self.note(&Fact::HandleDropped),
            Abort::Deliberate => self.transport.abort(why),
        }
    }
}
