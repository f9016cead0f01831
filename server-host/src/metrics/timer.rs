//! The timers of connections, as they are counted.

/// A timer that has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    Head,
    Idle,
    Body,
    Linger,
    Write,
    /// Of the TLS handshake.
    Handshake,
    /// Of the header of the PROXY protocol.
    ProxyHeader,
    /// A WebSocket's client did not answer a ping.
    WsPing,
    /// Nor our close frame.
    WsClose,
}

impl Timer {
    /// In their order.
    pub(crate) const ALL: [Self; 9] = [
        Self::Head,
        Self::Idle,
        Self::Body,
        Self::Linger,
        Self::Write,
        Self::Handshake,
        Self::ProxyHeader,
        Self::WsPing,
        Self::WsClose,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Body => "body",
            Self::Linger => "linger",
            Self::Write => "write",
            Self::Handshake => "handshake",
            Self::ProxyHeader => "proxy-header",
            Self::WsPing => "ws-ping",
            Self::WsClose => "ws-close",
        }
    }
}
