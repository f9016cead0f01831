//! Extractors of credentials: what a client sent to prove who it is, not yet checked.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_spec::{AppError, Headers};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use super::{Demand, NamedScheme, Security, SecurityScheme};
use crate::extract::cookies;
use crate::request::only;
use crate::{Extract, Operation, Part, Rejection, RequestParts};

/// What proves who asks: a [`Bearer`], a [`Basic`], an [`ApiKey`], one [`Either`] the other, or a type of one's own. An
/// `Option` of each is an [extractor](Extract), too.
///
/// # Examples
///
/// ```
/// use app_router::security::{Basic, Credential};
///
/// async fn greet(login: Option<Basic>) -> String {
///     login.map_or_else(|| "Hello.".to_owned(), |login| format!("Hello, {}?", login.user()))
/// }
/// # fn assert<C: Credential>() {}
/// # assert::<Basic>();
/// # let _ = app_router::Router::new().get("/", greet);
/// ```
pub trait Credential: Sized + Send + 'static {
    /// What the request has; `None` if it has none of this kind.
    ///
    /// # Errors
    ///
    /// A 401 if it has one that nobody can read.
    fn read(request: &RequestParts) -> Result<Option<Self>, Rejection>;

    /// The schemes that it may be of.
    fn schemes() -> Vec<NamedScheme>;

    /// What a client is told that sent none, each to be a `WWW-Authenticate` (RFC 9110 section 11.6.1).
    fn challenges() -> Vec<HeaderValue>;
}

/// The rejection of who sent no credential, or none that is good.
fn unknown<C: Credential>(detail: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    C::challenges().into_iter().fold(
        Rejection::new(StatusCode::UNAUTHORIZED, detail),
        |rejection, challenge| rejection.with_header(WWW_AUTHENTICATE, challenge),
    )
}

fn required<C: Credential>(request: &RequestParts) -> Result<C, AppError> {
    let read = C::read(request)?;
    read.ok_or_else(|| unknown::<C>("the request does not say who sends it").into())
}

fn describe<C: Credential>(operation: &mut Operation, is_optional: bool) {
    let any_of = C::schemes();
    operation.demands(Demand {
        any_of,
        is_optional,
    });
}

impl<C: Credential> Extract for Option<C> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        Ok(C::read(request)?)
    }

    fn describe(operation: &mut Operation) {
        describe::<C>(operation, true);
    }
}

/// The token in `Authorization: Bearer ..` (RFC 6750 section 2.1), of any of the schemes that have one.
///
/// # Examples
///
/// See [the module](super).
pub struct Bearer<S = AnyBearer> {
    token: String,
    scheme: PhantomData<fn() -> S>,
}

/// The name and the password in `Authorization: Basic ..` (RFC 7617), in UTF-8.
///
/// # Examples
///
/// ```
/// use app_router::security::Basic;
/// use app_router::{Depends, Rejection};
///
/// struct Admin;
///
/// async fn admin(login: Basic) -> Result<Depends<Admin>, Rejection> {
///     if login.user() == "root" && login.has_password("secret") {
///         Ok(Depends::new(Admin))
///     } else {
///         Err(login.refuse("the user or the password is wrong"))
///     }
/// }
/// # let _ = app_router::Router::new().provide(admin);
/// ```
pub struct Basic<S = AnyBasic> {
    user: String,
    password: String,
    scheme: PhantomData<fn() -> S>,
}

/// A secret in a field of the head, a parameter of the query, or a cookie.
///
/// No such scheme of challenges is registered, and a 401 must have one (RFC 9110 section 15.5.2): it is called `ApiKey`, and
/// says where the key is to be.
///
/// # Examples
///
/// See [`Security`].
pub struct ApiKey<S> {
    key: String,
    scheme: PhantomData<fn() -> S>,
}

