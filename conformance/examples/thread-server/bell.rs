//! How others call a thread that waits for its socket: a waker that `poll` can wait for.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::Wake;
use std::time::Instant;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;

/// Rung from anywhere, any number of times; [`wait`](Self::wait) ends when it was.
pub(crate) struct Bell {
    counter: OwnedFd,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let counter = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Arc::new(Self { counter }))
    }

    pub(crate) fn ring(&self) {
        // It fails only when it was rung 2^64 times and nobody listened.
        let _ = rustix::io::write(&self.counter, &1_u64.to_ne_bytes());
    }

    /// Waits for this of the socket, for the bell, or for the time; says what the socket has. It always has an error.
    pub(crate) fn wait(
        &self,
        socket: Option<&impl AsFd>,
        interest: PollFlags,
        until: Option<Instant>,
    ) -> io::Result<PollFlags> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut all = vec![PollFd::new(&self.counter, PollFlags::IN)];
        all.extend(socket.map(|socket| PollFd::new(socket, interest)));
        match poll(&mut all, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(PollFlags::empty()),
            ready => ready?,
        };
        let ready = all.get(1).map_or(PollFlags::empty(), PollFd::revents);
        // Before whoever rings is looked after: rung from here on, it is rung for the next time.
        let _ = rustix::io::read(&self.counter, &mut [0; 8]);
        Ok(ready)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
