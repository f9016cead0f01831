//! How listeners go from one process to the next: over the new one's standard input, which is a socket then.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, sendmsg,
};

use super::{Kept, Key};

/// The variable of the environment that says to a process who started it so: children of its own inherit it, and are not meant.
pub(super) const PARENT: &str = "SERVER_HOST_PREDECESSOR";

/// What the new process says when it serves.
pub(super) const READY: &[u8] = b"ready";

/// Descriptors in one message; the kernel takes 253.
const AT_ONCE: usize = 64;

/// Ends each name: no path has such a byte.
const END: u8 = 0;

/// How long the new process waits for what the old one sends at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends all listeners. Their names are a few KiB, which a fresh socket has room for.
pub(super) fn send(socket: &UnixStream, kept: &[Kept]) -> io::Result<()> {
    for some in kept.chunks(AT_ONCE) {
        let mut names = Vec::new();
        for kept in some {
            names.extend_from_slice(kept.place.0.as_bytes());
            names.push(END);
        }
        let descriptors: Vec<BorrowedFd<'_>> =
            some.iter().map(|kept| kept.listener.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let sent = sendmsg(
            socket,
            &[IoSlice::new(&names)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
        if sent < names.len() {
            (&*socket).write_all(&names[sent..])?;
        }
    }
    (&*socket).write_all(&[END])
}

/// The process that this one is to go on for.
#[derive(Debug)]
pub(crate) struct Predecessor {
    socket: UnixStream,
    listeners: Vec<Kept>,
}

impl Predecessor {
    /// What the process that started this one has sent, if it is one that restarts.
    pub(crate) fn meet() -> io::Result<Option<Self>> {
        let parent = std::env::var(PARENT).ok().and_then(|id| id.parse().ok());
        let own = rustix::process::getppid().map(|id| id.as_raw_nonzero().get());
        if parent.is_none() || parent != own {
            return Ok(None);
        }
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        // Who reads the standard input finds nothing there, as with most servers.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let listeners = receive(&socket)?;
        Ok(Some(Self { socket, listeners }))
    }

    /// The listeners of a place, which are then the caller's.
    pub(crate) fn take(&mut self, place: &Key) -> Vec<OwnedFd> {
        let all = std::mem::take(&mut self.listeners);
        let (taken, left) = all.into_iter().partition(|kept| kept.place == *place);
        self.listeners = left;
        let taken: Vec<Kept> = taken;
        taken.into_iter().map(|kept| kept.listener).collect()
    }

    /// Says that this process serves. The other one believes it as long as this lives. What was not taken is closed before, so that
    /// the other one sees at its end whether anybody listens still.
    pub(crate) fn say_ready(&mut self) -> io::Result<()> {
        self.listeners.clear();
        self.socket.write_all(READY)
    }

    /// Whether the other one goes on should this one end: it has not let go of it yet.
    pub(crate) fn goes_on(&self) -> bool {
        // It says nothing more: what can be read is its end.
        let more = recv(&self.socket, &mut [0; 1], RecvFlags::DONTWAIT);
        matches!(more, Err(Errno::AGAIN))
    }
}

fn receive(socket: &UnixStream) -> io::Result<Vec<Kept>> {
    let (mut names, mut descriptors) = (Vec::new(), Vec::new());
    // An empty name is the end.
    while names != [END] && !names.ends_with(&[END, END]) {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                descriptors.extend(some);
            }
        }
        if received.bytes == 0 || received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        names.extend_from_slice(&bytes[..received.bytes]);
    }
    let names = names
        .split(|byte| *byte == END)
        .filter(|name| !name.is_empty());
    let all = names.zip(descriptors).map(|(name, listener)| Kept {
        place: Key(String::from_utf8_lossy(name).into_owned()),
        listener,
    });
    Ok(all.collect())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::Place;
    use crate::restart::Purpose;

    fn kept(number: usize) -> Kept {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let place = Place::Tcp(listener.local_addr().expect("bound"));
        Kept {
            place: Key::new(Purpose::Application, &place, number),
            listener: listener.into(),
        }
    }

    #[test]
    fn as_many_listeners_arrive_as_were_sent_each_with_its_place() {
        for count in [0, 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE] {
            let (one, other) = UnixStream::pair().expect("sockets");
            let sent: Vec<Kept> = (0..count).map(kept).collect();
            send(&one, &sent).expect("there is room");
            let received = receive(&other).expect("all of it");
            assert_eq!(received.len(), count);
            for (sent, received) in sent.iter().zip(&received) {
                assert_eq!(sent.place, received.place);
                let address = |kept: &Kept| {
                    let socket = socket2::SockRef::from(&kept.listener);
                    socket.local_addr().expect("bound").as_socket()
                };
                assert_eq!(address(sent), address(received));
            }
        }
    }

    #[test]
    fn the_other_process_goes_on_until_it_lets_go() {
        let (other, socket) = UnixStream::pair().expect("sockets");
        let mut predecessor = Predecessor {
            socket,
            listeners: Vec::new(),
        };
        assert!(predecessor.goes_on());
        predecessor.say_ready().expect("there is room");
        assert!(predecessor.goes_on());
        drop(other);
        assert!(!predecessor.goes_on());
    }

    #[test]
    fn a_process_that_ends_in_the_middle_is_seen() {
        let (one, other) = UnixStream::pair().expect("sockets");
        (&one)
            .write_all(b"0 127.0.0.1:80\0")
            .expect("there is room");
        drop(one);
        assert!(receive(&other).is_err());
    }
}
