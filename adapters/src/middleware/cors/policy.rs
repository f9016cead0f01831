//! The rules as they are used: checked once, their fields made beforehand.

use std::fmt;

use gateway_spec::{Headers, HttpScope, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::origin::{is_same_site, serialized};
use super::rules::{Cors, Credentials, Kind, Names, Origins, PrivateNetwork, WebSockets};
use crate::middleware::stand_in::plain;
use crate::middleware::{BuildError, only};

pub(super) struct Policy {
    origins: Checked,
    /// Whether an answer may be another one for another origin.
    pub(super) varies: bool,
    credentials: Credentials,
    methods: Names,
    allow_methods: Option<HeaderValue>,
    headers: Names,
    allow_headers: Option<HeaderValue>,
    pub(super) expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    private_network: PrivateNetwork,
    websockets: WebSockets,
    /// What the answer to a preflight depends on.
    preflight_vary: Option<HeaderValue>,
}

enum Checked {
    Listed(Vec<HeaderValue>),
    Rule(Origins),
}

/// What an origin that may read the answer is told: its name, or `*`.
#[derive(Clone)]
pub(super) struct Allowed(HeaderValue);

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
pub(super) const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

impl Policy {
    pub(super) fn of(rules: Cors) -> Result<Self, BuildError> {
        check_together(&rules)?;
        let varies = !matches!(rules.origins, Origins::Any);
        let origins = match rules.origins {
            Origins::Listed(listed) if listed.is_empty() => {
                return Err(BuildError::new(
                    "no origin is allowed: list some by `origins`, or say `any_origin`",
                ));
            }
            Origins::Listed(listed) => {
                let origins = listed.iter().map(|origin| serialized(origin));
                Checked::Listed(origins.collect::<Result<_, _>>()?)
            }
            rule => Checked::Rule(rule),
        };
        let preflight_vary = [
            (varies, ORIGIN),
            (
                rules.methods.kind == Kind::Mirrored,
                ACCESS_CONTROL_REQUEST_METHOD,
            ),
            (
                rules.headers.kind == Kind::Mirrored,
                ACCESS_CONTROL_REQUEST_HEADERS,
            ),
            (
                rules.private_network == PrivateNetwork::Open,
                REQUEST_PRIVATE_NETWORK,
            ),
        ];
        let preflight_vary = preflight_vary
            .iter()
            .filter_map(|(depends, name)| depends.then_some(name.as_str()));
        Ok(Self {
            origins,
            varies,
            credentials: rules.credentials,
            allow_methods: list(rules.methods.all()),
            methods: rules.methods,
            allow_headers: list(rules.headers.all()),
            headers: rules.headers,
            expose: list(rules.expose.all()),
            max_age: rules
                .max_age
                .map(|max_age| HeaderValue::from(max_age.as_secs())),
            private_network: rules.private_network,
            websockets: rules.websockets,
            preflight_vary: list(preflight_vary),
        })
    }

    /// What a request's origin is told. For any origin that is the same for all requests, those without one included.
    pub(super) fn allow(&self, headers: &Headers) -> Option<Allowed> {
        if let Checked::Rule(Origins::Any) = self.origins {
            return Some(Allowed(HeaderValue::from_static("*")));
        }
        self.allow_origin(only(headers, &ORIGIN)?)
    }

    fn allow_origin(&self, origin: &[u8]) -> Option<Allowed> {
        let allows = match &self.origins {
            Checked::Listed(listed) => {
                let known = listed.iter().find(|known| known.as_bytes() == origin);
                return known.cloned().map(Allowed);
            }
            Checked::Rule(Origins::By(allows)) => allows(str::from_utf8(origin).ok()?),
            Checked::Rule(_) => true,
        };
        allows
            .then(|| HeaderValue::from_bytes(origin).ok().map(Allowed))
            .flatten()
    }

    /// Says that the answer may be read.
    pub(super) fn grant(&self, allowed: &Allowed, headers: &mut Headers) {
        headers.append(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.0.clone());
        if self.credentials == Credentials::Included {
            let yes = HeaderValue::from_static("true");
            headers.append(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }

    /// Answers a preflight.
    pub(super) fn preflight(&self, asked: &Headers) -> Response {
        let Some(allowed) = self.allow(asked) else {
            return self.with_preflight_vary(plain(StatusCode::FORBIDDEN));
        };
        let mut response = Response::from(StatusCode::NO_CONTENT);
        let headers = &mut response.head.headers;
        self.grant(&allowed, headers);
        let methods = match self.methods.kind {
            Kind::Mirrored => only(asked, &ACCESS_CONTROL_REQUEST_METHOD).and_then(method),
            Kind::Listed | Kind::Any => self.allow_methods.clone(),
        };
        let names = match self.headers.kind {
            Kind::Mirrored => only(asked, &ACCESS_CONTROL_REQUEST_HEADERS).and_then(field_names),
            Kind::Listed | Kind::Any => self.allow_headers.clone(),
        };
        let private = self.private_network == PrivateNetwork::Open
            && only(asked, &REQUEST_PRIVATE_NETWORK) == Some(b"true");
        let private = private.then(|| HeaderValue::from_static("true"));
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, methods),
            (ACCESS_CONTROL_ALLOW_HEADERS, names),
            (ACCESS_CONTROL_MAX_AGE, self.max_age.clone()),
            (ALLOW_PRIVATE_NETWORK, private),
        ] {
            if let Some(value) = value {
                headers.append(name, value);
            }
        }
        self.with_preflight_vary(response)
    }

    fn with_preflight_vary(&self, mut response: Response) -> Response {
        if let Some(vary) = &self.preflight_vary {
            response.head.headers.append(VARY, vary.clone());
        }
        response
    }

    /// Whether the handshake of a WebSocket is let in.
    pub(super) fn lets_in(&self, scope: &HttpScope) -> bool {
        if self.websockets == WebSockets::PassThrough || !scope.headers.contains(ORIGIN) {
            return true;
        }
        let Some(origin) = only(&scope.headers, &ORIGIN) else {
            return false;
        };
        is_same_site(origin, scope.authority()) || self.allow(&scope.headers).is_some()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Policy");
        match &self.origins {
            Checked::Listed(listed) => debug.field("origins", listed),
            Checked::Rule(rule) => debug.field("origins", rule),
        };
        debug
            .field("methods", &self.allow_methods)
            .field("headers", &self.allow_headers)
            .finish_non_exhaustive()
    }
}

/// Refuses what would not do what it says, or far more than that.
fn check_together(rules: &Cors) -> Result<(), BuildError> {
    let is_everybody = matches!(rules.origins, Origins::Any | Origins::Mirrored);
    if rules.credentials == Credentials::Included {
        if is_everybody {
            return Err(BuildError::new(
                "credentials for every origin would let every page on the web read what a user's cookies open: list the origins, or \
                 decide by `origins_by`",
            ));
        }
        for (names, star, instead) in [
            (
                &rules.methods,
                "any_method",
                "list them, or `mirror_method`",
            ),
            (
                &rules.headers,
                "any_header",
                "list them, or `mirror_headers`",
            ),
            (&rules.expose, "expose_any", "list them by `expose`"),
        ] {
            if names.kind == Kind::Any {
                return Err(BuildError::new(format!(
                    "`{star}` means nothing with credentials, for browsers take `*` for a name then: {instead}"
                )));
            }
        }
    }
    if rules.private_network == PrivateNetwork::Open && is_everybody {
        return Err(BuildError::new(
            "a private network that is open to every origin is open to every page on the web: list the origins, or decide by \
             `origins_by`",
        ));
    }
    Ok(())
}

impl Names {
    fn all(&self) -> impl Iterator<Item = &str> {
        let star = (self.kind == Kind::Any).then_some("*");
        star.into_iter()
            .chain(self.listed.iter().map(String::as_str))
    }
}

/// A field's value that lists these; none if there are none.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let names: Vec<&str> = names.collect();
    let value = HeaderValue::try_from(names.join(", ")).expect("names are tokens");
    (!value.is_empty()).then_some(value)
}

fn method(value: &[u8]) -> Option<HeaderValue> {
    let method = Method::from_bytes(value).ok()?;
    HeaderValue::from_str(method.as_str()).ok()
}

/// A list of names, as it was asked for: no more is looked at than that it can be nothing else.
fn field_names(value: &[u8]) -> Option<HeaderValue> {
    let is_list = value.iter().all(|byte| {
        byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte) || b", \t".contains(byte)
    });
    is_list
        .then(|| HeaderValue::from_bytes(value).ok())
        .flatten()
}
