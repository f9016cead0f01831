//! How clients prove who they are: schemes as the OpenAPI document has them, and extractors that read what was sent.
//!
//! | extractor | reads | without it, 401 with |
//! |---|---|---|
//! | [`Bearer`], [`Bearer<S>`] | `Authorization: Bearer ..` | `WWW-Authenticate: Bearer realm=".."` (RFC 6750) |
//! | [`Basic`], [`Basic<S>`] | `Authorization: Basic ..` | `WWW-Authenticate: Basic realm="..", charset="UTF-8"` (RFC 7617) |
//! | [`ApiKey<S>`] | a field of the head, a parameter of the query, or a cookie | `WWW-Authenticate: ApiKey realm="..", in=".."` |
//! | `Option<C>` of one of these | the same, `None` if nothing was sent | - |
//! | [`Either<A, B>`] | the first that was sent | both challenges |
//!
//! `S` is a type of the application's own that implements [`Security`]: it names the scheme and says what it is, OAuth 2.0
//! and OpenID Connect included. An extractor reads the credential and nothing more: whether it is good, a provider decides
//! ([`Depends`](crate::Depends)). A route shows the schemes of its handler's arguments and of all providers that it
//! needs. FastAPI: `fastapi.security`.
//!
//! # Examples
//!
//! ```
//! use app_router::security::{Bearer, NeededScopes, OAuthFlow, Security, SecurityScheme};
//! use app_router::{Depends, Json, OpenApi, Rejection, Router, route};
//!
//! struct Login;
//!
//! impl Security for Login {
//!     const NAME: &'static str = "login";
//!     const SCHEME: SecurityScheme = SecurityScheme::OAuth2(&[OAuthFlow::password("/token")
//!         .scopes(&[("items:read", "See items."), ("items:write", "Change items.")])]);
//! }
//!
//! struct User {
//!     name: String,
//! }
//!
//! async fn user(token: Bearer<Login>, needed: NeededScopes) -> Result<Depends<User>, Rejection> {
//!     // Where tokens are signed, their signature is checked here.
//!     let (name, granted) = match token.as_str() {
//!         "ada" => ("Ada", &["items:read"][..]),
//!         _ => return Err(token.refuse("the token is not known")),
//!     };
//!     needed.check(granted)?;
//!     Ok(Depends::new(User { name: name.to_owned() }))
//! }
//!
//! async fn me(user: Depends<User>) -> Json<String> {
//!     Json(user.name.clone())
//! }
//!
//! let app = Router::new()
//!     .openapi(OpenApi::new("Shop", "1.0"))
//!     .provide(user)
//!     .get("/me", route(me).scope("items:read"))
//!     .build();
//! # app.unwrap();
//! ```

mod credential;
mod scopes;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Part;

pub use self::credential::{AnyBasic, AnyBearer, ApiKey, Basic, Bearer, Credential, Either};
pub use self::scopes::NeededScopes;
pub(crate) use self::scopes::check;

/// A way to prove who one is, as a type of the application's own that is never made: the document names it once, however
/// many routes need it.
///
/// # Examples
///
/// ```
/// use app_router::Part;
/// use app_router::security::{ApiKey, Security, SecurityScheme};
///
/// struct Machine;
///
/// impl Security for Machine {
///     const NAME: &'static str = "machine";
///     const SCHEME: SecurityScheme = SecurityScheme::ApiKey { part: Part::Header, name: "x-api-key" };
///     const DESCRIPTION: &'static str = "For programs; ask the operator for one.";
/// }
///
/// async fn report(key: ApiKey<Machine>) -> String {
///     format!("a key of {} characters", key.as_str().len())
/// }
/// # let _ = app_router::Router::new().get("/report", report);
/// ```
pub trait Security: Send + Sync + 'static {
    /// What the document calls it, and the realm of its challenge: ASCII letters, digits, `.`, `-` and `_`. One name is one
    /// scheme in all of a router.
    const NAME: &'static str;
    /// What it is.
    const SCHEME: SecurityScheme;
    /// What people are told of it, in Markdown.
    const DESCRIPTION: &'static str = "";
}

