//! How the client behaves: the script of a peer that is slow, or leaves.

use gateway_spec::Gone;

/// How the client behaves. The default reads and sends as fast as it can, and stays to the end.
///
/// Bytes of a response are those of its body, or of a tunnel's frames; those of a request are those of its body. A point that
/// an exchange does not reach is one where nothing happens.
///
/// # Examples
///
/// A download that is broken off after ten bytes, which the application learns:
///
/// ```
/// use gateway_spec::{AppError, Connection, Done, Gone, application_fn, types::StatusCode};
/// use test_client::{Peer, TestClient};
///
/// async fn endless(connection: Connection) -> Result<Done, AppError> {
///     let Connection::Http(http) = connection else { return connection.refuse().await };
///     let mut writer = http.responder.start(StatusCode::OK).await?;
///     loop {
///         writer.write("0123456789abcdef").await?;
///     }
/// }
///
/// # test_client::run(async {
/// let client = TestClient::new(application_fn(endless));
/// let broken = client.get("/").peer(Peer::new().reset_after_reading(10)).send().await.unwrap_err();
/// assert_eq!(broken.partial().unwrap().body, "0123456789");
/// assert_eq!(broken.outcome().await.gone(), Some(Gone::PeerReset));
/// # });
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub(crate) window: Option<usize>,
    pub(crate) reading: Reading,
    pub(crate) bytes_per_second: Option<u64>,
    pub(crate) sending: Sending,
    pub(crate) leaves_as: Gone,
}

/// Where the client's reading ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    ToTheEnd,
    StopsAfter(u64),
    LeavesAfter(u64),
}

/// Where the client's sending ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sending {
    ToTheEnd,
    HalfClosesAfter(u64),
    LeavesAfter(u64),
}

impl Peer {
    /// A client that stays to the end.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            window: None,
            reading: Reading::ToTheEnd,
            bytes_per_second: None,
            sending: Sending::ToTheEnd,
            leaves_as: Gone::PeerReset,
        }
    }

    /// Leaves once it has read so many bytes of the response; with 0, when it has the head.
    #[must_use]
    pub const fn reset_after_reading(mut self, bytes: u64) -> Self {
        self.reading = Reading::LeavesAfter(bytes);
        self
    }

    /// Reads so many bytes of the response and no more, and stays: the application's writes wait once the server is full.
    #[must_use]
    pub const fn stop_reading_after(mut self, bytes: u64) -> Self {
        self.reading = Reading::StopsAfter(bytes);
        self
    }

    /// Reads so many bytes of the response in a second, by tokio's clock: none of them before its time. Under a paused clock
    /// (`#[tokio::test(start_paused = true)]`, [`run`](crate::run())) the seconds take no time.
    ///
    /// # Panics
    ///
    /// If it is 0: that is [`stop_reading_after(0)`](Self::stop_reading_after).
    #[must_use]
    pub const fn read_per_second(mut self, bytes: u64) -> Self {
        assert!(
            bytes > 0,
            "a client that never reads is `stop_reading_after(0)`"
        );
        self.bytes_per_second = Some(bytes);
        self
    }

    /// Leaves once it has sent so many bytes of the request's body.
    #[must_use]
    pub const fn reset_after_sending(mut self, bytes: u64) -> Self {
        self.sending = Sending::LeavesAfter(bytes);
        self
    }

    /// Closes its own direction once it has sent so many bytes of the request's body, and goes on reading (SRV-3). In the middle
    /// of a body that is a malformed one (HTTP-8); with all of it sent, or with a request without one, the request stands.
    #[must_use]
    pub const fn half_close_after_sending(mut self, bytes: u64) -> Self {
        self.sending = Sending::HalfClosesAfter(bytes);
        self
    }

    /// What the application is told when the client leaves: [`Gone::PeerReset`] by default; [`Gone::StreamReset`] is what
    /// HTTP/2 says, [`Gone::WriteTimeout`] what a server says of a client that does not read.
    ///
    /// # Panics
    ///
    /// With [`Gone::HalfClosed`], which is no leaving.
    #[must_use]
    pub const fn leaving_as(mut self, gone: Gone) -> Self {
        assert!(gone.is_final(), "half-closed is not gone");
        self.leaves_as = gone;
        self
    }

    /// How many bytes of a response the server takes ahead of this client (SRV-5), with what its kernel would hold; 64 KiB by
    /// default. The last event may pass it.
    #[must_use]
    pub const fn window(mut self, bytes: usize) -> Self {
        self.window = Some(bytes);
        self
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self::new()
    }
}
