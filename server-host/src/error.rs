//! Why a server could not serve.

use std::error::Error;
use std::{fmt, io};

use gateway_spec::AppError;

use crate::{Bind, LogTarget, Place, TlsError};

/// Why a server could not start, or could not stop in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The settings are wrong, see [`Settings::check`](crate::Settings::check).
    Settings(String),
    /// The access log could not be opened.
    AccessLog {
        /// Where it was to go.
        target: LogTarget,
        /// The reason of the operating system.
        source: io::Error,
    },
    /// A place to listen could not be had.
    Bind {
        /// The place.
        bind: Bind,
        /// The reason of the operating system.
        source: io::Error,
    },
    /// There is nothing to speak TLS with.
    Tls(TlsError),
    /// The application's lifespan failed before it had started.
    Startup(AppError),
    /// A runtime or a thread could not be made.
    Runtime(io::Error),
    /// The application's lifespan ended, or failed, while requests were served. The server has drained.
    Lifespan(Option<AppError>),
    /// A second signal cut the shutdown short.
    Forced,
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(why) => f.write_str(why),
            Self::AccessLog { target, source } => {
                write!(f, "access-log: cannot write to {target}: {source}")
            }
            Self::Bind { bind, source } => {
                write!(f, "cannot listen on {}: {}", bind.place, why(bind, source))
            }
            Self::Tls(error) => error.fmt(f),
            Self::Startup(error) => write!(f, "the application failed to start: {error}"),
            Self::Runtime(error) => write!(f, "cannot start a worker: {error}"),
            Self::Lifespan(Some(error)) => write!(f, "the application's lifespan failed: {error}"),
            Self::Lifespan(None) => {
                f.write_str("the application's lifespan ended before the shutdown")
            }
            Self::Forced => f.write_str("the shutdown was cut short by a second signal"),
        }
    }
}

/// Why a place could not be had, and what helps.
fn why(bind: &Bind, source: &io::Error) -> String {
    match (source.kind(), &bind.place) {
        (io::ErrorKind::AddrInUse, Place::Tcp(_)) => {
            "the port is taken; stop the other process or choose another port".into()
        }
        (io::ErrorKind::AddrInUse, Place::Unix(_)) => {
            "the socket is in use; stop the other process or choose another path".into()
        }
        (io::ErrorKind::AddrNotAvailable, Place::Tcp(_)) => {
            "this machine has no such address; 0.0.0.0 and [::] are all that it has".into()
        }
        (io::ErrorKind::PermissionDenied, Place::Tcp(address)) if address.port() < 1024 => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE; give it, or choose another port".into()
        }
        (io::ErrorKind::NotFound, Place::Unix(path)) if source.raw_os_error().is_some() => {
            let folder = path.parent().unwrap_or(path).display();
            format!("there is no folder {folder}; make it first")
        }
        _ => source.to_string(),
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bind { source, .. } | Self::AccessLog { source, .. } => Some(source),
            Self::Runtime(source) => Some(source),
            Self::Settings(_)
            | Self::Tls(_)
            | Self::Startup(_)
            | Self::Lifespan(_)
            | Self::Forced => None,
        }
    }
}