/// The kinds of [`Security`] (OpenAPI 3.1 section 4.8.27). Mutual TLS is none of them: it is settled before there is a
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecurityScheme {
    /// A token in `Authorization`; the format is for people, such as `JWT`.
    Bearer {
        /// How the token is made; empty if nobody has to know.
        format: &'static str,
    },
    /// A name and a password in `Authorization`. Only over TLS.
    Basic,
    /// A secret in the [`Header`](Part::Header), the [`Query`](Part::Query) or a [`Cookie`](Part::Cookie).
    ApiKey {
        /// Where it is.
        part: Part,
        /// The field, the parameter or the cookie.
        name: &'static str,
    },
    /// A token in `Authorization` that is had by one of these flows of OAuth 2.0, of each at most one.
    OAuth2(&'static [OAuthFlow]),
    /// A token in `Authorization` that is had as the document at this address says (OpenID Connect Discovery).
    OpenIdConnect(&'static str),
}

/// How a client comes to a token of OAuth 2.0 (RFC 6749 section 1.3). Addresses may be relative to the document.
///
/// # Examples
///
/// ```
/// use app_router::security::OAuthFlow;
///
/// const FLOW: OAuthFlow = OAuthFlow::authorization_code("https://login.example/authorize", "https://login.example/token")
///     .refresh("https://login.example/refresh")
///     .scopes(&[("read", "See everything.")]);
/// # let _ = FLOW;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OAuthFlow {
    grant: &'static str,
    authorization_url: Option<&'static str>,
    token_url: Option<&'static str>,
    refresh_url: Option<&'static str>,
    scopes: &'static [(&'static str, &'static str)],
}

impl OAuthFlow {
    /// The client sends the user's name and password as a [`PasswordForm`]: for an application's own page alone.
    #[must_use]
    pub const fn password(token_url: &'static str) -> Self {
        Self::new("password", None, Some(token_url))
    }

    /// The client asks for itself, with a secret of its own.
    #[must_use]
    pub const fn client_credentials(token_url: &'static str) -> Self {
        Self::new("clientCredentials", None, Some(token_url))
    }

    /// The user is sent to a page that comes back with a code, and the client changes it for a token.
    #[must_use]
    pub const fn authorization_code(
        authorization_url: &'static str,
        token_url: &'static str,
    ) -> Self {
        Self::new(
            "authorizationCode",
            Some(authorization_url),
            Some(token_url),
        )
    }

    const fn new(
        grant: &'static str,
        authorization_url: Option<&'static str>,
        token_url: Option<&'static str>,
    ) -> Self {
        Self {
            grant,
            authorization_url,
            token_url,
            refresh_url: None,
            scopes: &[],
        }
    }

    /// Sets where a token is made new.
    #[must_use]
    pub const fn refresh(mut self, url: &'static str) -> Self {
        self.refresh_url = Some(url);
        self
    }

    /// Sets the scopes that a token may have, each with what it allows.
    #[must_use]
    pub const fn scopes(mut self, scopes: &'static [(&'static str, &'static str)]) -> Self {
        self.scopes = scopes;
        self
    }

    fn document(&self) -> Value {
        let scopes = self
            .scopes
            .iter()
            .map(|(name, what)| ((*name).to_owned(), (*what).into()));
        let mut flow = json!({ "scopes": scopes.collect::<Map<String, Value>>() });
        for (name, url) in [
            ("authorizationUrl", self.authorization_url),
            ("tokenUrl", self.token_url),
            ("refreshUrl", self.refresh_url),
        ] {
            if let Some(url) = url {
                flow[name] = url.into();
            }
        }
        flow
    }
}

/// What a client sends for a token in OAuth 2.0's password flow (RFC 6749 section 4.3.2), as a
/// [`Form`](crate::Form). FastAPI: `OAuth2PasswordRequestForm`.
///
/// # Examples
///
/// ```
/// use app_router::security::PasswordForm;
/// use app_router::{Form, Json, Rejection};
/// use http::StatusCode;
/// use serde::Serialize;
///
/// #[derive(Serialize, schemars::JsonSchema)]
/// struct Token {
///     access_token: String,
///     token_type: &'static str,
/// }
///
/// async fn token(Form(form): Form<PasswordForm>) -> Result<Json<Token>, Rejection> {
///     if form.username != "ada" || form.password != "secret" {
///         return Err(Rejection::new(StatusCode::BAD_REQUEST, "the user or the password is wrong"));
///     }
///     Ok(Json(Token { access_token: form.username, token_type: "bearer" }))
/// }
/// # let _ = app_router::Router::new().post("/token", token);
/// ```
#[derive(Clone, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct PasswordForm {
    /// `password`, if the client says it.
    #[schemars(regex(pattern = "^password$"))]
    pub grant_type: Option<String>,
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
    /// The scopes that are asked for, with spaces between.
    #[serde(default)]
    pub scope: String,
    /// The client's name, if it has one.
    pub client_id: Option<String>,
    /// The client's secret, if it has one.
    pub client_secret: Option<String>,
}

