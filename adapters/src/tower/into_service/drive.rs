//! The application's call, with what it needs of the outer server beside it: polled to its end wherever that is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gateway_spec::{AppError, Done, GoneSignal, WorkerThread};
use hosting::local::Call;

use super::intake::{Brought, Intake};
use super::lifespan::Counted;
use super::peer::Peer;

/// The future of a call, of any application.
pub(super) type Calling = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send>>;

/// A call, and the request's body on its way to it. Ready when the application has returned and all that it sent was taken, or its
/// client is gone.
pub(super) struct Drive {
    call: Call<Calling>,
    intake: Option<Intake>,
    peer: Arc<Peer>,
    origin: Option<GoneSignal>,
    _counted: Counted,
}

impl Drive {
    pub(super) fn new(
        call: Call<Calling>,
        intake: Option<Intake>,
        peer: Arc<Peer>,
        counted: Counted,
    ) -> Self {
        let origin = peer.origin();
        Self {
            call,
            intake,
            peer,
            origin,
            _counted: counted,
        }
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        // Whoever blocks here would wait for what this same task brings.
        let _mark = WorkerThread::enter();
        if let Some(origin) = &mut me.origin {
            me.peer.listen(origin, cx);
        }
        loop {
            if Pin::new(&mut me.call).poll(cx).is_ready() {
                me.intake = None;
                return Poll::Ready(());
            }
            let Some(intake) = &mut me.intake else {
                return Poll::Pending;
            };
            match intake.bring(&me.peer, cx) {
                Brought::Something => {}
                Brought::Nothing => return Poll::Pending,
                Brought::End => me.intake = None,
            }
        }
    }
}
