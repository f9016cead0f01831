//! The opening handshake, the server's side (RFC 6455 §4.2; over HTTP/2 and HTTP/3: RFC 8441, RFC 9220).
//!
//! A request's head in, an [`Offer`] or a [`HandshakeError`] out; the choice among what is offered in, the headers of the answer
//! and an [`Agreement`] out. Nothing here sends or reads anything.
//!
//! Headers come as pairs of name and value, in any order and case, as often as they stood on the wire.

mod grammar;

use std::{error::Error, fmt};

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use sha1::{Digest, Sha1};

use crate::deflate;

/// Whether a request asks to become a WebSocket. Cheap: what answers most requests is that they have no `Upgrade` header.
///
/// A `true` is no promise of a valid handshake; [`request`] tells. A `false` is: an ordinary request, whose `Upgrade`, if it
/// has one, may be ignored (RFC 9110 §7.8).
pub fn is_upgrade<'a>(
    method: &Method,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> bool {
    *method == Method::GET
        && headers.into_iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("upgrade") && grammar::has_token(value, "websocket")
        })
}

/// Reads the handshake of an HTTP/1.1 request (RFC 6455 §4.2.1).
///
/// ```
/// use http::{Method, Version};
/// use websocket::handshake;
///
/// let headers: [(&str, &[u8]); 5] = [
///     ("Connection", b"keep-alive, Upgrade"),
///     ("Upgrade", b"websocket"),
///     ("Sec-WebSocket-Version", b"13"),
///     ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
///     ("Sec-WebSocket-Protocol", b"chat, superchat"),
/// ];
/// let offer = handshake::request(&Method::GET, Version::HTTP_11, headers)?;
/// let answer = offer.accept(Some("superchat"), None)?;
///
/// assert_eq!(answer.status, 101);
/// assert!(answer.headers.iter().any(|(name, value)| {
///     name == "sec-websocket-accept" && value == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
/// }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Each knows the status to answer with, and the headers that go with it.
pub fn request<'a>(
    method: &Method,
    version: Version,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Offer, HandshakeError> {
    if *method != Method::GET {
        return Err(HandshakeError::Method);
    }
    if version != Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    let fields = Fields::read(headers)?;
    if !fields.connection_upgrade {
        return Err(HandshakeError::Connection);
    }
    if !fields.upgrade_websocket {
        return Err(HandshakeError::Upgrade);
    }
    fields.version.check()?;
    let Single::One(key) = fields.key else {
        return Err(HandshakeError::Key);
    };
    if !is_key(key) {
        return Err(HandshakeError::Key);
    }
    Ok(Offer {
        opening: Opening::Upgrade {
            accept: accept_of(key),
        },
        subprotocols: fields.subprotocols,
        deflate: fields.deflate,
    })
}

/// Reads the handshake of an extended CONNECT whose `:protocol` is `websocket` (RFC 8441 §5): there is no key, and neither
/// `Connection` nor `Upgrade`.
///
/// # Errors
///
/// As [`request`].
pub fn connect<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Offer, HandshakeError> {
    let fields = Fields::read(headers)?;
    fields.version.check()?;
    Ok(Offer {
        opening: Opening::Connect,
        subprotocols: fields.subprotocols,
        deflate: fields.deflate,
    })
}

/// A valid handshake: what the client offers.
#[derive(Clone, Debug)]
pub struct Offer {
    opening: Opening,
    subprotocols: Vec<String>,
    deflate: Option<deflate::Offer>,
}

/// How the tunnel opens.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Opening {
    /// 101, and the proof that the key was read.
    Upgrade { accept: HeaderValue },
    /// 200, as for any CONNECT.
    Connect,
}

impl Offer {
    /// The subprotocols, the client's favourite first.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// The client's first offer of permessage-deflate that we can speak.
    pub fn deflate(&self) -> Option<&deflate::Offer> {
        self.deflate.as_ref()
    }