/// The first credential if it was sent, or else the second. The document shows both ways.
///
/// # Examples
///
/// ```
/// use app_router::security::{Basic, Bearer, Either};
///
/// async fn who(sent: Either<Bearer, Basic>) -> String {
///     match sent {
///         Either::First(token) => format!("a token of {} characters", token.as_str().len()),
///         Either::Second(login) => format!("the password of {}", login.user()),
///     }
/// }
/// # let _ = app_router::Router::new().get("/who", who);
/// ```
#[derive(Debug)]
pub enum Either<A, B> {
    /// The first was sent.
    First(A),
    /// The second was, and not the first.
    Second(B),
}

/// The scheme of a [`Bearer`] that names none: `bearer`.
#[derive(Debug)]
pub enum AnyBearer {}

/// The scheme of a [`Basic`] that names none: `basic`.
#[derive(Debug)]
pub enum AnyBasic {}

impl Security for AnyBearer {
    const NAME: &'static str = "bearer";
    const SCHEME: SecurityScheme = SecurityScheme::Bearer { format: "" };
}

impl Security for AnyBasic {
    const NAME: &'static str = "basic";
    const SCHEME: SecurityScheme = SecurityScheme::Basic;
}

macro_rules! extractors {
    ($(($($parameter:ident: $bound:ident),*) $type:ty;)*) => {$(
        impl<$($parameter: $bound),*> Extract for $type {
            async fn extract(request: &RequestParts) -> Result<Self, AppError> {
                required(request)
            }

            fn describe(operation: &mut Operation) {
                describe::<Self>(operation, false);
            }
        }

        impl<$($parameter: $bound),*> $type {
            /// The rejection of a client whose credential is not good: 401 with the challenge.
            #[must_use]
            pub fn refuse(&self, detail: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
                unknown::<Self>(detail)
            }
        }
    )*};
}
extractors! {
    (S: Security) Bearer<S>;
    (S: Security) Basic<S>;
    (S: Security) ApiKey<S>;
    (A: Credential, B: Credential) Either<A, B>;
}

/// Whether two secrets are the same. What is compared are digests, so that its time tells nothing of how much was right.
fn is_same(sent: &str, secret: &str) -> bool {
    Sha256::digest(sent) == Sha256::digest(secret)
}

/// What follows the name of a scheme in `Authorization`, if it is that scheme's.
fn authorization<'a>(headers: &'a Headers, scheme: &str) -> Option<&'a str> {
    // Of two, nobody knows which one was checked before it came here.
    let (name, credential) = only(headers, &AUTHORIZATION)??.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then(|| credential.trim())
}

fn challenge(text: String) -> Vec<HeaderValue> {
    // A name has no characters that a field could not have.
    HeaderValue::try_from(text).into_iter().collect()
}

impl<S: Security> Bearer<S> {
    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// Whether it is this secret; how long that takes says nothing of it.
    #[must_use]
    pub fn is(&self, secret: &str) -> bool {
        is_same(&self.token, secret)
    }
}

impl<S: Security> Credential for Bearer<S> {
    fn read(request: &RequestParts) -> Result<Option<Self>, Rejection> {
        let Some(token) = authorization(&request.scope().headers, "bearer") else {
            return Ok(None);
        };
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let body = token.trim_end_matches('=');
        if body.is_empty() || !body.bytes().all(is_part) {
            return Err(unknown::<Self>("the token has characters that none has"));
        }
        Ok(Some(Self {
            token: token.to_owned(),
            scheme: PhantomData,
        }))
    }

    fn schemes() -> Vec<NamedScheme> {
        const {
            let scheme = NamedScheme::of::<S>();
            assert!(scheme.is_token(), "the scheme of a `Bearer` has tokens");
        }
        vec![NamedScheme::of::<S>()]
    }

    fn challenges() -> Vec<HeaderValue> {
        challenge(format!("Bearer realm=\"{}\"", S::NAME))
    }
}

impl<S: Security> Basic<S> {
    /// The name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Whether this is the password; how long that takes says nothing of it.
    #[must_use]
    pub fn has_password(&self, secret: &str) -> bool {
        is_same(&self.password, secret)
    }
}

