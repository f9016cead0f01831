//! Accepts connections, for a worker or for all.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway_spec::Address;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::sync::Notify;

use crate::listen::{Entrance, Listener};
use crate::stream::{Family, Socket};

/// How long accepting pauses when descriptors have run out, unless a connection ends before. Long enough for some to be given
/// back, short enough that nobody notices.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How often it is said at the most that accepting fails.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// How many are taken at the most that wait when accepting ends: as many as a kernel queues for a listener that is set to the
/// most that is usual (`net.core.somaxconn`). Without it, clients that never cease to come would put off the end.
const MOST_QUEUED: usize = 65_535;

/// A connection that nobody has yet: no runtime knows its socket.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) socket: OwnedFd,
    pub(crate) family: Family,
    pub(crate) client: Address,
    pub(crate) entrance: Arc<Entrance>,
}

/// Who takes connections.
pub(crate) trait Takes {
    /// Whether it can take one more. Asked right before it does: who has several listeners may have got one from another.
    fn has_room(&self) -> bool;

    /// Told whenever there may be room again.
    fn freed(&self) -> &Notify;

    /// Takes one.
    fn take(&self, accepted: Accepted);
}

/// What becomes of connections that the kernel has accepted when accepting ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    /// They are taken: the end of the last listener would reset them.
    Taken,
    /// They are left to the process that has the listener too.
    Left,
}

/// Accepts from one listener until `ends` resolves.
pub(crate) async fn accept(
    listener: Listener,
    entrance: Arc<Entrance>,
    takes: impl Takes,
    faults: Arc<Faults>,
    ends: impl Future<Output = Queued>,
) -> io::Result<()> {
    let accepts = Accepts {
        family: listener.family,
        listener: Socket::register(listener.socket, listener.family)?,
        entrance,
    };
    let mut ends = pin!(ends);
    let queued = loop {
        let mut freed = pin!(takes.freed().notified());
        freed.as_mut().enable();
        let has_room = takes.has_room();
        tokio::select! {
            biased;
            queued = &mut ends => break queued,
            accepted = accepts.next(&takes), if has_room => match accepted {
                Ok(Some(accepted)) => {
                    faults.over();
                    takes.take(accepted);
                }
                // Another listener had the last place meanwhile.
                Ok(None) => {}
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    faults.note(&error);
                    // What ends gives its descriptors back.
                    let _ = tokio::time::timeout(EXHAUSTED_PAUSE, freed).await;
                }
            },
            () = freed.as_mut(), if !has_room => {}
        }
    };
    if queued == Queued::Taken {
        for accepted in std::iter::from_fn(|| accepts.at_once()).take(MOST_QUEUED) {
            takes.take(accepted);
        }
    }
    Ok(())
}

/// A listener in this thread's runtime.
struct Accepts {
    /// Nothing is asked of it but to be watched: the runtime's own listeners take what they accept into their runtime, which
    /// need not be the one where the connection is to live.
    listener: Socket,
    family: Family,
    entrance: Arc<Entrance>,
}

impl Accepts {
    /// `None` if there is no room any more when one comes.
    async fn next(&self, takes: &impl Takes) -> io::Result<Option<Accepted>> {
        self.listener
            .when_readable(|listener| match takes.has_room() {
                true => self.once(listener).map(Some),
                false => Ok(None),
            })
            .await
    }

    /// One that the kernel has accepted already. Asks the kernel and not the runtime, which lets a task do so much a turn.
    fn at_once(&self) -> Option<Accepted> {
        loop {
            match self.once(self.listener.as_fd()) {
                Ok(accepted) => return Some(accepted),
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return None,
            }
        }
    }

    fn once(&self, listener: BorrowedFd<'_>) -> io::Result<Accepted> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (socket, client) = acceptfrom_with(listener, flags)?;
        let client = match (self.family, client.map(SocketAddr::try_from)) {
            (Family::Tcp, Some(Ok(client))) => Address::Tcp(client),
            // Clients of unix sockets hardly ever have a path.
            (Family::Unix | Family::Tcp, _) => Address::Unix(None),
        };
        Ok(Accepted {
            socket,
            family: self.family,
            client,
            entrance: Arc::clone(&self.entrance),
        })
    }
}

/// Whether an error is of the connection that would have been accepted (accept(2)), and not of the process: of the latter there
/// would be another one at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(
            Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::INTR
                | Errno::PROTO
                | Errno::PERM
                | Errno::TIMEDOUT
                | Errno::NETDOWN
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::NONET
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::NETUNREACH
        )
    )
}

/// That accepting fails, for all who accept: said once a second at the most, and when it is over.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    is_failing: AtomicBool,
    /// Of all time.
    total: AtomicU64,
    since: Mutex<Since>,
}

#[derive(Debug, Default)]
struct Since {
    said: Option<Instant>,
    /// Whether what is over now was said.
    is_known: bool,
    failures: u64,
}

impl Faults {
    fn note(&self, error: &io::Error) {
        if let Some(failures) = self.count(Instant::now()) {
            tracing::warn!(%error, failures, "connections cannot be accepted: trying again until they can");
        }
    }

