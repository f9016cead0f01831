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
use crate::restart::{Key, Predecessor, Purpose};
use crate::stream::Family;
use crate::tls::Identity;
use crate::{Accepting, Bind, Place, Security, ServeError, Settings, TlsError};

pub(crate) use unix::SocketFile;

/// A place that is listened at.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) key: Key,
    pub(crate) entrance: Arc<Entrance>,
    /// One, or one for each worker.
    pub(crate) listeners: Vec<Listener>,
    /// Goes with the listeners.
    pub(crate) file: Option<SocketFile>,
}

/// What all connections of one place have in common.
#[derive(Debug)]
pub(crate) struct Entrance {
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

/// Listens at all places that the settings name; at those where the process before did, by its listeners. Descriptors that
/// were passed come first, so that a number names none of those that are opened here.
pub(crate) fn bind(
    settings: &Settings,
    identity: Option<&Arc<Identity>>,
    mut predecessor: Option<&mut Predecessor>,
    purpose: Purpose,
) -> Result<Vec<Bound>, ServeError> {
    let gatekeeper = Gatekeeper::new(&settings.proxies);
    let mut in_turn: Vec<(usize, &Bind)> = settings.bind.iter().enumerate().collect();
    in_turn.sort_by_key(|(_, bind)| !is_passed(&bind.place));
    let mut all = Vec::new();
    for (number, bind) in in_turn {
        let before = settings.bind[..number].iter();
        let key = Key::new(
            purpose,
            &bind.place,
            before.filter(|other| other.place == bind.place).count(),
        );
        let passage = Passage::new(speaks_tls(bind, identity)?, gatekeeper.clone());
        let inherited = predecessor.as_mut().map(|before| before.take(&key));
        let opened = match inherited.filter(|listeners| !listeners.is_empty()) {
            Some(listeners) => again(&bind.place, listeners, settings),
            None => open(&bind.place, settings),
        };
        let bound = opened.and_then(|opened| {
            let bound = opened
                .into_iter()
                .map(|opened| Bound::new(&key, &passage, opened));
            bound.collect::<io::Result<Vec<Bound>>>()
        });
        let bound = bound.map_err(|source| ServeError::Bind {
            bind: bind.clone(),
            source,
        })?;
        all.push((number, bound));
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all.into_iter().flat_map(|(_, bound)| bound).collect())
}

/// Whether the process was started with what listens there.
const fn is_passed(place: &Place) -> bool {
    matches!(place, Place::Descriptor(_) | Place::Systemd)
}

/// Sockets that listen at one address.
#[derive(Debug)]
struct Opened {
    sockets: Vec<OwnedFd>,
    file: Option<SocketFile>,
}

impl From<Vec<OwnedFd>> for Opened {
    fn from(sockets: Vec<OwnedFd>) -> Self {
        Self {
            sockets,
            file: None,
        }
    }
}

/// Listens at a place.
fn open(place: &Place, settings: &Settings) -> io::Result<Vec<Opened>> {
    match place {
        Place::Tcp(address) => {
            let sockets = tcp::bind(*address, of_tcp(settings), settings.backlog)?;
            Ok(vec![sockets.into()])
        }
        Place::Unix(path) => {
            let (socket, file) = unix::bind(path, &settings.unix, settings.backlog)?;
            Ok(vec![Opened {
                sockets: vec![socket],
                file: Some(file),
            }])
        }
        Place::Descriptor(number) => Ok(vec![vec![inherited::take(*number)?].into()]),
        Place::Systemd => {
            let numbers = inherited::of_systemd()?;
            let taken = numbers.map(|number| Ok(vec![inherited::take(number)?].into()));
            taken.collect()
        }
    }
}

/// How many listeners an address of TCP has.
fn of_tcp(settings: &Settings) -> usize {
    match settings.accepting {
        Accepting::PerWorker => settings.workers.get(),
        Accepting::HandOff => 1,
    }
}

/// Goes on with the listeners of a place, by the settings of now; what cannot be changed is said. Those of descriptors that were
/// passed are as whoever passed them has made them.
fn again(place: &Place, listeners: Vec<OwnedFd>, settings: &Settings) -> io::Result<Vec<Opened>> {
    match place {
        Place::Tcp(_) => {
            let (are, wanted) = (listeners.len(), of_tcp(settings));
            if are != wanted {
                tracing::warn!(
                    "{place} has {are} listeners, and would have {wanted} by accept and workers: a restart does not \
                     change that, only a stop and a start"
                );
            }
            listen_again(&listeners, settings.backlog)?;
            Ok(vec![listeners.into()])
        }
        Place::Descriptor(_) => Ok(vec![listeners.into()]),
        Place::Unix(path) => {
            // It may have been removed by somebody, and then there is none to change, and none to remove.
            let file = SocketFile::shared(path).ok();
            if file.is_some() {
                unix::permit(path, &settings.unix)?;
            }
            listen_again(&listeners, settings.backlog)?;
            Ok(vec![Opened {
                sockets: listeners,
                file,
            }])
        }
        Place::Systemd => {
            let each = listeners.into_iter().map(|listener| vec![listener].into());
            Ok(each.collect())
        }
    }
}

/// Has so many connections wait from now on.
fn listen_again(listeners: &[OwnedFd], backlog: u32) -> io::Result<()> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    let mut listeners = listeners.iter();
    listeners.try_for_each(|listener| SockRef::from(listener).listen(backlog))
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
    fn new(key: &Key, passage: &Passage, opened: Opened) -> io::Result<Self> {
        let Opened { sockets, file } = opened;
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
            address: address.unwrap_or(Address::Unix(None)),
            passage: passage.clone(),
        };
        Ok(Self {
            key: key.clone(),
            entrance: Arc::new(entrance),
            listeners,
            file,
        })
    }
}

#[cfg(test)]
mod tests;
