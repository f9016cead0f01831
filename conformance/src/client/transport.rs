//! What a client talks over: TCP, a unix socket, or TLS over TCP.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;

/// A connected socket, and TLS over it.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// The same for each of them.
macro_rules! each {
    ($transport:expr, $name:ident => $do:expr) => {
        match $transport {
            Transport::Tcp($name) => $do,
            Transport::Unix($name) => $do,
            Transport::Tls($name) => $do,
        }
    };
}

impl Transport {
    /// The socket below.
    pub(super) fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(socket) => socket.into(),
            Self::Unix(socket) => socket.into(),
            Self::Tls(tls) => (&tls.sock).into(),
        }
    }

    /// The socket, where nothing lies between.
    ///
    /// # Panics
    ///
    /// If it is not plain TCP.
    #[track_caller]
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(socket) => socket,
            Self::Unix(_) | Self::Tls(_) => panic!("this is done to plain TCP alone"),
        }
    }

    pub(super) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.socket().set_read_timeout(Some(timeout))
    }

    /// Ends this side's direction, with the goodbye that TLS has for it.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if let Self::Tls(tls) = self {
            tls.conn.send_close_notify();
            tls.flush()?;
        }
        self.socket().shutdown(Shutdown::Write)
    }
}

impl Read for Transport {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        each!(self, transport => transport.read(into))
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        each!(self, transport => transport.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        each!(self, transport => transport.flush())
    }
}
