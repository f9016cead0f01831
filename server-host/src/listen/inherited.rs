//! Listeners that the process was started with.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{OwnedFd, RawFd};

use filedescriptor::FileDescriptor;
use rustix::fs::OFlags;
use socket2::{SockRef, Type};

/// The first descriptor that systemd passes (sd_listen_fds(3)).
const FIRST: u32 = 3;

/// Takes a descriptor that the process was started with, which must be a socket that listens.
pub(super) fn take(number: u32) -> io::Result<OwnedFd> {
    let raw = RawFd::try_from(number).map_err(|_| no_listener())?;
    if number < FIRST {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "standard input, output and error are no socket to listen at; pass it as 3 or above",
        ));
    }
    let copy = FileDescriptor::dup(&raw).and_then(|copy| copy.as_file());
    let socket = OwnedFd::from(copy.map_err(|_| not_passed())?);
    if is_own(number) {
        return Err(not_passed());
    }
    let view = SockRef::from(&socket);
    if view.r#type().ok() != Some(Type::STREAM) || !view.is_listener().unwrap_or(false) {
        return Err(no_listener());
    }
    view.set_nonblocking(true)?;
    // The copy is this process's alone: it ends when accepting ends, and no child gets it.
    nix::unistd::close(raw)?;
    Ok(socket)
}

/// Whether this process has opened a descriptor itself: those are closed when a program starts, so none of them was passed.
fn is_own(number: u32) -> bool {
    // Where this cannot be read, it helps that passed ones are taken before any other listener is opened.
    let said = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = said.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & OFlags::CLOEXEC.bits() != 0)
}

fn not_passed() -> io::Error {
    io::Error::new(
        ErrorKind::NotFound,
        "the process was started without such a descriptor",
    )
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
