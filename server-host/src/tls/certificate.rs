//! One certificate and its key, checked before anything listens.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as RustlsError, InconsistentKeys};
use x509_cert::Certificate as X509;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::{TlsError, files};

/// What the messages call it.
const WHAT: &str = "the certificate";

/// How long before its end a certificate is warned of: two weeks, in which renewal by ACME has failed several times.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// A certificate, its key, and the names that it is for.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) certified: Arc<CertifiedKey>,
    /// In lower case; `*.` stands for one label.
    pub(super) names: Vec<String>,
}

impl Certificate {
    /// Reads both files; they must belong together, and hold now.
    pub(super) fn read(
        file: &Path,
        key_file: &Path,
        now: SystemTime,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        let chain = files::certificates(WHAT, file)?;
        let names = check(file, &chain, now)?;
        let key = files::key(key_file)?;
        let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::file(
                WHAT,
                file,
                format_args!(
                    "the key {} is not its own; give the key that it was made for, and the server's certificate first in the file",
                    key_file.display()
                ),
            ),
            error => TlsError::file("the private key", key_file, error),
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            names,
        })
    }

    /// One that was made just now, for this machine.
    pub(super) fn self_signed(provider: &CryptoProvider) -> Result<Self, TlsError> {
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        let Made { cert, signing_key } =
            generate_simple_self_signed(names).map_err(TlsError::library)?;
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let certified = CertifiedKey::from_der(vec![cert.der().clone()], key, provider);
        Ok(Self {
            certified: Arc::new(certified.map_err(TlsError::library)?),
            names: vec!["localhost".into()],
        })
    }

    /// Whether it is for a name in lower case.
    pub(super) fn is_for(&self, name: &str) -> bool {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|own| match own.strip_prefix("*.") {
            Some(own) => parent == Some(own),
            None => own == name,
        })
    }
}

/// Checks that the first certificate of a chain holds now; the names that it is for.
fn check(
    file: &Path,
    chain: &[CertificateDer<'_>],
    now: SystemTime,
) -> Result<Vec<String>, TlsError> {
    let wrong = |why: String| TlsError::file(WHAT, file, why);
    let first = chain.first().map(AsRef::as_ref).unwrap_or_default();
    let x509 = X509::from_der(first)
        .map_err(|error| wrong(format!("it is no certificate of X.509: {error}")))?;
    let validity = x509.tbs_certificate().validity();
    let (begin, end) = (
        validity.not_before.to_system_time(),
        validity.not_after.to_system_time(),
    );
    if now >= end {
        return Err(wrong(format!("it has expired on {}; renew it", day(end))));
    }
    if now < begin {
        return Err(wrong(format!(
            "it holds from {} on; is this machine's clock right?",
            day(begin)
        )));
    }
    if now + SOON >= end {
        tracing::warn!("{WHAT} {}: it expires on {}", file.display(), day(end));
    }
    names(&x509).ok_or_else(|| wrong("its subjectAltName cannot be read".into()))
}

/// The DNS names of a certificate. Clients of today look at no others (RFC 9525 section 2).
fn names(x509: &X509) -> Option<Vec<String>> {
    let found = x509.tbs_certificate().get_extension::<SubjectAltName>();
    let Some((_, names)) = found.ok()? else {
        return Some(Vec::new());
    };
    let dns = names.0.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    });
    Some(dns.collect())
}

/// The subject of a certificate, as RFC 4514 writes it.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<Box<str>> {
    let x509 = X509::from_der(certificate).ok()?;
    Some(x509.tbs_certificate().subject().to_string().into())
}

/// The day of a time, such as `06 Nov 1994`.
fn day(time: SystemTime) -> String {
    // `Sun, 06 Nov 1994 08:49:37 GMT`
    let date = httpdate::fmt_http_date(time);
    date.get(5..16).unwrap_or(&date).to_owned()
}
