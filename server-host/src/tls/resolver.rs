//! Which certificate a client is shown.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;

/// The certificates, the first of which is for clients that ask for no name that we have.
#[derive(Debug)]
pub(super) struct Resolver {
    certificates: Vec<Certificate>,
}

impl Resolver {
    pub(super) const fn new(certificates: Vec<Certificate>) -> Self {
        Self { certificates }
    }

    fn choose(&self, hello: &ClientHello<'_>) -> Option<&Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let is_wanted = |certificate: &&Certificate| {
            name.as_deref().is_some_and(|name| certificate.is_for(name))
        };
        // A name may have two: one for clients that know newer signatures, and one for the others.
        let can_verify = |certificate: &&Certificate| {
            let key = &certificate.certified.key;
            key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let all = &self.certificates;
        let chosen = (all.iter().filter(is_wanted).find(can_verify))
            .or_else(|| all.iter().find(can_verify))
            .or_else(|| all.first());
        chosen.map(|certificate| &certificate.certified)
    }
}

/// The choice for one session: rustls does not tell what was chosen.
#[derive(Debug)]
pub(super) struct Choice {
    from: Arc<Resolver>,
    chosen: OnceLock<Arc<CertifiedKey>>,
}

impl Choice {
    pub(super) const fn new(from: Arc<Resolver>) -> Self {
        Self {
            from,
            chosen: OnceLock::new(),
        }
    }

    /// The certificate that the client was shown, in DER.
    pub(super) fn certificate(&self) -> Option<Bytes> {
        let first = self.chosen.get()?.cert.first()?;
        Some(Bytes::copy_from_slice(first))
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.from.choose(&hello)?;
        Some(Arc::clone(self.chosen.get_or_init(|| Arc::clone(chosen))))
    }
}
