//! What lines are written to: a standard stream, a file or a pipe. No line is torn where the system can help it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Access, FileType, OFlags};
use rustix::io::Errno;
use rustix::pipe::PIPE_BUF;

use super::count;
use crate::LogTarget;

/// What is written to.
#[derive(Debug)]
pub(crate) struct Output {
    target: LogTarget,
    stream: Stream,
    /// A write broke off within a line.
    is_within_line: bool,
}

#[derive(Debug)]
enum Stream {
    Stderr,
    Stdout,
    File(File),
}

/// A write that broke off.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) error: io::Error,
    /// Lines that were not written to their end.
    pub(crate) lost: u64,
}

impl Output {
    /// Opens it; nothing for [`LogTarget::Off`].
    pub(crate) fn open(target: &LogTarget) -> io::Result<Option<Self>> {
        let stream = match target {
            LogTarget::Off => return Ok(None),
            LogTarget::Stderr => Stream::Stderr,
            LogTarget::Stdout => Stream::Stdout,
            LogTarget::File(path) => Stream::File(append_to(path, Missing::Made)?),
        };
        Ok(Some(Self {
            target: target.clone(),
            stream,
            is_within_line: false,
        }))
    }

    /// To an end of a pipe.
    #[cfg(test)]
    pub(super) fn of(writer: std::os::fd::OwnedFd) -> Self {
        Self {
            target: LogTarget::Off,
            stream: Stream::File(writer.into()),
            is_within_line: false,
        }
    }

    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let LogTarget::File(path) = &self.target {
            self.stream = Stream::File(append_to(path, Missing::Made)?);
            self.is_within_line = false;
        }
        Ok(())
    }

    /// Writes whole lines.
    ///
    /// A regular file gets all in one write: it is opened to append, so lines of several processes do not tear each other. All else
    /// may be a pipe, which keeps apart what is no longer than `PIPE_BUF` (POSIX, write(2)): it gets as many whole lines a write as
    /// that allows, and a line that is longer by itself.
    pub(super) fn write(&mut self, lines: &str) -> Result<(), Cut> {
        let mut rest = lines.as_bytes();
        // What others print is not torn either: it comes in pieces, and this is what keeps those together.
        let _stderr = matches!(self.stream, Stream::Stderr).then(|| io::stderr().lock());
        let _stdout = matches!(self.stream, Stream::Stdout).then(|| io::stdout().lock());
        if self.is_within_line && !rest.is_empty() {
            // What follows is a line of its own.
            let (done, written) = write_all(self.stream.as_fd(), b"\n");
            self.is_within_line = done == 0;
            written.map_err(|error| Cut {
                error: error.into(),
                lost: count(rest),
            })?;
        }
        let is_file = is_regular(self.stream.as_fd());
        while !rest.is_empty() {
            let piece = if is_file { rest } else { piece(rest) };
            let (done, written) = write_all(self.stream.as_fd(), piece);
            if let Err(error) = written {
                self.is_within_line = piece[..done].last().is_some_and(|last| *last != b'\n');
                return Err(Cut {
                    error: error.into(),
                    lost: count(&rest[done..]),
                });
            }
            rest = &rest[done..];
        }
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stderr => rustix::stdio::stderr(),
            Self::Stdout => rustix::stdio::stdout(),
            Self::File(file) => file.as_fd(),
        }
    }
}

/// Whether a target can be opened, as far as can be known without doing it: no file is made, which would be that of whoever looks,
/// and no reader of a pipe is told of an end.
pub(crate) fn check(target: &LogTarget) -> io::Result<()> {
    let LogTarget::File(path) = target else {
        return Ok(());
    };
    match fs::metadata(path) {
        Ok(found) if found.file_type().is_fifo() => Ok(rustix::fs::access(path, Access::WRITE_OK)?),
        Ok(_) => append_to(path, Missing::IsAnError).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = folder_of(path);
            rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|error| why(path, error.into()))
        }
        Err(error) => Err(why(path, error)),
    }
}

/// What becomes of a file that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Made,
    IsAnError,
}

/// Opens a file for its end to be written. A pipe that nobody reads is an error, where an ordinary opening would wait for a reader.
fn append_to(path: &Path, missing: Missing) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .create(missing == Missing::Made)
        .append(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| why(path, error))
}

/// What an error comes to, and what helps.
fn why(path: &Path, error: io::Error) -> io::Error {
    let mend = match Errno::from_io_error(&error) {
        Some(Errno::NXIO) if is_pipe(path) => {
            String::from("nobody reads this pipe; start its reader first")
        }
        Some(Errno::NXIO) => String::from("it is a socket; give a file or a pipe"),
        Some(Errno::NOENT) => format!(
            "there is no folder {}; make it first",
            folder_of(path).display()
        ),
        Some(Errno::ISDIR) => String::from("it is a folder; give a file in it"),
        _ => return error,
    };
    io::Error::new(error.kind(), mend)
}

fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

fn is_regular(stream: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(stream).is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_file())
}

/// The lines that one write to a pipe keeps together: the first, and all that fit beside it.
fn piece(lines: &[u8]) -> &[u8] {
    let room = &lines[..lines.len().min(PIPE_BUF)];
    let whole = room.iter().rposition(|byte| *byte == b'\n');
    let end = whole.or_else(|| lines.iter().position(|byte| *byte == b'\n'));
    &lines[..end.map_or(lines.len(), |at| at + 1)]
}

/// Writes all, and says how much it was. Waits for room also where the stream itself would not.
fn write_all(stream: BorrowedFd<'_>, bytes: &[u8]) -> (usize, Result<(), Errno>) {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::write(stream, &bytes[done..]) {
            Ok(0) => return (done, Err(Errno::IO)),
            Ok(written) => done += written,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                // What is wrong with it the next write says.
                let _ = poll(&mut [PollFd::new(&stream, PollFlags::OUT)], None);
            }
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}
