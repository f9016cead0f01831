//! The chat over TLS: whom the clients trust, and what they say of others.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::seat::Seat;
use crate::served::Served;

/// Certificates in a folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty()).unwrap();
        let name = format!("chat-cli-tls-{:x}", u64::from_ne_bytes(random));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir(&folder.0).unwrap();
        folder
    }

    fn write(&self, name: &str, content: &str) -> String {
        let file = self.0.join(name);
        fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// An authority, and a certificate from it for these names: the files of the authority, the certificate and its key.
    fn certify(&self, names: &[&str]) -> [String; 3] {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(names).unwrap();
        let server = server.signed_by(&key, &issuer).unwrap();
        [
            self.write("authority.pem", &issuer.pem()),
            self.write("server.pem", &server.pem()),
            self.write("server.key", &key.serialize_pem()),
        ]
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn trusted(server: &str) {
    let folder = Folder::new();
    let [authority, certificate, key] = folder.certify(&["127.0.0.1"]);
    let served = Served::secure(server, &certificate, &key);
    assert!(served.address.starts_with("https://"), "{}", served.address);
    let socket = served.address.replace("https://", "wss://");

    let stranger = Seat::new((80, 24), &[&socket, "--nick", "Ada"]);
    stranger.sees("the server's certificate is not trusted: nobody known here has signed it");
    stranger.sees("name their certificate by --ca FILE): next try in");

    let mut ada = Seat::new((80, 24), &[&socket, "--nick", "Ada", "--ca", &authority]);
    let bea = Seat::new(
        (80, 24),
        &[&served.address, "--nick", "Bea", "--ca", &authority],
    );
    bea.sees("lobby · 2 here");
    ada.sees("connected");
    ada.says("nobody else reads this");
    bea.sees("Ada: nobody else reads this");
}

#[test]
fn a_certificate_is_trusted_if_its_authority_is_on_raw() {
    trusted("raw");
}

#[test]
fn a_certificate_is_trusted_if_its_authority_is_on_hyper() {
    trusted("hyper");
}

#[test]
fn a_certificate_of_another_host_is_not_taken() {
    let folder = Folder::new();
    let [authority, certificate, key] = folder.certify(&["chat.example"]);
    let served = Served::secure("raw", &certificate, &key);
    let ada = Seat::new(
        (80, 24),
        &[&served.address, "--nick", "Ada", "--ca", &authority],
    );
    ada.sees("the server's certificate is not one for 127.0.0.1");
}

#[test]
fn a_server_without_tls_is_told_from_one_with() {
    let served = Served::on("raw");
    let secure = served.address.replace("http://", "wss://");
    let ada = Seat::new((80, 24), &[&secure, "--nick", "Ada"]);
    ada.sees("the server does not speak TLS; is it ws:// or http://?");
}
