//! Certificates, keys and authorities in PEM files.

use std::fs;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// The certificates of a file, at least one.
pub(super) fn certificates(
    what: &str,
    file: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(what, file)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(TlsError::file(
            what,
            file,
            "no certificate is in it; PEM has them between lines of BEGIN CERTIFICATE and END CERTIFICATE",
        )),
        Err(error) => Err(TlsError::file(
            what,
            file,
            format_args!("it is no PEM: {error}"),
        )),
    }
}

/// The private key of a file.
pub(super) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    const WHAT: &str = "the private key";
    let text = read(WHAT, file)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(_) if contains(&text, b"ENCRYPTED") => Err(TlsError::file(
            WHAT,
            file,
            "it is encrypted; `openssl pkey -in FILE -out KEY` writes it in the clear",
        )),
        Err(_) => Err(TlsError::file(
            WHAT,
            file,
            "no private key is in it; PEM has it between lines of BEGIN PRIVATE KEY and END PRIVATE KEY",
        )),
    }
}

/// The authorities of all these files.
pub(super) fn authorities(files: &[PathBuf]) -> Result<RootCertStore, TlsError> {
    const WHAT: &str = "the authority";
    let mut roots = RootCertStore::empty();
    for file in files {
        for authority in certificates(WHAT, file)? {
            let added = roots.add(authority);
            added.map_err(|error| TlsError::file(WHAT, file, error))?;
        }
    }
    Ok(roots)
}

fn read(what: &str, file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file)
        .map_err(|error| TlsError::file(what, file, format_args!("it cannot be read: {error}")))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
