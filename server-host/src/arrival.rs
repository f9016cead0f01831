//! What comes before a connection's first byte of HTTP, off the path that accepts: a proxy's header, and the TLS handshake.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Once};
use std::task::Poll;

use gateway_spec::{Address, TlsInfo};
use rustix::net::{RecvFlags, recv};

use crate::clock::Alarm;
use crate::metrics::Timer;
use crate::proxy::header::{self, Header, Need};
use crate::settings::{Network, Proxies, ProxyProtocol};
use crate::stream::{Socket, Stream, TlsStream};
use crate::tls::Identity;
use crate::worker::Worker;
use crate::{Context, Shutdown};

/// What a connection has to pass.
#[derive(Debug, Clone)]
pub(crate) struct Passage {
    pub(crate) identity: Option<Arc<Identity>>,
    proxy: Option<Arc<Gatekeeper>>,
}

/// Who may say, by the PROXY protocol, whose connections theirs are.
#[derive(Debug)]
pub(crate) struct Gatekeeper {
    trusted: Vec<Network>,
    said: Once,
}

impl Gatekeeper {
    /// `None` if connections begin with no such header.
    pub(crate) fn new(proxies: &Proxies) -> Option<Arc<Self>> {
        (proxies.protocol == ProxyProtocol::Required).then(|| {
            Arc::new(Self {
                trusted: proxies.trusted.clone(),
                said: Once::new(),
            })
        })
    }

    fn check(&self, client: Option<&Address>) -> io::Result<()> {
        let Some(client) = client else { return Ok(()) };
        if self.trusted.iter().any(|network| network.has(client)) {
            return Ok(());
        }
        // A proxy that was forgotten sees nothing but ends of connections, and so does its operator.
        self.said.call_once(|| {
            tracing::warn!(
                %client,
                "a connection was refused that is not of a trusted proxy (--trusted-proxy); others will be without a word"
            );
        });
        Err(io::Error::other("no trusted proxy"))
    }
}

impl Passage {
    pub(crate) const fn new(
        identity: Option<Arc<Identity>>,
        proxy: Option<Arc<Gatekeeper>>,
    ) -> Self {
        Self { identity, proxy }
    }

    /// Whether HTTP begins at once.
    pub(crate) const fn is_open(&self) -> bool {
        self.identity.is_none() && self.proxy.is_none()
    }

    /// Takes a connection to where HTTP begins. `None` if it is not worth going on with.
    pub(crate) async fn pass(
        &self,
        socket: Socket,
        mut context: Context,
        worker: &Worker,
    ) -> Option<(Stream, Context)> {
        let alarm = worker.clock.alarm();
        let after = worker.settings.timeouts.handshake;
        alarm.set(worker.clock.deadline(after));
        let limit = worker.settings.limits.handshakes_in_force();
        worker.handshakes.note(&alarm, limit);
        let client = context.info().client.clone();
        let mut stage = Timer::ProxyHeader;
        let passing = self.go(socket, &mut context, &mut stage);
        let why: &dyn Display = match in_time(worker, &alarm, passing).await {
            Some(Ok(stream)) => return Some((stream, context)),
            Some(Err(error)) => &error.to_string(),
            None if alarm.has_rung() => &"there were too many at it",
            None if worker.shutdown() != Shutdown::No => &"the server shuts down",
            None => {
                worker.counts.ran_out(stage);
                &"it took too long"
            }
        };
        // Scanners, and clients that trust somebody else, are none of the operator's business until it is asked for.
        if let Some(client) = client {
            tracing::debug!(%client, "no connection: {why}");
        }
        None
    }

    /// `stage` is what is waited for, should it take too long.
    async fn go(
        &self,
        socket: Socket,
        context: &mut Context,
        stage: &mut Timer,
    ) -> io::Result<Stream> {
        if let Some(proxy) = &self.proxy {
            proxy.check(context.info().client.as_ref())?;
            context.set_proxied(proxy_header(&socket).await?);
        }
        let Some(identity) = &self.identity else {
            return Ok(Stream::clear_text(socket));
        };
        *stage = Timer::Handshake;
        let (tls, info) = handshake(socket, identity).await?;
        context.set_tls(info);
        Ok(Stream::tls(tls))
    }
}

/// Reads the header, and nothing behind it.
async fn proxy_header(socket: &Socket) -> io::Result<Header> {
    let mut read = Vec::new();
    loop {
        let need = header::read(&read).map_err(io::Error::other)?;
        let length = match need {
            Need::Nothing(header) => return Ok(header),
            Need::Bytes(length) => length,
            Need::Line(longest) => {
                // What is behind the line is not to be taken.
                let waiting = receive(socket, longest, RecvFlags::PEEK).await?;
                let end = waiting.iter().position(|byte| *byte == b'\n');
                end.map_or(waiting.len(), |end| end + 1)
            }
        };
        read.extend(receive(socket, length, RecvFlags::empty()).await?);
    }
}

/// At most so many bytes, and at least one.
async fn receive(socket: &Socket, longest: usize, flags: RecvFlags) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; longest];
    let length = socket
        .when_readable(|socket| {
            let (length, _) = recv(socket, &mut *bytes, flags | RecvFlags::DONTWAIT)?;
            Ok(length)
        })
        .await?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.truncate(length);
    Ok(bytes)
}

async fn handshake(socket: Socket, identity: &Identity) -> io::Result<(Box<TlsStream>, TlsInfo)> {
    let (session, chosen) = identity.begin().map_err(io::Error::other)?;
    let mut tls = Box::new(TlsStream::new(socket, session));
    poll_fn(|cx| tls.poll_handshake(cx)).await?;
    let info = chosen.info(tls.session());
    Ok((tls, info))
}

/// Waits until the alarm is due, or the shutdown leaves no time.
async fn in_time<T>(worker: &Worker, alarm: &Alarm, passing: impl Future<Output = T>) -> Option<T> {
    let mut passing = pin!(passing);
    poll_fn(|cx| {
        alarm.register(cx.waker());
        let shutdown = worker.shutdown();
        if shutdown != Shutdown::No {
            alarm.hurry(worker.heads_until());
        }
        if shutdown == Shutdown::Forced || alarm.is_due(worker.clock.now()) {
            return Poll::Ready(None);
        }
        passing.as_mut().poll(cx).map(Some)
    })
    .await
}
