//! Listeners of unix sockets, and the files that stand for them.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::settings::{Owner, UnixSockets};

/// The file of a unix socket, which is removed with this; not if another socket has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    is: (u64, u64),
    /// Whether it goes with this.
    is_ours: bool,
}

impl SocketFile {
    /// The file of a socket that listens at this path.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            is: identity(path)?,
            is_ours: true,
        })
    }

    /// The same, while another process serves there: it is that one's until it is [taken over](Self::take_over).
    pub(crate) fn of_another(mut self) -> Self {
        self.is_ours = false;
        self
    }

    /// This process serves there from now on.
    pub(crate) fn take_over(&mut self) {
        self.is_ours = true;
    }

    /// Leaves the file where it is: another process listens at it now.
    pub(crate) fn leave(self) {
        drop(self.of_another());
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours && identity(&self.path).is_ok_and(|is| is == self.is) {
            // One that stays behind is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Listens at a path. What a server has left there is replaced.
pub(super) fn bind(
    path: &Path,
    unix: &UnixSockets,
    backlog: u32,
) -> io::Result<(OwnedFd, SocketFile)> {
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    // Nobody can connect before it listens, so nobody can before its rights are right.
    fs::set_permissions(path, fs::Permissions::from_mode(unix.mode))?;
    if let Some(owner) = &unix.owner {
        let (user, group) = ids(owner)?;
        chown(path, user, group)?;
    }
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok((socket.into(), file))
}

/// Removes a socket that nobody listens at.
fn make_way(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.is_socket() {
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "a file that is no socket is there; remove it, or choose another path",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        // It answers, or is too busy to.
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

fn ids(owner: &Owner) -> io::Result<(Option<u32>, Option<u32>)> {
    let user = owner.user.as_deref().map(user).transpose()?;
    let group = owner.group.as_deref().map(group).transpose()?;
    Ok((user, group))
}

fn user(name: &str) -> io::Result<u32> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let user = User::from_name(name)?;
    user.map(|user| user.uid.as_raw())
        .ok_or_else(|| unknown("user", name))
}

fn group(name: &str) -> io::Result<u32> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let group = Group::from_name(name)?;
    group
        .map(|group| group.gid.as_raw())
        .ok_or_else(|| unknown("group", name))
}

fn unknown(kind: &str, name: &str) -> io::Error {
    io::Error::new(
        ErrorKind::NotFound,
        format!("this system has no {kind} called {name}"),
    )
}
