//! What an operator can set: one configuration for both servers.

mod concerns;
mod extremes;
mod proxies;
mod sockets;
mod tls;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::{Bind, Console, LogFormat, LogTarget, Recycling, cores};

pub use proxies::{
    BadNetwork, BadRootPath, ForwardedFields, Network, Proxies, ProxyProtocol, RootPath,
};
pub use sockets::{Accepting, BadOwner, Owner, UnixSockets};
pub use tls::{ClientCertificates, SelfSigned, Tls, TlsVersion};

/// How to serve. The default serves on `127.0.0.1:8000` with a worker for each core.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Where to listen.
    pub bind: Vec<Bind>,
    /// Connections that may wait in the kernel, for each listener. 1,024, as nginx and node; the kernel's own limit
    /// (`net.core.somaxconn`) may be lower.
    pub backlog: u32,
    /// The files of unix sockets.
    pub unix: UnixSockets,
    /// Which thread accepts the connections of a TCP address.
    pub accepting: Accepting,
    /// Worker threads, each with its own runtime and listeners. By default one for each core that this process may
    /// use, by its affinity and by the quotas of its cgroups, of which a part of a core is none: more would share caches and win
    /// nothing.
    pub workers: NonZeroUsize,
    /// How long open exchanges may go on after a shutdown began. 30 seconds: what orchestrators give before they
    /// kill.
    pub grace: Duration,
    /// What TLS is spoken with, if it is.
    pub tls: Tls,
    /// What is believed of proxies.
    pub proxies: Proxies,
    /// Where a line for each exchange goes. To standard error.
    pub access_log: LogTarget,
    /// What such a line is. `plain`.
    pub access_log_format: LogFormat,
    /// Where the process's events go, so that metrics tell of lines that it loses. `None`: nobody knows, and none are told of.
    pub events: Option<Console>,
    /// Whether each call of the application is in a span of `tracing`, called `exchange`, with its id, method and path. Off: it
    /// costs as much as a small exchange, and only who logs gains by it.
    pub spans: bool,
    /// Where metrics, health, readiness and the page are served. `None`: nowhere, and exchanges are not counted.
    pub metrics_bind: Option<Bind>,
    /// How long a call may hold its worker before it is warned of. 100 milliseconds: what a person notices. Everybody else on
    /// that worker waits as long. `None`: nobody looks.
    pub stall_threshold: Option<Duration>,
    /// When the process is replaced by a new one. By default never.
    pub recycling: Recycling,
    /// Sizes.
    pub limits: Limits,
    /// Times.
    pub timeouts: Timeouts,
    /// How WebSockets are spoken: sizes and compression.
    pub websocket: websocket::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind: vec![([127, 0, 0, 1], 8000).into()],
            backlog: 1024,
            unix: UnixSockets::default(),
            accepting: Accepting::default(),
            tls: Tls::default(),
            proxies: Proxies::default(),
            workers: cores::usable(),
            grace: Duration::from_secs(30),
            access_log: LogTarget::Stderr,
            access_log_format: LogFormat::default(),
            events: None,
            spans: false,
            metrics_bind: None,
            stall_threshold: Some(Duration::from_millis(100)),
            recycling: Recycling::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            websocket: websocket::Settings::default(),
        }
    }
}

