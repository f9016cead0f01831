//! What trusted proxies say of their clients, put into the scope before the application sees it.

mod forwarded;
pub(crate) mod header;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use gateway_spec::{Address, ConnectionInfo, HttpScope};
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use crate::settings::{Proxies, ProxyProtocol, RootPath};
use forwarded::Said;

/// Changes scopes as proxies and operators say.
#[derive(Debug)]
pub(crate) struct Rewriting {
    proxies: Proxies,
}

impl Rewriting {
    /// `None` if there is nothing to change, ever.
    pub(crate) fn new(proxies: &Proxies) -> Option<Arc<Self>> {
        let is_wanted = !proxies.trusted.is_empty() || proxies.root_path.is_some();
        is_wanted.then(|| {
            Arc::new(Self {
                proxies: proxies.clone(),
            })
        })
    }

    /// Whether scopes of this client's connection may have to be changed.
    pub(crate) fn concerns(&self, client: Option<&Address>) -> bool {
        self.proxies.root_path.is_some() || self.trusts(client)
    }

    fn trusts(&self, client: Option<&Address>) -> bool {
        let Some(client) = client else { return false };
        // Behind the PROXY protocol such an address is what a header names: a socket of the proxy's machine, not of ours.
        let is_elsewhere =
            self.proxies.protocol == ProxyProtocol::Required && matches!(client, Address::Unix(_));
        let mut trusted = self.proxies.trusted.iter();
        !is_elsewhere && trusted.any(|network| network.has(client))
    }

    /// Changes the scope of a request of this connection.
    pub(crate) fn apply(&self, scope: &mut HttpScope, connection: &Arc<ConnectionInfo>) {
        // That of the request before may be there.
        scope.connection = Arc::clone(connection);
        if self.trusts(connection.client.as_ref()) {
            let said = forwarded::read(&scope.headers, self.proxies.fields, |ip| {
                self.proxies
                    .trusted
                    .iter()
                    .any(|network| network.has_ip(ip))
            });
            believe(said, scope);
        }
        if let Some(root) = &self.proxies.root_path {
            mount(scope, root);
        }
    }
}

/// Puts what a proxy has said into the scope.
fn believe(said: Said, scope: &mut HttpScope) {
    if said.client.is_some() || said.scheme.is_some() {
        let connection = Arc::make_mut(&mut scope.connection);
        match said.client {
            Some(forwarded::Client::At(address)) => connection.client = Some(Address::Tcp(address)),
            Some(forwarded::Client::Unknown) => connection.client = None,
            None => {}
        }
        if let Some(scheme) = said.scheme {
            connection.scheme = scheme;
        }
    }
    if let Some(host) = said.host {
        set_authority(scope, &host);
    }
}

/// Names another authority, where the request names its own: in its target, and in `Host`.
fn set_authority(scope: &mut HttpScope, authority: &Authority) {
    if let Ok(value) = HeaderValue::from_str(authority.as_str()) {
        scope.headers.insert(HOST, value);
    }
    if scope.uri.authority().is_some() && scope.uri.scheme().is_some() {
        let mut parts = scope.uri.clone().into_parts();
        parts.authority = Some(authority.clone());
        if let Ok(uri) = Uri::from_parts(parts) {
            scope.uri = uri;
        }
    }
}

/// Mounts the application at a path, which a proxy may have taken away from the request's.
fn mount(scope: &mut HttpScope, root: &RootPath) {
    let (path, root) = (scope.uri.path(), root.as_str());
    // `*` is no path, and CONNECT has none.
    if !path.starts_with('/') {
        return;
    }
    let is_below = path
        .strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !is_below {
        let Some(whole) = put_before(root, &scope.uri) else {
            return;
        };
        scope.uri = whole;
    }
    scope.mount(root.len());
}

fn put_before(root: &str, uri: &Uri) -> Option<Uri> {
    let target = uri.path_and_query()?.as_str();
    let mut whole = BytesMut::with_capacity(root.len() + target.len());
    whole.put_slice(root.as_bytes());
    whole.put_slice(target.as_bytes());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(whole)).ok()?);
    Uri::from_parts(parts).ok()
}

/// The scheme of this name, if it is one that proxies speak.
fn scheme(name: &str) -> Option<Scheme> {
    if name.eq_ignore_ascii_case("https") {
        Some(Scheme::HTTPS)
    } else if name.eq_ignore_ascii_case("http") {
        Some(Scheme::HTTP)
    } else {
        None
    }
}

/// An address that has no port gets none: 0.
const fn without_port(ip: std::net::IpAddr) -> SocketAddr {
    SocketAddr::new(ip, 0)
}

#[cfg(test)]
mod tests;
