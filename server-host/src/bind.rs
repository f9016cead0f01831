//! Where to listen: what an operator writes after `--bind`.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A place to listen, and whether TLS is spoken there.
///
/// Its text, by [`FromStr`] and [`Display`](fmt::Display), is one of `IP:PORT`, `localhost:PORT`, `unix:PATH`, `fd:N` and
/// `systemd`. `http://` before it asks for clear text where [`Settings::tls`](crate::Settings::tls) is set, `https://` for
/// TLS. Uvicorn: `--host`, `--port`, `--uds`, `--fd`; hypercorn: `--bind`, `--insecure-bind`.
///
/// # Examples
///
/// ```
/// use server_host::{Bind, Place, Security};
///
/// let bind: Bind = "http://[::1]:8000".parse()?;
/// assert_eq!(bind.place, Place::Tcp("[::1]:8000".parse().unwrap()));
/// assert_eq!(bind.security, Security::ClearText);
/// assert_eq!("unix:/run/app.sock".parse::<Bind>()?.to_string(), "unix:/run/app.sock");
/// assert!("8000".parse::<Bind>().is_err());
/// # Ok::<(), server_host::BadBind>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Bind {
    /// Where.
    pub place: Place,
    /// Whether TLS is spoken there.
    pub security: Security,
}

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// An IP address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A unix socket of this path. One that a server left behind is replaced; one that somebody answers at is not.
    Unix(PathBuf),
    /// A descriptor that the process was started with, 3 or above: a socket that listens already, of either family.
    Descriptor(u32),
    /// All that systemd passes (`LISTEN_FDS`, `LISTEN_PID`; sd_listen_fds(3)).
    Systemd,
}

/// Whether TLS is spoken at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Security {
    /// TLS if there is a certificate, else clear text.
    #[default]
    AsConfigured,
    /// Clear text.
    ClearText,
    /// TLS.
    Tls,
}

/// A text that names no place to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadBind {
    text: String,
}

impl Bind {
    /// A place, with TLS if there is a certificate.
    #[must_use]
    pub const fn new(place: Place) -> Self {
        Self {
            place,
            security: Security::AsConfigured,
        }
    }

    /// Says whether TLS is spoken there.
    #[must_use]
    pub const fn with_security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }
}

impl From<SocketAddr> for Bind {
    fn from(address: SocketAddr) -> Self {
        Self::new(Place::Tcp(address))
    }
}

impl From<([u8; 4], u16)> for Bind {
    fn from(address: ([u8; 4], u16)) -> Self {
        SocketAddr::from(address).into()
    }
}

impl From<&Path> for Bind {
    fn from(path: &Path) -> Self {
        Self::new(Place::Unix(path.to_owned()))
    }
}

impl FromStr for Bind {
    type Err = BadBind;

    fn from_str(text: &str) -> Result<Self, BadBind> {
        let (security, place) = match text.split_once("://") {
            None => (Security::AsConfigured, text),
            Some(("http", place)) => (Security::ClearText, place),
            Some(("https", place)) => (Security::Tls, place),
            Some(_) => return Err(BadBind { text: text.into() }),
        };
        match Place::read(place) {
            Some(place) => Ok(Self { place, security }),
            None => Err(BadBind { text: text.into() }),
        }
    }
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        if text == "systemd" {
            return Some(Self::Systemd);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty()).then(|| Self::Unix(path.into()));
        }
        if let Some(number) = text.strip_prefix("fd:") {
            return number.parse().ok().map(Self::Descriptor);
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            let port: u16 = port.parse().ok()?;
            return Some(Self::Tcp(([127, 0, 0, 1], port).into()));
        }
        text.parse().ok().map(Self::Tcp)
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.security {
            Security::AsConfigured => "",
            Security::ClearText => "http://",
            Security::Tls => "https://",
        })?;
        self.place.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

impl fmt::Display for BadBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no place to listen: it is IP:PORT (127.0.0.1:8000, [::1]:8000), localhost:PORT, unix:PATH, fd:N or \
             systemd, and http:// or https:// may stand before it",
            self.text
        )
    }
}

impl std::error::Error for BadBind {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_text_that_reads_as_the_same_place() {
        for text in [
            "127.0.0.1:8000",
            "[::1]:0",
            "http://0.0.0.0:80",
            "https://[::]:443",
            "unix:/run/app.sock",
            "http://unix:run/app.sock",
            "fd:3",
            "systemd",
            "https://systemd",
        ] {
            let bind: Bind = text.parse().expect("a place to listen");
            assert_eq!(bind.to_string(), text);
        }
        let local: Bind = "localhost:81".parse().expect("a place to listen");
        assert_eq!(local, ([127, 0, 0, 1], 81).into());
    }

    #[test]
    fn what_names_no_place_says_what_would() {
        for text in [
            "",
            "8000",
            "nowhere",
            "localhost:x",
            "host:80",
            "unix:",
            "fd:-1",
            "fd:x",
            "ftp://[::1]:80",
            "http://",
            "127.0.0.1",
        ] {
            let error = text.parse::<Bind>().expect_err(text);
            assert!(error.to_string().contains("IP:PORT"), "{error}");
        }
    }
}
