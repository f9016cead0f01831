//! Has the kernel send a part of a file: nothing of it is copied through this process.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

use gateway_spec::FileRegion;

use super::Socket;

/// What was promised of a file cannot be read. The connection is whole, and its client must see that the answer is not.
#[derive(Debug)]
struct OfFile;

impl fmt::Display for OfFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file of a response has become shorter, or cannot be read")
    }
}

impl Error for OfFile {}

/// Whether an error is a file's, and not the connection's.
#[must_use]
pub fn is_of_file(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<OfFile>())
}

pub(super) fn poll(
    socket: &Socket,
    cx: &mut Context<'_>,
    region: &FileRegion,
) -> Poll<io::Result<usize>> {
    loop {
        match socket.try_write_by(|socket| send(socket, region)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if socket.poll_writable(cx)?.is_pending() {
                    return Poll::Pending;
                }
            }
            sent => return Poll::Ready(sent),
        }
    }
}

#[cfg(target_os = "linux")]
fn send(socket: BorrowedFd<'_>, region: &FileRegion) -> io::Result<usize> {
    use rustix::io::Errno;

    let length = usize::try_from(region.length).unwrap_or(usize::MAX);
    let mut offset = region.offset;
    let sent = rustix::fs::sendfile(socket, &region.file, Some(&mut offset), length);
    if let Ok(0) | Err(Errno::IO | Errno::INVAL | Errno::OVERFLOW) = sent {
        tracing::error!(?sent, "a file of a response could not be read");
        return Err(io::Error::other(OfFile));
    }
    Ok(sent?)
}

#[cfg(not(target_os = "linux"))]
fn send(_: BorrowedFd<'_>, _: &FileRegion) -> io::Result<usize> {
    Err(io::Error::other(OfFile))
}