impl PasswordForm {
    /// The scopes one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_ascii_whitespace()
    }
}

// A password is nothing for a log.
impl std::fmt::Debug for PasswordForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordForm")
            .field("username", &self.username)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A scheme by its name: what [`Credential::schemes`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedScheme {
    pub(crate) name: &'static str,
    pub(crate) scheme: SecurityScheme,
    description: &'static str,
}

impl NamedScheme {
    /// The scheme of a type.
    #[must_use]
    pub const fn of<S: Security>() -> Self {
        const {
            assert!(
                is_name(S::NAME),
                "a name has ASCII letters, digits, `.`, `-` and `_`"
            )
        };
        Self {
            name: S::NAME,
            scheme: S::SCHEME,
            description: S::DESCRIPTION,
        }
    }

    /// The scheme object (OpenAPI 3.1 section 4.8.27).
    pub(crate) fn document(&self) -> Value {
        let mut scheme = match self.scheme {
            SecurityScheme::Bearer { format: "" } => json!({"type": "http", "scheme": "bearer"}),
            SecurityScheme::Bearer { format } => {
                json!({"type": "http", "scheme": "bearer", "bearerFormat": format})
            }
            SecurityScheme::Basic => json!({"type": "http", "scheme": "basic"}),
            SecurityScheme::ApiKey { part, name } => {
                json!({"type": "apiKey", "in": part.to_string(), "name": name})
            }
            SecurityScheme::OAuth2(flows) => {
                let flows = flows
                    .iter()
                    .map(|flow| (flow.grant.to_owned(), flow.document()));
                json!({"type": "oauth2", "flows": flows.collect::<Map<String, Value>>()})
            }
            SecurityScheme::OpenIdConnect(url) => {
                json!({"type": "openIdConnect", "openIdConnectUrl": url})
            }
        };
        if !self.description.is_empty() {
            scheme["description"] = self.description.into();
        }
        scheme
    }

    /// Whether it is a token, which may have scopes.
    const fn is_token(&self) -> bool {
        matches!(
            self.scheme,
            SecurityScheme::Bearer { .. }
                | SecurityScheme::OAuth2(_)
                | SecurityScheme::OpenIdConnect(_)
        )
    }

    /// The scopes that it knows; `None` if only others know them.
    fn known_scopes(&self) -> Option<impl Iterator<Item = &'static str>> {
        match self.scheme {
            SecurityScheme::OAuth2(flows) => Some(
                flows
                    .iter()
                    .flat_map(|flow| flow.scopes.iter().map(|(name, _)| *name)),
            ),
            _ => None,
        }
    }
}

const fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut n = 0;
    while n < bytes.len() {
        if !(bytes[n].is_ascii_alphanumeric() || matches!(bytes[n], b'.' | b'-' | b'_')) {
            return false;
        }
        n += 1;
    }
    n > 0
}

/// What an operation asks for: one of these, or nothing if it is optional.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub(crate) any_of: Vec<NamedScheme>,
    pub(crate) is_optional: bool,
}

/// The security requirements of an operation: each object is a way to be let in, and needs all that it names (OpenAPI 3.1
/// section 4.8.30).
pub(crate) fn requirements(demands: &[Demand], scopes: &[&'static str]) -> Vec<Value> {
    let mut ways: Vec<Map<String, Value>> = vec![Map::new()];
    for demand in demands {
        let mut next: Vec<Map<String, Value>> = Vec::new();
        for way in ways {
            if demand.is_optional {
                next.push(way.clone());
            }
            for scheme in &demand.any_of {
                let mut way = way.clone();
                let scopes = if scheme.is_token() { scopes } else { &[] };
                way.insert(scheme.name.to_owned(), scopes.into());
                next.push(way);
            }
        }
        next.dedup();
        ways = next;
    }
    ways.into_iter().map(Value::from).collect()
}
