//! What is believed of proxies.

use std::borrow::Cow;

use server_host::{ForwardedFields, Network, ProxyProtocol, RootPath};

use super::Key;
use crate::config::form::{Choice, Form, Named};

pub(super) fn keys() -> Vec<Key> {
    vec![
        Key::many::<Trusted, _>(
            "trusted-proxy",
            "Whose word counts: a network, such as 10.0.0.0/8, or unix for all who connect to unix sockets. What they \
             forward of client and scheme (and host: see proxy-fields) is in the scope; by default nobody is believed",
            |config| &mut config.settings.proxies.trusted,
        ),
        Key::one::<Choice, _>(
            "proxy-fields",
            "The fields that these proxies write: x-forwarded for X-Forwarded-For and -Proto, x-forwarded-host for these \
             and X-Forwarded-Host, forwarded for RFC 7239. The others are anybody's, and not read",
            |config| &mut config.settings.proxies.fields,
        ),
        Key::one::<Choice, _>(
            "proxy-protocol",
            "Whether each connection begins with a header of the PROXY protocol, version 1 or 2, from a trusted proxy",
            |config| &mut config.settings.proxies.protocol,
        ),
        Key::one::<Root, _>(
            "root-path",
            "Where a proxy shows the application, such as /api; it may take it away from the path or leave it",
            |config| &mut config.settings.proxies.root_path,
        ),
    ]
}

impl Named for ForwardedFields {
    const ALL: &'static [(&'static str, Self)] = &[
        ("x-forwarded", Self::XForwarded),
        ("x-forwarded-host", Self::XForwardedHost),
        ("forwarded", Self::Forwarded),
    ];
}

impl Named for ProxyProtocol {
    const ALL: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("required", Self::Required)];
}

enum Trusted {}

impl Form<Network> for Trusted {
    fn name() -> Cow<'static, str> {
        "NETWORK".into()
    }

    fn read(text: &str) -> Result<Network, String> {
        text.parse::<Network>().map_err(|error| error.to_string())
    }

    fn show(value: &Network) -> String {
        value.to_string()
    }
}

enum Root {}

impl Form<Option<RootPath>> for Root {
    fn name() -> Cow<'static, str> {
        "PATH".into()
    }

    fn read(text: &str) -> Result<Option<RootPath>, String> {
        let path = text.parse::<RootPath>();
        path.map(Some).map_err(|error| error.to_string())
    }

    fn show(value: &Option<RootPath>) -> String {
        value
            .as_ref()
            .map_or_else(String::new, |path| path.as_str().to_owned())
    }
}
