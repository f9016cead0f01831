//! Listeners of unix sockets, and the files that stand for them.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::{Group, User};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::settings::{Owner, UnixSockets};

/// The file of a unix socket, which is removed with this; not if another socket has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    is: Identity,
    whose: Whose,
}

/// Who listens at the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    /// Another process may, by a listener of the same socket: the file goes when nobody does.
    Shared,
}

impl SocketFile {
    /// The file of a socket that this process has bound.
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            is: Identity::of(&fs::symlink_metadata(path)?),
            whose: Whose::Ours,
        })
    }

    /// The file of a socket that another process has bound, which may go on with it.
    pub(super) fn shared(path: &Path) -> io::Result<Self> {
        let mut file = Self::of(path)?;
        file.share();
        Ok(file)
    }

    /// Another process listens at it now.
    pub(crate) fn share(&mut self) {
        self.whose = Whose::Shared;
    }

    /// The other process has let go of it.
    pub(crate) fn take_over(&mut self) {
        self.whose = Whose::Ours;
    }

    /// Whether another process may listen at it.
    pub(crate) fn is_shared(&self) -> bool {
        self.whose == Whose::Shared
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _lock = (self.whose == Whose::Shared).then(|| lock(&self.path));
        let is_left = self.whose == Whose::Ours || is_deserted(&self.path);
        let found = fs::symlink_metadata(&self.path);
        if is_left && found.is_ok_and(|found| Identity::of(&found) == self.is) {
            // One that stays behind is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What tells a file from all others: numbers of inodes are used again, so when it was made is of it, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    made: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            made: metadata.created().ok(),
        }
    }
}

/// Listens at a path. What a server has left there is replaced.
pub(super) fn bind(
    path: &Path,
    unix: &UnixSockets,
    backlog: u32,
) -> io::Result<(OwnedFd, SocketFile)> {
    // Of two that start at once, the second must not take what the first is about to listen at for left behind.
    let _lock = lock(path);
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    // Nobody can connect before it listens, so nobody can before its rights are right.
    permit(path, unix)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok((socket.into(), file))
}

/// Gives the file of a socket its mode and its owner; whatever else is at the path keeps what it has: who may write to the
/// folder could have put a link there to a file that is root's.
pub(super) fn permit(path: &Path, unix: &UnixSockets) -> io::Result<()> {
    let owner = unix.owner.as_ref().map(ids).transpose()?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    if !file.metadata()?.file_type().is_socket() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "something that is no socket has taken its place",
        ));
    }
    // A handle of a path takes no mode itself (open(2)); this name of it leads to what it was opened for, and nowhere else.
    let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(&opened, fs::Permissions::from_mode(unix.mode))?;
    if let Some((user, group)) = owner {
        chown(&opened, user, group)?;
    }
    Ok(())
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
    if is_deserted(path) {
        fs::remove_file(path)
    } else {
        Err(ErrorKind::AddrInUse.into())
    }
}

/// Whether nobody listens at a socket's file. Somebody who is too busy to answer does.
fn is_deserted(path: &Path) -> bool {
    let connected = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    connected().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Keeps other servers from binding, and from tidying up, in the folder of a path meanwhile. Nobody is kept from it who may not
/// even read the folder, or whose file system has no locks; that is as good as it gets without a file more.
fn lock(path: &Path) -> Option<OwnedFd> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(folder.unwrap_or(Path::new(".")), flags, Mode::empty()).ok()?;
    let until = Instant::now() + LOCK_PATIENCE;
    while let Err(error) = flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK || Instant::now() >= until {
            return None;
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Some(folder)
}

/// A server has the lock for some system calls: whoever has it for longer is none, and must not keep servers from starting.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

const LOCK_PAUSE: Duration = Duration::from_millis(5);

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
