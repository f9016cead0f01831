//! From places to listen to sockets that listen.

mod inherited;
mod tcp;
mod unix;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use gateway_spec::Address;
use socket2::SockRef;

use crate::arrival::{Gatekeeper, Passage};
use crate::stream::Family;
use crate::tls::Identity;
use crate::{Accepting, Bind, Place, Security, ServeError, Settings, TlsError};

pub(crate) use unix::SocketFile;

/// A place that is listened at.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) entrance: Arc<Entrance>,
    /// One, or one for each worker.
    pub(crate) listeners: Vec<Listener>,
    /// Goes with the listeners.
    pub(crate) file: Option<SocketFile>,
}

/// What all connections of one place have in common.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// As it was asked for.
    pub(crate) bind: Bind,
    /// As it came to be: with its real port.
    pub(crate) address: Address,
    /// What lies between accepting and HTTP.
    pub(crate) passage: Passage,
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: OwnedFd,
    pub(crate) family: Family,
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Listens at all places that the settings name.
pub(crate) fn bind(
    settings: &Settings,
    identity: Option<&Arc<Identity>>,
) -> Result<Vec<Bound>, ServeError> {
    let mut all = Vec::new();
    let gatekeeper = Gatekeeper::new(&settings.proxies);
    for bind in &settings.bind {
        let passage = Passage::new(speaks_tls(bind, identity)?, gatekeeper.clone());
        let error = |source| ServeError::Bind {
            bind: bind.clone(),
            source,
        };
        match &bind.place {
            Place::Tcp(address) => {
                let sockets = match settings.accepting {
                    Accepting::PerWorker => settings.workers.get(),
                    Accepting::HandOff => 1,
                };
                let sockets = tcp::bind(*address, sockets, settings.backlog).map_err(error)?;
                all.push(Bound::new(bind, &passage, sockets, None).map_err(error)?);
            }
            Place::Unix(path) => {
                let (socket, file) =
                    unix::bind(path, &settings.unix, settings.backlog).map_err(error)?;
                all.push(Bound::new(bind, &passage, vec![socket], Some(file)).map_err(error)?);
            }
            Place::Descriptor(number) => {
                let socket = inherited::take(*number).map_err(error)?;
                all.push(Bound::new(bind, &passage, vec![socket], None).map_err(error)?);
            }
            Place::Systemd => {
                for number in inherited::of_systemd().map_err(error)? {
                    let socket = inherited::take(number).map_err(error)?;
                    all.push(Bound::new(bind, &passage, vec![socket], None).map_err(error)?);
                }
            }
        }
    }
    Ok(all)
}

/// What TLS is spoken with at a place, if it is.
fn speaks_tls(
    bind: &Bind,
    identity: Option<&Arc<Identity>>,
) -> Result<Option<Arc<Identity>>, ServeError> {
    match (bind.security, identity) {
        (Security::Tls, None) => Err(ServeError::Tls(TlsError::nothing_to_show(bind))),
        (Security::ClearText, _) => Ok(None),
        (Security::AsConfigured | Security::Tls, identity) => Ok(identity.cloned()),
    }
}

impl Bound {
    fn new(
        bind: &Bind,
        passage: &Passage,
        sockets: Vec<OwnedFd>,
        file: Option<SocketFile>,
    ) -> io::Result<Self> {
        let mut address = None;
        let mut listeners = Vec::with_capacity(sockets.len());
        for socket in sockets {
            let local = SockRef::from(&socket).local_addr()?;
            let family = match local.as_socket() {
                Some(_) => Family::Tcp,
                None => Family::Unix,
            };
            address.get_or_insert(match local.as_socket() {
                Some(address) => Address::Tcp(address),
                None => Address::Unix(local.as_pathname().map(Into::into)),
            });
            listeners.push(Listener { socket, family });
        }
        let entrance = Entrance {
            bind: bind.clone(),
            address: address.unwrap_or(Address::Unix(None)),
            passage: passage.clone(),
        };
        Ok(Self {
            entrance: Arc::new(entrance),
            listeners,
            file,
        })
    }
}

#[cfg(test)]
mod tests;
