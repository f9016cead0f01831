//! The client of an exchange, as the outer server stands for it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_spec::{Gone, GoneSignal};
use hosting::Outgoing;
use hosting::local::Client;
use http::Version;
use tokio::runtime::Handle;

/// How long an application may go on writing what nobody takes any more, since the response is complete for the outer server:
/// the body of an answer to HEAD. Long for a body that ends, and an end for one that does not, which no client will leave.
const UNREAD: Duration = Duration::from_secs(30);

/// The client, shared by whoever drives the call and whoever takes the response.
#[derive(Debug)]
pub(super) struct Peer {
    client: Client,
    /// What it is said to have done when the outer server lets go.
    leaves_as: Gone,
    /// Why the client of the exchange around this one is gone, where there is such a one.
    origin: Option<GoneSignal>,
    bad_body: AtomicBool,
    /// Where its tasks run.
    pub(super) runtime: Handle,
}

impl Peer {
    pub(super) fn new(
        client: Client,
        version: Version,
        origin: Option<GoneSignal>,
        runtime: Handle,
    ) -> Self {
        Self {
            client: client.handing_on(),
            leaves_as: match version {
                Version::HTTP_2 | Version::HTTP_3 => Gone::StreamReset,
                _ => Gone::PeerReset,
            },
            origin,
            bad_body: AtomicBool::new(false),
            runtime,
        }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// The body could not be read to its end: the connection ends after the answer (HTTP-7).
    pub(super) fn note_bad_body(&self) {
        self.bad_body.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_bad_body(&self) -> bool {
        self.bad_body.load(Ordering::Relaxed)
    }

    /// A waiter of one's own for what becomes of the client of the exchange around this one.
    pub(super) fn origin(&self) -> Option<GoneSignal> {
        self.origin.clone()
    }

    /// The outer server has let go before the end: its client is gone, or it does not want the rest.
    pub(super) fn leave(&self) {
        let gone = self.origin.as_ref().and_then(GoneSignal::value);
        let gone = gone.filter(|gone| gone.is_final());
        self.client.leave(gone.unwrap_or(self.leaves_as));
    }

    /// Does what the exchange around this one tells.
    pub(super) fn listen(&self, origin: &mut GoneSignal, cx: &mut Context<'_>) {
        while let Poll::Ready(gone) = Pin::new(&mut *origin).poll(cx) {
            match gone {
                Gone::HalfClosed => self.client.half_close(),
                gone => self.client.leave(gone),
            }
        }
    }

    /// The outer server has all that it wants, and the application may not have ended: what it still writes counts as accepted
    /// (SRV-6), for a while.
    pub(super) fn outlive(self: &Arc<Self>) {
        if self.client.gone().is_some() {
            return;
        }
        let peer = Arc::clone(self);
        self.runtime.spawn(async move {
            let read_out = tokio::time::timeout(UNREAD, peer.read_out());
            if let Err(_elapsed) = read_out.await {
                peer.client.leave(Gone::Finished);
            }
        });
    }

    async fn read_out(&self) {
        while let Some(outgoing) = poll_fn(|cx| self.client.poll_next(cx)).await {
            if let Outgoing::Data(bytes) = outgoing {
                self.client.acknowledge(bytes.len());
            }
        }
    }
}