    /// Failures of all time.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts a failure; how many there were, if it is time to say so.
    fn count(&self, now: Instant) -> Option<u64> {
        self.is_failing.store(true, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.failures += 1;
        if since.said.is_some_and(|said| now < said + SAID_EVERY) {
            return None;
        }
        since.said = Some(now);
        since.is_known = true;
        Some(since.failures)
    }

    /// One was accepted.
    fn over(&self) {
        if self.is_failing.load(Ordering::Relaxed)
            && self.is_failing.swap(false, Ordering::Relaxed)
            && let Some(failures) = self.forget()
        {
            tracing::info!(failures, "connections are accepted again");
        }
    }

    /// Begins to count anew; how many failures there were, if they were said.
    fn forget(&self) -> Option<u64> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = std::mem::take(&mut since.failures);
        std::mem::take(&mut since.is_known).then_some(failures)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::sync::atomic::AtomicUsize;
    use std::task::Poll;

    use socket2::{Domain, Socket as Listening, Type};

    use super::*;
    use crate::arrival::Passage;

    /// Has no room, and counts what it is given all the same.
    #[derive(Default)]
    struct Full {
        taken: AtomicUsize,
        freed: Notify,
    }

    impl Takes for &Full {
        fn has_room(&self) -> bool {
            false
        }

        fn freed(&self) -> &Notify {
            &self.freed
        }

        fn take(&self, _: Accepted) {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has so many places, and notes what it is given above them.
    #[derive(Default)]
    struct Places {
        places: AtomicUsize,
        taken: AtomicUsize,
        above: AtomicUsize,
        freed: Notify,
        took: Notify,
    }

    impl Takes for &Places {
        fn has_room(&self) -> bool {
            self.taken.load(Ordering::Relaxed) < self.places.load(Ordering::Relaxed)
        }

        fn freed(&self) -> &Notify {
            &self.freed
        }

        fn take(&self, _: Accepted) {
            self.above
                .fetch_add((!self.has_room()).into(), Ordering::Relaxed);
            self.taken.fetch_add(1, Ordering::Relaxed);
            self.took.notify_one();
        }
    }

    fn listening() -> (Listening, SocketAddr) {
        let listener = Listening::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any.into()).expect("a free port");
        listener.listen(1024).expect("it can listen");
        listener.set_nonblocking(true).expect("an option");
        let address = listener.local_addr().expect("bound").as_socket();
        (listener, address.expect("of TCP"))
    }

    fn entrance(address: SocketAddr) -> Arc<Entrance> {
        Arc::new(Entrance {
            address: Address::Tcp(address),
            passage: Passage::new(None, None),
        })
    }

    #[tokio::test]
    async fn several_listeners_take_no_more_than_there_is_room_for() {
        let places = Places::default();
        places.places.store(1, Ordering::Relaxed);
        let ends = Notify::new();
        let (listeners, addresses): (Vec<_>, Vec<_>) = (0..3).map(|_| listening()).unzip();
        let mut accepting: Vec<_> = listeners
            .into_iter()
            .zip(&addresses)
            .map(|(listener, address)| {
                let listener = Listener {
                    socket: listener.into(),
                    family: Family::Tcp,
                };
                let ends = async {
                    ends.notified().await;
                    Queued::Left
                };
                Box::pin(accept(
                    listener,
                    entrance(*address),
                    &places,
                    Arc::default(),
                    ends,
                ))
            })
            .collect();
        let accepting = std::future::poll_fn(|cx| {
            for accept in &mut accepting {
                assert!(accept.as_mut().poll(cx).is_pending(), "nobody ends it");
            }
            Poll::<()>::Pending
        });
        let clients = async {
            // All wait for a client, and then all have one.
            tokio::task::yield_now().await;
            let clients: Vec<_> = addresses
                .iter()
                .map(|address| TcpStream::connect(address).expect("there is room in the kernel"))
                .collect();
            for taken in 1..=clients.len() {
                while places.taken.load(Ordering::Relaxed) < taken {
                    places.took.notified().await;
                }
                places.places.store(taken + 1, Ordering::Relaxed);
                places.freed.notify_waiters();
            }
        };
        tokio::select! {
            () = accepting => {}
            () = clients => {}
        }
        assert_eq!(places.taken.load(Ordering::Relaxed), 3);
        assert_eq!(places.above.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn all_that_wait_when_accepting_ends_are_taken_or_left() {
        // More than a runtime lets a task do in one turn.
        const CLIENTS: usize = 200;
        let (listener, address) = listening();
        let clients: Vec<TcpStream> = (0..CLIENTS)
            .map(|_| TcpStream::connect(address).expect("there is room in the kernel"))
            .collect();
        let entrance = entrance(address);
        for (queued, expected) in [(Queued::Left, 0), (Queued::Taken, CLIENTS)] {
            let listener = Listener {
                socket: listener.try_clone().expect("descriptors are left").into(),
                family: Family::Tcp,
            };
            let (full, faults) = (Full::default(), Arc::default());
            let ends = async { queued };
            let accepted = accept(listener, Arc::clone(&entrance), &full, faults, ends).await;
            accepted.expect("it accepts");
            assert_eq!(full.taken.into_inner(), expected);
        }
        drop(clients);
    }

    #[test]
    fn failures_are_said_once_a_second() {
        let (faults, start) = (Faults::default(), Instant::now());
        assert_eq!(faults.count(start), Some(1));
        assert_eq!(faults.count(start + SAID_EVERY / 2), None);
        assert_eq!(faults.count(start + SAID_EVERY), Some(3));
        faults.over();
        // That it was said is not forgotten: it may fail and recover by turns.
        assert_eq!(faults.count(start + SAID_EVERY), None);
        assert_eq!(faults.count(start + 2 * SAID_EVERY), Some(2));
    }

    #[test]
    fn what_would_come_again_at_once_is_waited_for() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(!is_of_one_connection(&errno.into()), "{errno}");
        }
        assert!(is_of_one_connection(&Errno::CONNABORTED.into()));
    }
}
