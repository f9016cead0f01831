//! Listeners that the process was started with.

use std::io::{self, ErrorKind};
use std::os::fd::{OwnedFd, RawFd};

use filedescriptor::FileDescriptor;
use socket2::{SockRef, Type};

/// The first descriptor that systemd passes (sd_listen_fds(3)).
const FIRST: u32 = 3;

/// Takes a descriptor that nobody else in this process uses, for which it must be a socket that listens.
pub(super) fn take(number: u32) -> io::Result<OwnedFd> {
    let raw = RawFd::try_from(number).map_err(|_| no_listener())?;
    let copy = FileDescriptor::dup(&raw).and_then(|copy| copy.as_file());
    let socket = OwnedFd::from(copy.map_err(|_| {
        io::Error::new(
            ErrorKind::NotFound,
            "the process was started without such a descriptor",
        )
    })?);
    let view = SockRef::from(&socket);
    if view.r#type().ok() != Some(Type::STREAM) || !view.is_listener().unwrap_or(false) {
        return Err(no_listener());
    }
    view.set_nonblocking(true)?;
    // The copy is this process's alone: it ends when accepting ends, and no child gets it.
    nix::unistd::close(raw)?;
    Ok(socket)
}

fn no_listener() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidInput,
        "it is no socket that listens for streams",
    )
}

/// The numbers of the descriptors that systemd passes to this process.
pub(super) fn of_systemd() -> io::Result<impl Iterator<Item = u32>> {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    let for_us = number("LISTEN_PID") == Some(std::process::id());
    match number("LISTEN_FDS") {
        Some(count @ 1..) if for_us => Ok(FIRST..FIRST.saturating_add(count)),
        _ => Err(io::Error::new(
            ErrorKind::NotFound,
            "no sockets were passed to this process (LISTEN_FDS, LISTEN_PID); start it by a .socket unit",
        )),
    }
}
