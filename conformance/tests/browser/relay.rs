//! Between two ends: passes all bytes on, may lead elsewhere, and may be cut like a cable.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use socket2::Socket;

/// Where a relay leads.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Place {
    fn connect(&self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(address) => TcpStream::connect(address)?.into(),
            Self::Unix(path) => UnixStream::connect(path)?.into(),
        })
    }
}

/// A relay, until the process ends.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    cable: Arc<Cable>,
}

/// What all connections of a relay share.
struct Cable {
    state: Mutex<State>,
    mended: Condvar,
}

struct State {
    whole: bool,
    place: Place,
}

impl Relay {
    pub(crate) fn to(place: Place) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let cable = Arc::new(Cable {
            state: Mutex::new(State { whole: true, place }),
            mended: Condvar::new(),
        });
        let shared = Arc::clone(&cable);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, cable) = (client.expect("a client"), Arc::clone(&shared));
                thread::spawn(move || cable.join(&client.into()));
            }
        });
        Self { address, cable }
    }

    /// New connections lead there.
    pub(crate) fn lead(&self, place: Place) {
        self.cable.lock().place = place;
    }

    /// From now on no byte arrives. Nobody is told: the connections stay, and new ones can be made as far as the relay.
    pub(crate) fn cut(&self) {
        self.cable.lock().whole = false;
    }

    /// Everything goes on, and what was sent meanwhile arrives.
    pub(crate) fn mend(&self) {
        self.cable.lock().whole = true;
        self.cable.mended.notify_all();
    }
}

impl Cable {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is cut; gives where it leads.
    fn whole(&self) -> Place {
        let state = self.mended.wait_while(self.lock(), |state| !state.whole);
        state.unwrap_or_else(PoisonError::into_inner).place.clone()
    }

    /// Serves a client to its end. Who cannot be reached has gone, and so the client is let go.
    fn join(&self, client: &Socket) {
        if let Ok(server) = self.whole().connect() {
            thread::scope(|scope| {
                scope.spawn(|| self.pass(client, &server));
                self.pass(&server, client);
            });
        }
    }

    fn pass(&self, mut from: &Socket, mut to: &Socket) {
        let mut part = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut part) {
            self.whole();
            if to.write_all(&part[..length]).is_err() {
                break;
            }
        }
        self.whole();
        // The end of one way is the end of both, as it is with a process that is killed.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
