//! Why a server could not serve.

use std::error::Error;
use std::net::SocketAddr;
use std::{fmt, io};

use gateway_spec::AppError;

/// Why a server could not start, or could not stop in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The settings are wrong, see [`Settings::check`](crate::Settings::check).
    Settings(String),
    /// An address could not be bound.
    Bind {
        /// The address.
        address: SocketAddr,
        /// The reason of the operating system.
        source: io::Error,
    },
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
            Self::Bind { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: the port is taken; stop the other process or choose another port"
                )
            }
            Self::Bind { address, source } => write!(f, "cannot listen on {address}: {source}"),
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

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bind { source, .. } => Some(source),
            Self::Runtime(source) => Some(source),
            Self::Settings(_) | Self::Startup(_) | Self::Lifespan(_) | Self::Forced => None,
        }
    }
}