/// Sizes that a peer cannot exceed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a request's head, its target included. 32 KiB: room for large cookies, little for an attacker. 431
    /// above it.
    pub head_bytes: usize,
    /// Bytes of a request's target. 8 KiB, as RFC 9112 section 3 recommends at least. 414 above it.
    pub target_bytes: usize,
    /// Fields of a request's head. 100, as most servers. 431 above it.
    pub header_fields: usize,
    /// Bytes of a request's trailers. 4 KiB: checksums and signatures are short. The body has failed above it (HTTP-6).
    pub trailer_bytes: usize,
    /// Fields of a request's trailers. 32, for the same reason.
    pub trailer_fields: usize,
    /// Bytes of all chunk extensions of a body together. 16 KiB: nothing reads them, but some clients sign each chunk. The
    /// body has failed above it.
    pub chunk_extension_bytes: usize,
    /// Bytes of a request's body. 1 GiB: applications stream and set their own, lower limits; this one bounds what a
    /// forgotten one costs. 413 above it.
    pub body_bytes: u64,
    /// Bytes of a request body that the application does not want which are read and thrown away, so that the connection can
    /// be kept. 256 KiB: about what is on its way already when the answer is sent. More is left with the client until the answer, and
    /// then the connection is closed.
    pub discard_bytes: u64,
    /// Requests of one connection, after which it is closed in order: by `Connection: close`, or GOAWAY. 1,000,000: what a
    /// connection holds does not grow, so this is only for the load of proxies, whose connections never end by themselves, to
    /// be spread anew over workers and machines: every three hours at a hundred requests a second.
    pub requests: NonZeroU32,
    /// Requests that an HTTP/2 connection may have open at a time. 100: the least that RFC 9113 section 6.5.2 recommends.
    pub streams: u32,
    /// Streams of an HTTP/2 connection that its peer may cancel within [`Timeouts::resets`]. 500: five times all that it
    /// may have open. A cancelled call goes on to its end, so without a bound one connection could start any number of
    /// them (CVE-2023-44487). Above it the connection is closed.
    pub resets: u32,
    /// Streams of an HTTP/2 connection that its peer may cancel before the server has looked at them. 20, as h2 has
    /// it: who asks and cancels in one breath wants no answer. Above it the connection is closed.
    pub unseen_resets: usize,
    /// Streams of an HTTP/2 connection that the server resets for what the peer does wrong on them. 100: a peer that is
    /// wrong so often is not mistaken (CVE-2025-8671). Above it the connection is closed.
    pub error_resets: usize,
    /// Connections of one worker: sockets, whatever goes on over them. 16,384: below the usual limit of open files; above it new ones
    /// wait in the kernel.
    pub connections: usize,
    /// Connections of one worker that are at what comes before HTTP: the TLS handshake, the PROXY header. 2,048: more than a
    /// core can finish in half a second. Above it, or above half of all [`connections`](Self::connections), the oldest is given
    /// up, so that silent peers keep nobody out.
    pub handshakes: usize,
    /// Exchanges that one worker runs at once, WebSockets and calls that go on after their answer among them. 16,384: as
    /// many as connections, so what meets it are HTTP/2's streams and work that is left behind. 503 with `Retry-After`
    /// above it, and the application is not called (HTTP-3).
    pub exchanges: usize,
}

impl Limits {
    /// So many connections of one worker may really be before HTTP: were they as many as there may be at all, peers that say
    /// nothing would keep everybody out, for then nobody is accepted whose coming would end the oldest of them.
    pub(crate) fn handshakes_in_force(&self) -> usize {
        self.handshakes.min((self.connections / 2).max(1))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            header_fields: 100,
            trailer_bytes: 4 * 1024,
            trailer_fields: 32,
            chunk_extension_bytes: 16 * 1024,
            body_bytes: 1024 * 1024 * 1024,
            discard_bytes: 256 * 1024,
            requests: A_MILLION,
            streams: 100,
            resets: 500,
            unseen_resets: 20,
            error_resets: 100,
            connections: 16 * 1024,
            handshakes: 2 * 1024,
            exchanges: 16 * 1024,
        }
    }
}

