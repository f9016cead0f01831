//! What a server can do beyond what every server must.

/// What this server offers on this connection (SRV-10).
///
/// Every scope shows it, the lifespan's too, so that an application can decide at startup. What is not listed here,
/// every server must do. ASGI: the `extensions` dictionary.
///
/// # Examples
///
/// ```
/// use gateway_spec::Capabilities;
///
/// let capabilities = Capabilities::new("my-server").with_informational(true);
/// assert!(capabilities.informational());
/// assert!(!capabilities.wire_order());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    server: &'static str,
    offered: u8,
}

const INFORMATIONAL: u8 = 1;
const WIRE_ORDER: u8 = 1 << 1;
const WIRE_CASE: u8 = 1 << 2;
const CONTINUE: u8 = 1 << 3;
const TRAILERS: u8 = 1 << 4;

macro_rules! capability {
    ($(#[$doc:meta])* $name:ident, $with:ident, $bit:ident) => {
        $(#[$doc])*
        #[must_use]
        pub const fn $name(self) -> bool {
            self.offered & $bit != 0
        }

        #[doc = concat!("Sets [`", stringify!($name), "`](Self::", stringify!($name), ").")]
        #[must_use]
        pub const fn $with(mut self, offered: bool) -> Self {
            self.offered = if offered { self.offered | $bit } else { self.offered & !$bit };
            self
        }
    };
}

impl Capabilities {
    /// A server of this name that offers none of them.
    #[must_use]
    pub const fn new(server: &'static str) -> Self {
        Self { server, offered: 0 }
    }

    /// The server's name, such as `server-raw`: for logs, not for decisions.
    #[must_use]
    pub const fn server(self) -> &'static str {
        self.server
    }

    capability! {
        /// Whether [`Responder::inform`](crate::Responder::inform) reaches the client. ASGI:
        /// `http.response.early_hint`, for all of 1xx.
        informational, with_informational, INFORMATIONAL
    }

    capability! {
        /// Whether [`Headers`](crate::Headers) of a request keep the order across different names. The order among
        /// fields of one name is kept by every server.
        wire_order, with_wire_order, WIRE_ORDER
    }

    capability! {
        /// Whether [`Headers`](crate::Headers) of a request keep the case of names.
        wire_case, with_wire_case, WIRE_CASE
    }

    capability! {
        /// Whether `Expect: 100-continue` is answered when the application first asks for the body (SRV-8).
        continue_on_read, with_continue_on_read, CONTINUE
    }

    capability! {
        /// Whether trailers can be sent on this connection (not with HTTP/1.0).
        trailers, with_trailers, TRAILERS
    }
}
