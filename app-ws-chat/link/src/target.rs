//! Where a chat is.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::http::Uri;

/// Where the chat's own servers have the socket.
const PATH: &str = "/ws";

/// The address of a chat, and how to reach it.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) uri: Uri,
    /// Trusted for TLS; without TLS there is none.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) source: Option<IpAddr>,
}

impl Target {
    /// Reads an address: `ws://host:port/path`, `wss://`, or what a browser shows for the chat's page, `http://` or
    /// `https://`. Without a path the socket is at `/ws`. TLS trusts what this machine trusts.
    ///
    /// # Errors
    ///
    /// [`TargetError`] says what is wrong with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use chat_link::Target;
    ///
    /// let target = Target::parse("http://localhost:8000/")?;
    /// assert_eq!(target.to_string(), "ws://localhost:8000/ws");
    /// assert!(Target::parse("ftp://localhost").is_err());
    /// # Ok::<(), chat_link::TargetError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (secure, rest) = match text.split_once("://") {
            Some(("ws" | "http", rest)) => (false, rest),
            Some(("wss" | "https", rest)) => (true, rest),
            Some((scheme, _)) => return Err(TargetError::Scheme(scheme.into())),
            None => (false, text),
        };
        let scheme = if secure { "wss" } else { "ws" };
        let malformed = || TargetError::Malformed(text.into());
        let uri: Uri = format!("{scheme}://{rest}")
            .parse()
            .map_err(|_| malformed())?;
        let authority = uri.authority().ok_or_else(malformed)?;
        // A port that is no number of a port is not the default one.
        let whole = match authority.port_u16() {
            Some(port) => authority.as_str() == format!("{}:{port}", authority.host()),
            None => authority.as_str() == authority.host(),
        };
        if !whole {
            return Err(malformed());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority
            .port_u16()
            .unwrap_or(if secure { 443 } else { 80 });
        let path = match uri.path_and_query().map(|path| path.as_str()) {
            None | Some("/" | "") => PATH,
            Some(path) => path,
        };
        let uri = format!("{scheme}://{authority}{path}");
        Ok(Self {
            host,
            port,
            uri: uri.parse().map_err(|_| malformed())?,
            tls: secure.then(trusting_this_machine),
            source: None,
        })
    }

    /// Trusts the authorities of this PEM file, and no others.
    ///
    /// # Errors
    ///
    /// [`TargetError`] if the file cannot be read or has no certificate, or the address is one without TLS.
    pub fn with_authorities(mut self, file: &Path) -> Result<Self, TargetError> {
        let unreadable = |why: String| TargetError::Authorities(file.display().to_string(), why);
        if self.tls.is_none() {
            return Err(TargetError::NoTls);
        }
        let mut roots = RootCertStore::empty();
        let read = CertificateDer::pem_file_iter(file).map_err(|e| unreadable(e.to_string()))?;
        for certificate in read {
            let certificate = certificate.map_err(|e| unreadable(e.to_string()))?;
            roots
                .add(certificate)
                .map_err(|e| unreadable(e.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unreadable("there is no certificate in it".into()));
        }
        self.tls = Some(trusting(roots));
        Ok(self)
    }

    /// Connects from this address of this machine: each has ports of its own, about 28,000 for one server.
    #[must_use]
    pub const fn with_source(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// The name or address of the server's machine.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

fn trusting_this_machine() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // What cannot be read is not trusted; the handshake says so then.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    trusting(roots)
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Why there is no chat to connect to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TargetError {
    /// Another scheme than `ws`, `wss`, `http` and `https`.
    Scheme(String),
    /// Not an address.
    Malformed(String),
    /// Authorities for an address without TLS.
    NoTls,
    /// A file of authorities that holds none, and why.
    Authorities(String, String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => {
                write!(
                    f,
                    "`{scheme}://` is no chat: write ws://, wss://, http:// or https://"
                )
            }
            Self::Malformed(text) => {
                write!(f, "`{text}` is no address: write it as ws://127.0.0.1:8000")
            }
            Self::NoTls => f.write_str("only a wss:// or https:// address has authorities"),
            Self::Authorities(file, why) => write!(f, "{file}: {why}"),
        }
    }
}

impl std::error::Error for TargetError {}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn an_address_is_what_people_have_at_hand() {
        let rows = [
            (
                "ws://localhost:8000/ws",
                "localhost",
                8000,
                "ws://localhost:8000/ws",
            ),
            (
                "http://127.0.0.1:8000",
                "127.0.0.1",
                8000,
                "ws://127.0.0.1:8000/ws",
            ),
            (
                "https://chat.example/",
                "chat.example",
                443,
                "wss://chat.example/ws",
            ),
            (
                "wss://chat.example/a/b?c=d",
                "chat.example",
                443,
                "wss://chat.example/a/b?c=d",
            ),
            ("[::1]:8000", "::1", 8000, "ws://[::1]:8000/ws"),
            ("localhost", "localhost", 80, "ws://localhost/ws"),
        ];
        for (text, host, port, uri) in rows {
            let target = Target::parse(text).unwrap();
            let read = (target.host(), target.port, target.to_string());
            assert_eq!(read, (host, port, uri.to_owned()), "{text}");
            assert_eq!(target.tls.is_some(), uri.starts_with("wss"), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_so() {
        for text in [
            "",
            "ftp://a",
            "ws://",
            "http://a b",
            "ws://user@host",
            "ws://host:99999",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
