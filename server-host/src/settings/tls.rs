//! What TLS is spoken with.

use std::path::PathBuf;

/// TLS: certificates, and what is asked of clients. Off without a certificate.
///
/// # Examples
///
/// ```
/// use server_host::{Settings, Tls};
///
/// let mut settings = Settings::default();
/// settings.tls = Tls::default().with_certificate("/etc/app/cert.pem", "/etc/app/key.pem");
/// assert!(settings.tls.is_on());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// Files of certificates in PEM: the server's own first, then those behind it. Clients that ask for a name (SNI) get the
    /// first certificate that has it, and all others the first one.
    pub certificates: Vec<PathBuf>,
    /// The file of the private key of each certificate, in the same order; PEM, not encrypted.
    pub keys: Vec<PathBuf>,
    /// Whether a certificate is made at each start for `localhost`, that nobody trusts: for development.
    pub self_signed: SelfSigned,
    /// Whether clients show certificates.
    pub client_certificates: ClientCertificates,
    /// Files of the authorities, in PEM, that clients' certificates must come from.
    pub client_authorities: Vec<PathBuf>,
    /// The oldest version that is spoken.
    pub oldest: TlsVersion,
}

/// Whether a certificate is made for development.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SelfSigned {
    /// No.
    #[default]
    Off,
    /// One for `localhost`, `127.0.0.1` and `::1`.
    On,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    Off,
    /// They may; one that does not hold is refused all the same.
    Optional,
    /// They must.
    Required,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// 1.2 (RFC 5246): for clients of before 2019.
    #[default]
    Tls12,
    /// 1.3 (RFC 8446).
    Tls13,
}

impl Tls {
    /// Adds a certificate and its key.
    #[must_use]
    pub fn with_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.certificates.push(certificate.into());
        self.keys.push(key.into());
        self
    }

    /// Whether there is anything to speak TLS with.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.certificates.is_empty() || !self.keys.is_empty() || self.self_signed == SelfSigned::On
    }
}
