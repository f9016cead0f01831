//! Opens what lies below a directory, and nothing else.
//!
//! Names were checked before (`path.rs`), so all that can lead out of the directory is a symbolic link. On Linux the kernel
//! itself resolves the whole path and refuses what leaves (`openat2`), so a link that is exchanged in the middle of it changes nothing.
//! Elsewhere, and where `openat2` is missing or forbidden, each name is opened in the directory that was opened before it,
//! without following, and links are read and walked by hand: a check and an opening are of the same directory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
#[cfg(target_os = "linux")]
use rustix::fs::{ResolveFlags, openat2};
use rustix::io::Errno;

/// Which symbolic links below a directory are followed.
///
/// # Examples
///
/// ```
/// use adapters::files::{Files, Symlinks};
///
/// let files = Files::new("src")?.symlinks(Symlinks::Refused);
/// # let _ = files;
/// # Ok::<(), adapters::middleware::BuildError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symlinks {
    /// Those that lead to something below the directory, by relative names. What leads out of it is nothing that a client sees.
    #[default]
    Within,
    /// None.
    Refused,
    /// All, wherever they lead: whoever may write below the directory may then show any file that the server may read.
    Anywhere,
}

/// How much may be asked of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// What the kernel has in memory: it never waits for a disk. What it would wait for is [`io::ErrorKind::WouldBlock`].
    Cached,
    /// All: for a thread that may block.
    Whole,
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum Entry {
    File(File),
    Directory,
    /// Nothing, or nothing that is served: a pipe, a device, a socket, a link that is not followed.
    Missing,
}

/// A directory, open.
#[derive(Debug, Clone)]
pub(super) struct Root {
    directory: Arc<OwnedFd>,
    symlinks: Symlinks,
    way: Way,
    is_quick: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By `openat2`.
    #[cfg(target_os = "linux")]
    Kernel,
    /// Name by name.
    Walk,
}

/// Links on one path, as many as Linux follows.
const LINKS: usize = 40;

