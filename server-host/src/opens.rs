//! Makes connections of what is accepted, on the worker's thread.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use gateway_spec::{Address, ConnectionInfo, Signal};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use crate::accept::{Accepted, Faults, Takes, accept};
use crate::crew::Leaving;
use crate::handoff::Handed;
use crate::listen::{Entrance, Listener};
use crate::stream::Socket;
use crate::worker::{Seat, WhenFull, Worker};
use crate::{Context, Protocol, Stream};

/// Where a worker's connections come from.
#[derive(Debug)]
pub(crate) struct Sources {
    /// Its own listeners.
    pub(crate) listeners: Vec<(Listener, Arc<Entrance>)>,
    /// What was accepted for it.
    pub(crate) handed: Option<UnboundedReceiver<Handed>>,
    pub(crate) faults: Arc<Faults>,
}

impl Sources {
    /// Opens what comes for a worker, until it is told to leave.
    pub(crate) fn open<P: Protocol>(
        self,
        worker: &Arc<Worker>,
        protocol: Arc<P>,
        leave: &Signal<Leaving>,
    ) -> Vec<JoinHandle<io::Result<()>>> {
        let opens = Opens {
            worker: Arc::clone(worker),
            protocol,
        };
        let mut accepting = Vec::new();
        for (listener, entrance) in self.listeners {
            let ends = leave.wait();
            let (opens, faults) = (opens.clone(), Arc::clone(&self.faults));
            let ends = async { ends.await.queued };
            let accept = accept(listener, entrance, opens, faults, ends);
            accepting.push(tokio::spawn(accept));
        }
        if let Some(mut handed) = self.handed {
            accepting.push(tokio::spawn(async move {
                while let Some(handed) = handed.recv().await {
                    let (accepted, seat) = handed.taken();
                    opens.open(accepted, seat);
                }
                Ok(())
            }));
        }
        accepting
    }
}

/// Opens connections of one worker.
struct Opens<P> {
    worker: Arc<Worker>,
    protocol: Arc<P>,
}

impl<P> Clone for Opens<P> {
    fn clone(&self) -> Self {
        Self {
            worker: Arc::clone(&self.worker),
            protocol: Arc::clone(&self.protocol),
        }
    }
}

impl<P: Protocol> Takes for Opens<P> {
    fn has_room(&self) -> bool {
        self.worker.has_room()
    }

    fn freed(&self) -> &Notify {
        self.worker.freed()
    }

    fn take(&self, accepted: Accepted) {
        self.open(accepted, Seat::for_connection(&self.worker));
    }
}

impl<P: Protocol> Opens<P> {
    fn open(&self, accepted: Accepted, seat: Seat) {
        let Accepted {
            socket,
            family,
            client,
            entrance,
        } = accepted;
        let socket = match Socket::register(socket, family) {
            Ok(socket) => socket,
            Err(error) => return tracing::warn!(%error, "a connection was lost"),
        };
        let worker = &self.worker;
        worker.counts.accepted.add(1);
        let mut info = ConnectionInfo::new(worker.capabilities).with_client(client);
        info.server = match &socket {
            Socket::Tcp(tcp) => prepare(tcp, worker),
            Socket::Unix(_) => Some(entrance.address.clone()),
        };
        let context = Context::new(seat, info);
        if entrance.passage.is_open() {
            let connection = self
                .protocol
                .connection(Stream::clear_text(socket), context);
            match worker.when_full() {
                WhenFull::NewWait => drop(tokio::spawn(connection)),
                WhenFull::OldestLeaves => {
                    drop(tokio::spawn(until_given_up(Arc::clone(worker), connection)));
                }
            }
            return;
        }
        let (protocol, worker) = (Arc::clone(&self.protocol), Arc::clone(worker));
        tokio::spawn(async move {
            let passing = entrance.passage.pass(socket, context, &worker);
            if let Some((stream, context)) = passing.await {
                // A task of its own: it is large, and most of those that do not get here are small.
                tokio::spawn(protocol.connection(stream, context));
            }
        });
    }
}

/// Serves a connection until it ends, or is given up for one more.
async fn until_given_up(worker: Arc<Worker>, connection: impl Future<Output = ()>) {
    let alarm = worker.clock.alarm();
    worker
        .crowd
        .note(&alarm, worker.settings.limits.connections);
    let mut connection = pin!(connection);
    poll_fn(|cx| {
        alarm.register(cx.waker());
        if alarm.has_rung() {
            return Poll::Ready(());
        }
        connection.as_mut().poll(cx)
    })
    .await;
}

/// Sets what connections of TCP have; the server's end.
fn prepare(tcp: &tokio::net::TcpStream, worker: &Worker) -> Option<Address> {
    // Answers are written whole, so waiting to join small segments would only delay them.
    let _ = tcp.set_nodelay(true);
    // A peer whose system is gone takes nothing: of what the kernel holds for it, only the kernel can know. Later than we do of
    // what we hold, or it would not be told which of the two it was.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(tcp)
        .set_tcp_user_timeout(Some(worker.settings.timeouts.write + MARGIN));
    tcp.local_addr().ok().map(Address::Tcp)
}

/// How much later the kernel gives up a peer that takes nothing.
#[cfg(target_os = "linux")]
const MARGIN: std::time::Duration = std::time::Duration::from_secs(2);
