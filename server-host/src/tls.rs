//! TLS: what a server shows and asks for, agreed on before the first byte of HTTP.
//!
//! The handshake and the records are rustls's. Here are the files, the choice of a certificate, and what the scope says.

mod certificate;
mod error;
mod files;
mod resolver;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use bytes::Bytes;
use gateway_spec::TlsInfo;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, ServerConnection};

use crate::settings::{ClientCertificates, SelfSigned, Tls, TlsVersion};
use certificate::Certificate;
use resolver::{Choice, Resolver};

pub use error::TlsError;

/// Protocols that are spoken over TLS, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What connections are begun with, until the files are read again.
#[derive(Debug)]
pub(crate) struct Identity {
    settings: Tls,
    current: RwLock<Current>,
}

#[derive(Debug, Clone)]
struct Current {
    config: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
}

impl Identity {
    /// Reads the files.
    pub(crate) fn load(settings: &Tls) -> Result<Self, TlsError> {
        Ok(Self {
            current: RwLock::new(current(settings)?),
            settings: settings.clone(),
        })
    }

    /// Begins a session.
    pub(crate) fn begin(&self) -> Result<(ServerConnection, Chosen), rustls::Error> {
        let Current { config, resolver } = {
            let current = self.current.read();
            current.unwrap_or_else(PoisonError::into_inner).clone()
        };
        let chosen = Arc::new(Choice::new(resolver));
        let mut config = ServerConfig::clone(&config);
        config.cert_resolver = Arc::clone(&chosen) as _;
        Ok((ServerConnection::new(Arc::new(config))?, Chosen(chosen)))
    }

    /// Reads the files again, for connections from now on; those that are open stay as they are. On an error all stays.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let new = current(&self.settings)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, new);
        drop(current);
        drop(old);
        Ok(())
    }
}

/// The certificate that a session has chosen, once it has.
#[derive(Debug)]
pub(crate) struct Chosen(Arc<Choice>);

/// What rustls is to do.
fn current(settings: &Tls) -> Result<Current, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let certificates = certificates(settings, &provider)?;
    let versions: &[_] = match settings.oldest {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(TlsError::library)?;
    let builder = match verifier(settings, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let resolver = Arc::new(Resolver::new(certificates));
    let mut config = builder.with_cert_resolver(Arc::new(Choice::new(Arc::clone(&resolver))));
    config.alpn_protocols = PROTOCOLS.map(Vec::from).to_vec();
    // Sessions are resumed on any worker, and nothing is kept for them.
    config.ticketer = ring::Ticketer::new().map_err(TlsError::library)?;
    Ok(Current {
        config: Arc::new(config),
        resolver,
    })
}

fn certificates(settings: &Tls, provider: &CryptoProvider) -> Result<Vec<Certificate>, TlsError> {
    if settings.certificates.len() != settings.keys.len() {
        return Err(TlsError::unpaired(settings));
    }
    let now = SystemTime::now();
    let pairs = settings.certificates.iter().zip(&settings.keys);
    let mut all: Vec<Certificate> = pairs
        .map(|(certificate, key)| Certificate::read(certificate, key, now, provider))
        .collect::<Result<_, _>>()?;
    if settings.self_signed == SelfSigned::On {
        tracing::warn!(
            "the certificate for localhost was made just now and is signed by nobody: for development only"
        );
        all.push(Certificate::self_signed(provider)?);
    }
    Ok(all)
}

/// Who looks at clients' certificates, if they are asked for them.
fn verifier(
    settings: &Tls,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let asked = settings.client_certificates;
    match (asked, settings.client_authorities.is_empty()) {
        (ClientCertificates::Off, true) => return Ok(None),
        (ClientCertificates::Off, false) => return Err(TlsError::authorities_unused()),
        (_, true) => return Err(TlsError::no_authorities()),
        (_, false) => {}
    }
    let roots = Arc::new(files::authorities(&settings.client_authorities)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = match asked {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::Off | ClientCertificates::Required => builder,
    };
    let verifier = builder.build().map_err(TlsError::library)?;
    Ok(Some(verifier))
}

impl Chosen {
    /// What a scope says of the session, once all is agreed on.
    pub(crate) fn info(&self, connection: &ServerConnection) -> TlsInfo {
        let version = connection.protocol_version().map_or(0, u16::from);
        let suite = connection.negotiated_cipher_suite();
        let mut info = TlsInfo::new(version, suite.map_or(0, |suite| suite.suite().into()));
        let name = connection.server_name().map(str::to_ascii_lowercase);
        info.server_name = name.map(Into::into);
        let protocol = connection.alpn_protocol().map(String::from_utf8_lossy);
        info.application_protocol = protocol.map(|protocol| protocol.into_owned().into());
        info.server_certificate = self.0.certificate();
        let chain = connection.peer_certificates().unwrap_or_default();
        let copy = |certificate: &CertificateDer<'_>| Bytes::copy_from_slice(certificate);
        info.client_certificates = chain.iter().map(copy).collect();
        info.client_name = chain.first().and_then(certificate::subject);
        info
    }
}