/// No descriptor of ours goes to a child, no terminal becomes ours, and a pipe without a writer is not waited for.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK);

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::DIRECTORY);

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let directory = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
        Ok(Self {
            way: Way::of(directory.as_fd()),
            is_quick: is_quick(directory.as_fd()),
            directory: Arc::new(directory),
            symlinks: Symlinks::default(),
        })
    }

    pub(super) fn with_symlinks(&self, symlinks: Symlinks) -> Self {
        Self {
            symlinks,
            ..self.clone()
        }
    }

    /// Whether anything can be had by [`Lookup::Cached`].
    pub(super) fn is_quick(&self) -> bool {
        self.is_quick && self.way != Way::Walk
    }

    /// Opens what is at a path of plain names.
    pub(super) fn find(&self, path: &Path, lookup: Lookup) -> io::Result<Entry> {
        // The directory itself has no name.
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        if lookup == Lookup::Cached && !self.is_quick() {
            return Err(Errno::AGAIN.into());
        }
        let found = match self.way {
            #[cfg(target_os = "linux")]
            Way::Kernel => match self.find_by_kernel(path, lookup) {
                // Anything was renamed or mounted, anywhere, while it went up by a link: the kernel cannot tell whether that led
                // out, and may say so again and again where much is renamed. Each step of a walk is certain.
                Err(Errno::AGAIN) if lookup == Lookup::Whole => self.find_by_walk(path),
                found => found,
            },
            Way::Walk => self.find_by_walk(path),
        };
        match found {
            Ok(entry) => Ok(entry),
            Err(error) if is_missing(error, lookup) => Ok(Entry::Missing),
            Err(Errno::XDEV) => Err(Errno::AGAIN.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks what it is before it is opened: to open a device, or a pipe that somebody waits to write to, is to do something.
    #[cfg(target_os = "linux")]
    fn find_by_kernel(&self, path: &Path, lookup: Lookup) -> Result<Entry, Errno> {
        let mut resolve = ResolveFlags::NO_MAGICLINKS;
        match self.symlinks {
            Symlinks::Within => resolve |= ResolveFlags::BENEATH,
            Symlinks::Refused => resolve |= ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            Symlinks::Anywhere => {}
        }
        if lookup == Lookup::Cached {
            // Another file system may be one that asks a network.
            resolve |= ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
        }
        let open = |flags| openat2(&self.directory, path, flags, Mode::empty(), resolve);
        let seen = open(OFlags::PATH | OFlags::CLOEXEC)?;
        match file_type(seen.as_fd())? {
            FileType::RegularFile => regular(open(READ)?),
            FileType::Directory => Ok(Entry::Directory),
            _ => Ok(Entry::Missing),
        }
    }

    fn find_by_walk(&self, path: &Path) -> Result<Entry, Errno> {
        if self.symlinks == Symlinks::Anywhere {
            let seen = statat(&self.directory, path, AtFlags::empty())?;
            return match FileType::from_raw_mode(seen.st_mode) {
                FileType::RegularFile => {
                    regular(openat(&self.directory, path, READ, Mode::empty())?)
                }
                FileType::Directory => Ok(Entry::Directory),
                _ => Ok(Entry::Missing),
            };
        }
        // Names still to be walked, the next one last.
        let mut names: Vec<OsString> = Vec::new();
        push_names(&mut names, path.as_os_str());
        let (mut above, mut links) = (Vec::<OwnedFd>::new(), 0);
        while let Some(name) = names.pop() {
            if name == ".." {
                // Only links have it; the directory itself has nothing above it.
                above.pop().ok_or(Errno::XDEV)?;
                continue;
            }
            let here = above.last().map_or(self.directory.as_fd(), AsFd::as_fd);
            let seen = statat(here, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(seen.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if self.symlinks == Symlinks::Refused || links > LINKS {
                        return Err(Errno::LOOP);
                    }
                    let to = readlinkat(here, &name, Vec::new())?.into_bytes();
                    if to.starts_with(b"/") {
                        return Err(Errno::XDEV);
                    }
                    push_names(&mut names, &OsString::from_vec(to));
                }
                FileType::Directory => {
                    let flags = DIRECTORY | OFlags::NOFOLLOW;
                    let next = openat(here, &name, flags, Mode::empty())?;
                    above.push(next);
                }
                FileType::RegularFile if names.is_empty() => {
                    let flags = READ | OFlags::NOFOLLOW;
                    return regular(openat(here, &name, flags, Mode::empty())?);
                }
                _ => return Ok(Entry::Missing),
            }
        }
        Ok(Entry::Directory)
    }
}

/// Puts the names of a path before those that are still to be walked.
fn push_names(names: &mut Vec<OsString>, path: &OsStr) {
    let parts = path.as_bytes().rsplit(|&byte| byte == b'/');
    let parts = parts.filter(|part| !matches!(*part, b"" | b"."));
    names.extend(parts.map(|part| OsStr::from_bytes(part).to_owned()));
}

impl Way {
    /// Whether this kernel has `openat2`, and lets us: a sandbox may answer whatever it likes to a call that it does not know.
    #[cfg(target_os = "linux")]
    fn of(directory: BorrowedFd<'_>) -> Self {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        match openat2(directory, ".", flags, Mode::empty(), ResolveFlags::BENEATH) {
            Ok(_) => Self::Kernel,
            Err(_) => Self::Walk,
        }
    }

    #[cfg(not(target_os = "linux"))]
    const fn of(_: BorrowedFd<'_>) -> Self {
        Self::Walk
    }
}

/// File systems in which a name that the kernel has in memory is opened without asking anybody.
#[cfg(target_os = "linux")]
fn is_quick(directory: BorrowedFd<'_>) -> bool {
    const EXT: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683e;
    const F2FS: u64 = 0xf2f5_2010;
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    const SQUASHFS: u64 = 0x7371_7368;
    const OVERLAY: u64 = 0x794c_7630;
    let quick = [EXT, XFS, BTRFS, F2FS, TMPFS, RAMFS, SQUASHFS, OVERLAY];
    // The number's type is the platform's; none of these is negative.
    rustix::fs::fstatfs(directory).is_ok_and(|fs| quick.contains(&(fs.f_type as u64)))
}

#[cfg(not(target_os = "linux"))]
const fn is_quick(_: BorrowedFd<'_>) -> bool {
    false
}

fn file_type(fd: BorrowedFd<'_>) -> Result<FileType, Errno> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
}

/// What was opened, if it is what it was a moment ago.
fn regular(fd: OwnedFd) -> Result<Entry, Errno> {
    Ok(match file_type(fd.as_fd())? {
        FileType::RegularFile => Entry::File(File::from(fd)),
        _ => Entry::Missing,
    })
}

/// Whether this says of a path that there is nothing which may be served.
fn is_missing(error: Errno, lookup: Lookup) -> bool {
    match error {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::ACCESS
        | Errno::PERM
        | Errno::NXIO
        | Errno::NODEV
        | Errno::INVAL
        | Errno::ILSEQ => true,
        // Asked for what is in memory alone, it is another file system; else the way out of the directory.
        Errno::XDEV => lookup == Lookup::Whole,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
