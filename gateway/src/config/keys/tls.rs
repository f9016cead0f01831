//! What TLS is spoken with.

use server_host::{ClientCertificates, SelfSigned, TlsVersion};

use super::Key;
use crate::config::form::{Choice, Count, File, Named, Time};

pub(super) fn keys() -> Vec<Key> {
    let mut keys = shown();
    keys.extend(asked());
    keys
}

fn shown() -> Vec<Key> {
    vec![
        Key::many::<File, _>(
            "tls-cert",
            "A certificate in PEM, the server's own first. Of several, clients get the one that has the name that they ask \
             for (SNI), and else the first. SIGHUP reads them again",
            |config| &mut config.settings.tls.certificates,
        ),
        Key::many::<File, _>(
            "tls-key",
            "The private key of each certificate, in the same order; PEM, not encrypted",
            |config| &mut config.settings.tls.keys,
        ),
        Key::one::<Choice, _>(
            "tls-self-signed",
            "Whether a certificate is made for localhost, that nobody trusts: for development",
            |config| &mut config.settings.tls.self_signed,
        ),
        Key::one::<Choice, _>(
            "tls-oldest",
            "The oldest version that is spoken",
            |config| &mut config.settings.tls.oldest,
        ),
    ]
}

fn asked() -> Vec<Key> {
    vec![
        Key::one::<Choice, _>(
            "tls-client-cert",
            "Whether clients show certificates; one that does not hold is refused. The application sees them",
            |config| &mut config.settings.tls.client_certificates,
        ),
        Key::many::<File, _>(
            "tls-client-ca",
            "Authorities, in PEM, that clients' certificates must come from",
            |config| &mut config.settings.tls.client_authorities,
        ),
        Key::one::<Time, _>(
            "handshake-timeout",
            "From a connection's start to the end of what comes before HTTP: the TLS handshake, the PROXY header",
            |config| &mut config.settings.timeouts.handshake,
        ),
        Key::one::<Count, _>(
            "handshakes",
            "Connections of one worker that are before HTTP; above it, or half of connections, the oldest is given up, \
             so that silent peers keep nobody out",
            |config| &mut config.settings.limits.handshakes,
        ),
    ]
}

impl Named for SelfSigned {
    const ALL: &'static [(&'static str, Self)] = &[("on", Self::On), ("off", Self::Off)];
}

impl Named for ClientCertificates {
    const ALL: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("optional", Self::Optional),
        ("required", Self::Required),
    ];
}

impl Named for TlsVersion {
    const ALL: &'static [(&'static str, Self)] = &[("1.2", Self::Tls12), ("1.3", Self::Tls13)];
}
