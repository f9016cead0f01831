//! An authority of the tests' own, what it signs, and clients that trust it.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use super::Folder;

/// Signs certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named(name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        Self { issuer }
    }

    /// In PEM.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate of a server of these names.
    pub(crate) fn server(&self, names: &[&str]) -> Signed {
        self.sign(names, |_| {})
    }

    /// One that is no longer right, or not yet.
    pub(crate) fn server_between(&self, from: i32, until: i32) -> Signed {
        self.sign(&["localhost"], |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
        })
    }

    /// A certificate of a client.
    pub(crate) fn client(&self, name: &str) -> Signed {
        self.sign(&[], |params| {
            params.distinguished_name = named(name);
            params
                .distinguished_name
                .push(DnType::OrganizationName, "Example");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    fn sign(&self, names: &[&str], change: impl Fn(&mut CertificateParams)) -> Signed {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("right names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        Signed {
            certificate: signed.pem(),
            der: signed.der().clone(),
            key,
        }
    }

    /// A client that trusts it, and offers these protocols.
    pub(crate) fn trusted_by(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        self.client_config(None, protocols)
    }

    /// A client that shows a certificate.
    pub(crate) fn trusted_by_client(&self, shows: &Signed) -> Arc<ClientConfig> {
        self.client_config(Some(shows), &[])
    }

    /// A client that speaks nothing newer than TLS 1.2.
    pub(crate) fn trusted_by_old(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS12])
            .expect("it is known");
        Arc::new(
            builder
                .with_root_certificates(self.roots())
                .with_no_client_auth(),
        )
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a certificate");
        roots
    }

    fn client_config(&self, shows: Option<&Signed>, protocols: &[&str]) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("both are known")
            .with_root_certificates(self.roots());
        let mut config = match shows {
            Some(shows) => {
                let key = PrivateKeyDer::Pkcs8(shows.key.serialize_der().into());
                let shown = builder.with_client_auth_cert(vec![shows.der.clone()], key);
                shown.expect("they fit")
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|name| (*name).into()).collect();
        Arc::new(config)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

impl Signed {
    /// Writes both into a folder: the files' names.
    pub(crate) fn write(&self, folder: &Folder, name: &str) -> (PathBuf, PathBuf) {
        let certificate = folder.write(&format!("{name}.pem"), &self.certificate);
        let key = folder.write(&format!("{name}.key"), &self.key.serialize_pem());
        (certificate, key)
    }
}
