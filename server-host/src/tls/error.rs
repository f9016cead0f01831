//! What is wrong with certificates, keys and authorities: one line, with the file and the mend.

use std::error::Error;
use std::fmt;
use std::path::Path;

use crate::settings::Tls;

/// Why there is nothing to speak TLS with.
#[derive(Debug)]
pub struct TlsError {
    text: String,
}

impl TlsError {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// Of a file: what it was to be, and what is wrong with it.
    pub(super) fn file(what: &str, file: &Path, why: impl fmt::Display) -> Self {
        Self::new(format!("{what} {}: {why}", file.display()))
    }

    pub(super) fn library(error: impl fmt::Display) -> Self {
        Self::new(format!("TLS cannot be spoken: {error}"))
    }

    pub(super) fn unpaired(settings: &Tls) -> Self {
        let (certificates, keys) = (settings.certificates.len(), settings.keys.len());
        Self::new(format!(
            "{certificates} of --tls-cert and {keys} of --tls-key: each certificate needs its key, in the same order"
        ))
    }

    pub(super) fn no_authorities() -> Self {
        Self::new(
            "clients are asked for certificates, and no authority is trusted: name one by --tls-client-ca",
        )
    }

    pub(super) fn authorities_unused() -> Self {
        Self::new(
            "--tls-client-ca without --tls-client-cert: say whether certificates are optional or required",
        )
    }

    pub(crate) fn nothing_to_show(bind: &crate::Bind) -> Self {
        Self::new(format!(
            "{bind} asks for TLS, and there is no certificate: give --tls-cert and --tls-key, or --tls-self-signed for development"
        ))
    }

    pub(crate) fn nobody_to_show() -> Self {
        Self::new(
            "there is a certificate, and each --bind begins with http://: take that away from one, or take the certificate away",
        )
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for TlsError {}