    /// Answers yes. `deflate: None` declines compression.
    ///
    /// # Errors
    ///
    /// The subprotocol was not offered: a client would fail the connection (RFC 6455 §4.1).
    pub fn accept(
        &self,
        subprotocol: Option<&str>,
        deflate: Option<&deflate::Settings>,
    ) -> Result<Acceptance, SubprotocolNotOffered> {
        let subprotocol = match subprotocol {
            None => None,
            Some(wanted) => Some(
                self.subprotocols
                    .iter()
                    .find(|offered| *offered == wanted)
                    .ok_or(SubprotocolNotOffered(()))?,
            ),
        };
        let deflate = deflate.and_then(|settings| Some(self.deflate?.accept(settings)));

        let mut headers = Vec::with_capacity(5);
        let status = match &self.opening {
            Opening::Upgrade { accept } => {
                headers.push((header::CONNECTION, HeaderValue::from_static("Upgrade")));
                headers.push((header::UPGRADE, HeaderValue::from_static("websocket")));
                headers.push((header::SEC_WEBSOCKET_ACCEPT, accept.clone()));
                StatusCode::SWITCHING_PROTOCOLS
            }
            Opening::Connect => StatusCode::OK,
        };
        if let Some(subprotocol) = subprotocol {
            headers.push((header::SEC_WEBSOCKET_PROTOCOL, ascii(subprotocol)));
        }
        if let Some(agreed) = &deflate {
            headers.push((header::SEC_WEBSOCKET_EXTENSIONS, ascii(&agreed.answer())));
        }
        let agreement = Agreement {
            subprotocol: subprotocol.cloned(),
            deflate,
        };
        Ok(Acceptance {
            status,
            headers,
            agreement,
        })
    }
}

/// A positive answer.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// 101, or 200 to an extended CONNECT.
    pub status: StatusCode,
    /// All headers that the handshake itself needs. The application's own may follow.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What both sides do from now on.
    pub agreement: Agreement,
}

/// What both sides agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The subprotocol, if one was chosen.
    pub subprotocol: Option<String>,
    /// Compression, if any.
    pub deflate: Option<deflate::Agreed>,
}

impl Agreement {
    /// What a server agreed to, for a client that offered these subprotocols, and `permessage-deflate` without parameters if there
    /// are settings for it.
    ///
    /// # Errors
    ///
    /// The answer is not valid for that offer: the key's proof is wrong, or something was agreed to that was not offered.
    pub fn from_answer<'a>(
        key: &str,
        subprotocols: &[&str],
        deflate: Option<&deflate::Settings>,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, InvalidAnswer> {
        let mut agreement = Self::default();
        let mut accept = Single::None;
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("sec-websocket-accept") {
                accept.add(value);
            } else if name.eq_ignore_ascii_case("sec-websocket-protocol") {
                let chosen = subprotocols
                    .iter()
                    .find(|offered| offered.as_bytes() == value);
                let chosen = chosen.ok_or(InvalidAnswer(()))?;
                if agreement
                    .subprotocol
                    .replace((*chosen).to_owned())
                    .is_some()
                {
                    return Err(InvalidAnswer(()));
                }
            } else if name.eq_ignore_ascii_case("sec-websocket-extensions") {
                let settings = deflate.ok_or(InvalidAnswer(()))?;
                let mut agreed = Vec::new();
                grammar::extensions(value, |name, parameters| {
                    let ours =
                        name == deflate::NAME && agreement.deflate.is_none() && agreed.is_empty();
                    agreed.push(
                        ours.then(|| deflate::Agreed::from_answer(parameters, settings))
                            .flatten(),
                    );
                })
                .map_err(|_| InvalidAnswer(()))?;
                for agreed in agreed {
                    agreement.deflate = Some(agreed.ok_or(InvalidAnswer(()))?);
                }
            }
        }
        match accept {
            Single::One(accept) if accept_of(key.as_bytes()) == accept => Ok(agreement),
            _ => Err(InvalidAnswer(())),
        }
    }
}

/// Subprotocols that a client may offer: far more than any does, and few enough to compare each with each.
const MAX_SUBPROTOCOLS: usize = 64;

/// What the handshake's headers say, collected in one pass.
struct Fields<'a> {
    connection_upgrade: bool,
    upgrade_websocket: bool,
    version: Single<'a>,
    key: Single<'a>,
    subprotocols: Vec<String>,
    deflate: Option<deflate::Offer>,
}

