//! What of a request decides about its response.

use gateway_spec::{BodyLength, HttpScope};
use http::header::{CONNECTION, TE, UPGRADE};
use http::{Method, Version};

/// What of a request decides about its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Whether the response to this method has a body.
    pub body: BodyAllowed,
    /// Whether the request asks to switch protocols.
    pub upgrade: UpgradeAsked,
    /// What becomes of informational responses.
    pub informational: Informational,
    /// Which trailers the client can take.
    pub trailers: TrailersTaken,
}

impl Facts {
    /// What the scope of a request says, for a client that takes all that its version has.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gateway_spec::{Capabilities, ConnectionInfo, HttpScope, types::Method};
    /// use hosting::{BodyAllowed, Facts};
    ///
    /// let mut scope = HttpScope::new(Arc::new(ConnectionInfo::new(Capabilities::new("example"))));
    /// scope.method = Method::HEAD;
    /// assert_eq!(Facts::of(&scope).body, BodyAllowed::Head);
    /// ```
    #[must_use]
    pub fn of(scope: &HttpScope) -> Self {
        Self {
            body: match scope.method {
                Method::HEAD => BodyAllowed::Head,
                _ => BodyAllowed::Yes,
            },
            upgrade: UpgradeAsked::of(scope),
            informational: if scope.version < Version::HTTP_11 {
                Informational::Dropped
            } else {
                Informational::Sent
            },
            trailers: match scope.version {
                Version::HTTP_11 if scope.headers.contains_token(TE, "trailers") => {
                    TrailersTaken::Announced
                }
                version if version < Version::HTTP_2 => TrailersTaken::None,
                _ => TrailersTaken::All,
            },
        }
    }
}

impl UpgradeAsked {
    fn of(scope: &HttpScope) -> Self {
        let has_field = scope.version == Version::HTTP_11
            && scope.body == BodyLength::Empty
            && scope.headers.contains(UPGRADE);
        if scope.method == Method::CONNECT {
            Self::Yes
        } else if !has_field {
            Self::No
        } else if scope.headers.contains_token(CONNECTION, "upgrade") {
            Self::Yes
        } else {
            Self::Unlisted
        }
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            body: BodyAllowed::Yes,
            upgrade: UpgradeAsked::No,
            informational: Informational::Dropped,
            trailers: TrailersTaken::None,
        }
    }
}

/// Whether a response may have a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyAllowed {
    /// As its status says.
    Yes,
    /// Never: the request was a HEAD.
    Head,
}

/// Whether a request asks to switch protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeAsked {
    /// It does not.
    No,
    /// It does not, but has an `Upgrade` field, which `Connection` does not list: to be ignored, or to be told of by those who know
    /// what was meant.
    Unlisted,
    /// It does.
    Yes,
}

/// What a wire does with informational responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Informational {
    /// It sends them.
    Sent,
    /// It cannot, or the client would not understand.
    Dropped,
}

/// Which trailers a client can take (HTTP-28).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailersTaken {
    /// None: it speaks HTTP/1.0, or did not say `TE: trailers`.
    None,
    /// Those that the head announces: HTTP/1.1.
    Announced,
    /// All: HTTP/2.
    All,
}