/// Times after which a peer is given up, or asked whether it lives, and a startup has failed. Those of peers are all met late
/// by at most a [tick](crate::TICK).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Timeouts {
    /// From the connection's start to the end of what comes before HTTP: the TLS handshake, the PROXY header. 10 seconds: two
    /// or three journeys of packets, some of them lost.
    pub handshake: Duration,
    /// From the first byte of a head, or from the connection's start, to the head's end. 10 seconds: a head is one
    /// packet or a few.
    pub head: Duration,
    /// Between two requests of a connection. 60 seconds: longer than a person takes to click, shorter than proxies
    /// keep their side.
    pub idle: Duration,
    /// Without progress of a body that the application waits for. 30 seconds: a phone may lose its network for as long.
    pub body: Duration,
    /// Bytes a second of a body that count as progress. 500, as Apache: less than any network has, so what is slower
    /// means to be. Each such number of bytes gives a second back of `body`, so a pause can be made up for.
    /// `None`: every byte is progress, and a trickle can hold its place for very long.
    pub body_rate: Option<NonZeroU32>,
    /// All the time that one body may be waited for, however fast it is. 6 hours: [`Limits::body_bytes`] at 50 KB a
    /// second.
    pub body_ceiling: Duration,
    /// Without progress of a response that the peer is to take. 30 seconds. On Linux the kernel keeps it too, for what it
    /// has and the peer's system does not acknowledge (`TCP_USER_TIMEOUT`).
    pub write: Duration,
    /// As `body_rate`, for what the peer takes. 500.
    pub write_rate: Option<NonZeroU32>,
    /// All the time for which a peer may be behind with what it takes, until it has taken all that was sent. 6 hours.
    pub write_ceiling: Duration,
    /// Silence of a WebSocket's client after which it is pinged (WS-9); any byte ends the silence. 20 seconds, as Python's
    /// `websockets` and uvicorn: most proxies drop a connection that is silent for 60. `None`: no pings.
    pub ping_interval: Option<Duration>,
    /// From a ping to whatever comes from the client. 20 seconds, as Python's `websockets` and uvicorn: a phone may take that long
    /// to find its network. A client that is not read, because the application does not receive, is not timed; nor is
    /// one that still takes what was sent before the ping, for `write` times that. `None`: nobody is given up for silence.
    pub ping_timeout: Option<Duration>,
    /// From our close frame of a WebSocket, once the client has taken it, to the client's. 5 seconds: a page that lives
    /// answers at once.
    pub close: Duration,
    /// How long a closing connection is still read so that the peer sees the answer (RFC 9112 section 9.6). 2 seconds.
    pub linger: Duration,
    /// From the process's start to the application's `started`; what takes longer is a failed startup (LIFE-8). 60 seconds:
    /// long for pools and caches, and shorter than the 90 after which systemd kills without a reason in the log. A
    /// startup that blocks its thread cannot be seen.
    pub startup: Duration,
    /// The time for which [`Limits::resets`] counts. 10 seconds: longer than any burst of a page that is left.
    pub resets: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let sockets = websocket::Times::default();
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(30),
            body_rate: LEAST_RATE,
            body_ceiling: CEILING,
            write: Duration::from_secs(30),
            write_rate: LEAST_RATE,
            write_ceiling: CEILING,
            ping_interval: sockets.ping_interval,
            ping_timeout: sockets.ping_timeout,
            close: sockets.close,
            linger: Duration::from_secs(2),
            startup: Duration::from_secs(60),
            resets: Duration::from_secs(10),
        }
    }
}

const A_MILLION: NonZeroU32 = NonZeroU32::new(1_000_000).expect("it is not zero");

const LEAST_RATE: Option<NonZeroU32> = NonZeroU32::new(500);

const CEILING: Duration = Duration::from_secs(6 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_http_has_half_of_the_connections_at_the_most() {
        for (connections, handshakes, in_force) in [
            (16_384, 2_048, 2_048),
            (100, 2_048, 50),
            (100, 10, 10),
            (1, 2_048, 1),
        ] {
            let limits = Limits {
                connections,
                handshakes,
                ..Limits::default()
            };
            assert_eq!(limits.handshakes_in_force(), in_force, "{connections}");
        }
    }
}