impl<'a> Fields<'a> {
    fn read(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, HandshakeError> {
        let mut fields = Fields {
            connection_upgrade: false,
            upgrade_websocket: false,
            version: Single::None,
            key: Single::None,
            subprotocols: Vec::new(),
            deflate: None,
        };
        for (name, value) in headers {
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
            if is("connection") {
                fields.connection_upgrade |= grammar::has_token(value, "upgrade");
            } else if is("upgrade") {
                fields.upgrade_websocket |= grammar::has_token(value, "websocket");
            } else if is("sec-websocket-version") {
                fields.version.add(value);
            } else if is("sec-websocket-key") {
                fields.key.add(value);
            } else if is("sec-websocket-protocol") {
                fields.add_subprotocols(value)?;
            } else if is("sec-websocket-extensions") {
                fields.add_extensions(value)?;
            }
        }
        Ok(fields)
    }

    fn add_subprotocols(&mut self, value: &[u8]) -> Result<(), HandshakeError> {
        let mut excess = false;
        let subprotocols = &mut self.subprotocols;
        grammar::tokens(value, |token| {
            if subprotocols.len() == MAX_SUBPROTOCOLS
                || subprotocols.iter().any(|other| other == token)
            {
                excess = true;
            } else {
                subprotocols.push(token.to_owned());
            }
        })
        .map_err(|_| HandshakeError::Subprotocols)?;
        if excess {
            Err(HandshakeError::Subprotocols)
        } else {
            Ok(())
        }
    }

    fn add_extensions(&mut self, value: &[u8]) -> Result<(), HandshakeError> {
        grammar::extensions(value, |name, parameters| {
            if name == deflate::NAME && self.deflate.is_none() {
                self.deflate = deflate::Offer::parse(parameters);
            }
        })
        .map_err(|_| HandshakeError::Extensions)
    }
}

/// A header that may stand only once.
#[derive(Clone, Copy)]
enum Single<'a> {
    None,
    One(&'a [u8]),
    Many,
}

impl<'a> Single<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::None => Self::One(value.trim_ascii()),
            Self::One(_) | Self::Many => Self::Many,
        };
    }

    /// As the version that we speak: 13.
    fn check(self) -> Result<(), HandshakeError> {
        match self {
            Self::One(b"13") => Ok(()),
            _ => Err(HandshakeError::Version),
        }
    }
}

/// Whether this is sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    // The last character's spare bits may be set: they are in the example of RFC 6455 §4.1.
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let mut bytes = [0; 18];
    key.len() == 24 && LENIENT.decode_slice(key, &mut bytes) == Ok(16)
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455 §4.2.2).
fn accept_of(key: &[u8]) -> HeaderValue {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    ascii(&STANDARD.encode(hash))
}

fn ascii(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("tokens and base64 are valid in a header")
}

/// Why a request is no WebSocket handshake that can be answered with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeError {
    /// The method is not GET.
    Method,
    /// The request is not HTTP/1.1.
    HttpVersion,
    /// `Connection` does not list `upgrade`, which often means that a proxy in between does not forward upgrades.
    Connection,
    /// `Upgrade` does not list `websocket`.
    Upgrade,
    /// `Sec-WebSocket-Version` is not 13, or there is not exactly one.
    Version,
    /// `Sec-WebSocket-Key` is not sixteen bytes in base64, or there is not exactly one.
    Key,
    /// `Sec-WebSocket-Protocol` is not a list of tokens, has one twice, or more than 64.
    Subprotocols,
    /// `Sec-WebSocket-Extensions` does not follow RFC 6455 §9.1.
    Extensions,
}

impl HandshakeError {
    /// The status to answer with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::HttpVersion
            | Self::Connection
            | Self::Upgrade
            | Self::Key
            | Self::Subprotocols
            | Self::Extensions => StatusCode::BAD_REQUEST,
        }
    }

    /// Headers that the answer must have.
    pub const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("allow", "GET")],
            // RFC 6455 §4.4, and RFC 9110 §15.5.22 for the other two.
            Self::Version => &[
                ("sec-websocket-version", "13"),
                ("upgrade", "websocket"),
                ("connection", "upgrade"),
            ],
            Self::HttpVersion
            | Self::Connection
            | Self::Upgrade
            | Self::Key
            | Self::Subprotocols
            | Self::Extensions => &[],
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "a WebSocket handshake is a GET request",
            Self::HttpVersion => "a WebSocket handshake needs HTTP/1.1",
            Self::Connection => "the Connection header does not list upgrade",
            Self::Upgrade => "the Upgrade header does not list websocket",
            Self::Version => "Sec-WebSocket-Version must be 13",
            Self::Key => "Sec-WebSocket-Key must be 16 bytes in base64, once",
            Self::Subprotocols => "Sec-WebSocket-Protocol must be a list of different tokens",
            Self::Extensions => "Sec-WebSocket-Extensions is malformed",
        })
    }
}

impl Error for HandshakeError {}

/// The chosen subprotocol is none of those that the client offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubprotocolNotOffered(());

impl fmt::Display for SubprotocolNotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client did not offer this subprotocol")
    }
}

impl Error for SubprotocolNotOffered {}

/// A server's answer does not fit the client's offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAnswer(());

impl fmt::Display for InvalidAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's answer does not fit the handshake")
    }
}

impl Error for InvalidAnswer {}
