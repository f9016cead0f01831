//! What is known of the TLS below a connection.

use bytes::Bytes;

/// What client and server agreed on, and whom they showed themselves to be (SCOPE-15). ASGI: the `tls` extension.
///
/// Certificates are in DER; ASGI has them in PEM, which is the same in base64 between two lines.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Capabilities, ConnectionInfo, TlsInfo};
///
/// /// Whom a client has proved to be.
/// fn who(connection: &ConnectionInfo) -> Option<&str> {
///     connection.tls.as_ref()?.client_name.as_deref()
/// }
///
/// let mut tls = TlsInfo::new(0x0304, 0x1301);
/// tls.client_name = Some("CN=worker 7,O=Example".into());
/// let connection = ConnectionInfo::new(Capabilities::new("test")).with_tls(tls);
/// assert_eq!(who(&connection), Some("CN=worker 7,O=Example"));
/// assert_eq!(connection.scheme.as_str(), "https");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version, as it is on the wire: 0x0303 is TLS 1.2, 0x0304 is 1.3. ASGI: `tls_version`.
    pub version: u16,
    /// The cipher suite, by IANA's number: 0x1301 is `TLS_AES_128_GCM_SHA256`. ASGI: `cipher_suite`.
    pub cipher_suite: u16,
    /// The name that the client asked for (SNI), in lower case.
    pub server_name: Option<Box<str>>,
    /// The protocol that was agreed on by ALPN, such as `h2`.
    pub application_protocol: Option<Box<str>>,
    /// The certificate that the server showed. ASGI: `server_cert`.
    pub server_certificate: Option<Bytes>,
    /// The certificate that the client showed, and those behind it; the server has verified them. Empty if it showed none. ASGI:
    /// `client_cert_chain`; there is no `client_cert_error`, since who shows one that does not hold is refused.
    pub client_certificates: Vec<Bytes>,
    /// The subject of the client's certificate, as RFC 4514 writes it. ASGI: `client_cert_name`.
    pub client_name: Option<Box<str>>,
}

impl TlsInfo {
    /// A version and a cipher suite; nothing else is known.
    #[must_use]
    pub const fn new(version: u16, cipher_suite: u16) -> Self {
        Self {
            version,
            cipher_suite,
            server_name: None,
            application_protocol: None,
            server_certificate: None,
            client_certificates: Vec::new(),
            client_name: None,
        }
    }
}