impl<S: Security> Credential for Basic<S> {
    fn read(request: &RequestParts) -> Result<Option<Self>, Rejection> {
        let Some(sent) = authorization(&request.scope().headers, "basic") else {
            return Ok(None);
        };
        let text = STANDARD.decode(sent).ok();
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let pair = text.as_deref().and_then(|text| text.split_once(':'));
        let Some((user, password)) = pair else {
            let detail = "the credential is no name and password, joined by `:` and in Base64";
            return Err(unknown::<Self>(detail));
        };
        Ok(Some(Self {
            user: user.to_owned(),
            password: password.to_owned(),
            scheme: PhantomData,
        }))
    }

    fn schemes() -> Vec<NamedScheme> {
        const {
            let is_basic = matches!(S::SCHEME, SecurityScheme::Basic);
            assert!(
                is_basic,
                "the scheme of a `Basic` is `SecurityScheme::Basic`"
            );
        }
        vec![NamedScheme::of::<S>()]
    }

    fn challenges() -> Vec<HeaderValue> {
        challenge(format!("Basic realm=\"{}\", charset=\"UTF-8\"", S::NAME))
    }
}

impl<S: Security> ApiKey<S> {
    const PLACE: (Part, &'static str) = match S::SCHEME {
        SecurityScheme::ApiKey {
            part: part @ (Part::Header | Part::Query | Part::Cookie),
            name,
        } => (part, name),
        _ => panic!(
            "the scheme of an `ApiKey` is `SecurityScheme::ApiKey`, in the header, the query or a cookie"
        ),
    };

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// Whether it is this secret; how long that takes says nothing of it.
    #[must_use]
    pub fn is(&self, secret: &str) -> bool {
        is_same(&self.key, secret)
    }
}

impl<S: Security> Credential for ApiKey<S> {
    fn read(request: &RequestParts) -> Result<Option<Self>, Rejection> {
        let scope = request.scope();
        let (part, wanted) = Self::PLACE;
        let key = match part {
            Part::Query => {
                let query = scope.query().unwrap_or_default();
                let mut pairs = form_urlencoded::parse(query.as_bytes());
                pairs
                    .find(|(name, _)| name == wanted)
                    .map(|(_, key)| key.into_owned())
            }
            Part::Cookie => {
                let mut pairs = cookies(&scope.headers);
                pairs
                    .find(|(name, _)| name == wanted)
                    .map(|(_, key)| key.into_owned())
            }
            _ => {
                let mut keys = scope.headers.get_all(wanted);
                let key = keys.next().and_then(|key| std::str::from_utf8(key).ok());
                key.filter(|_| keys.next().is_none()).map(str::to_owned)
            }
        };
        // A field left empty is none.
        let key = key.filter(|key| !key.is_empty());
        Ok(key.map(|key| Self {
            key,
            scheme: PhantomData,
        }))
    }

    fn schemes() -> Vec<NamedScheme> {
        let _ = Self::PLACE;
        vec![NamedScheme::of::<S>()]
    }

    fn challenges() -> Vec<HeaderValue> {
        let (part, name) = Self::PLACE;
        challenge(format!(
            "ApiKey realm=\"{}\", in=\"{part}\", name=\"{name}\"",
            S::NAME
        ))
    }
}

impl<A: Credential, B: Credential> Credential for Either<A, B> {
    fn read(request: &RequestParts) -> Result<Option<Self>, Rejection> {
        if let Some(first) = A::read(request)? {
            return Ok(Some(Self::First(first)));
        }
        Ok(B::read(request)?.map(Self::Second))
    }

    fn schemes() -> Vec<NamedScheme> {
        [A::schemes(), B::schemes()].concat()
    }

    fn challenges() -> Vec<HeaderValue> {
        [A::challenges(), B::challenges()].concat()
    }
}

// Secrets are nothing for a log.
impl<S: Security> fmt::Debug for Bearer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({} ..)", S::NAME)
    }
}

impl<S: Security> fmt::Debug for Basic<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Basic({} {:?} ..)", S::NAME, self.user)
    }
}

impl<S: Security> fmt::Debug for ApiKey<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({} ..)", S::NAME)
    }
}
