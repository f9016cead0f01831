//! Sessions in a signed cookie: the browser keeps what the application remembers of it, and cannot change it.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use gateway_spec::{AppError, Application, Connection, Done, HttpScope, ResponseHead};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use http::header::SET_COOKIE;
use http::uri::Scheme;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::extract::cookies;
use crate::{Extract, RequestParts};

/// Gives each request a [`Session`], kept in a signed cookie. Starlette: `SessionMiddleware`.
///
/// The cookie can be read by whoever has it, and changed by nobody without the key: put no secrets into it. It is for
/// scripts not to be seen (`HttpOnly`), not sent from other sites but by links (`SameSite=Lax`), and over TLS alone where
/// the request came by it or [`secure`](Sessions::secure) says so. It lasts for two weeks from its last change. A cookie
/// that is not ours, was changed or is too old is as none.
///
/// There is nothing on the server to end a session by: who must be able to shut somebody out keeps a number in the
/// session, and looks it up.
///
/// # Examples
///
/// ```
/// use app_router::Router;
/// use app_router::middleware::{Session, SessionKey, SessionTooLarge, sessions};
///
/// async fn count(session: Session) -> Result<String, SessionTooLarge> {
///     let visits = session.get::<u64>("visits").unwrap_or(0) + 1;
///     session.set("visits", visits)?;
///     Ok(format!("visit {visits}"))
/// }
///
/// let key = SessionKey::from_secret(&[7; 32]).unwrap();
/// let app = sessions(Router::new().get("/", count).build().unwrap(), key);
/// # let _ = app;
/// ```
pub fn sessions<A: Application>(app: A, key: SessionKey) -> Sessions<A> {
    Sessions {
        app,
        keys: Arc::new(vec![key]),
        name: "session",
        lasts: Duration::from_secs(14 * 24 * 60 * 60),
        secure: false,
    }
}

/// The application that [`sessions`] makes.
pub struct Sessions<A> {
    app: A,
    /// The first signs, all are believed.
    keys: Arc<Vec<SessionKey>>,
    name: &'static str,
    lasts: Duration,
    secure: bool,
}

/// What signs cookies, and tells whether it has signed one.
#[derive(Clone)]
pub struct SessionKey {
    mac: Hmac<Sha256>,
}

/// A secret that is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadKey;

/// A session that no longer fits into a cookie: browsers keep 4096 bytes (RFC 6265 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTooLarge;

impl SessionKey {
    /// A key of a secret of at least 32 bytes, which should be random.
    ///
    /// # Errors
    ///
    /// If it has less.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::middleware::{BadKey, SessionKey};
    ///
    /// assert!(SessionKey::from_secret(b"password").is_err());
    /// ```
    pub fn from_secret(secret: &[u8]) -> Result<Self, BadKey> {
        // Less than the hash's own length makes it no harder to guess than the secret is.
        if secret.len() < 32 {
            return Err(BadKey);
        }
        let mac = Hmac::new_from_slice(secret).map_err(|_| BadKey)?;
        Ok(Self { mac })
    }

    fn sign(&self, name: &str, payload: &str) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        // So that a cookie of one name is none of another that has the same key.
        mac.update(name.as_bytes());
        mac.update(b"=");
        mac.update(payload.as_bytes());
        mac
    }
}

impl<A> Sessions<A> {
    /// Believes cookies of an older key too, while new ones are signed by the first: so keys can be changed.
    #[must_use]
    pub fn or_signed_by(mut self, older: SessionKey) -> Self {
        Arc::make_mut(&mut self.keys).push(older);
        self
    }

    /// Sets the cookie's name; `session` otherwise.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets how long a session lasts after its last change, in whole seconds.
    #[must_use]
    pub const fn lasting(mut self, lasts: Duration) -> Self {
        self.lasts = lasts;
        self
    }

    /// Has browsers send the cookie over TLS alone, whatever the request came by: for servers behind a proxy that does TLS.
    #[must_use]
    pub const fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    fn begin(&self, scope: &mut HttpScope) -> Session {
        let session = self.read(scope);
        scope.extensions.insert(session.clone());
        session
    }

    fn read(&self, scope: &HttpScope) -> Session {
        let mut ours = cookies(&scope.headers).filter(|(name, _)| *name == self.name);
        let values = ours.find_map(|(_, value)| self.checked(&value));
        Session {
            values: Arc::new(Mutex::new(Values {
                existed: values.is_some(),
                map: values.unwrap_or_default(),
                changed: false,
            })),
        }
    }

    /// What a cookie says, if we have signed it and it is not too old.
    fn checked(&self, cookie: &str) -> Option<Map<String, Value>> {
        let (payload, signature) = cookie.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_signed = |key: &SessionKey| {
            key.sign(self.name, payload)
                .verify_slice(&signature)
                .is_ok()
        };
        if !self.keys.iter().any(is_signed) {
            return None;
        }
        let stored: Stored = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        (now() < stored.until).then_some(stored.values)
    }
}

/// What is in a cookie.
#[derive(Serialize, Deserialize)]
struct Stored<T = Map<String, Value>> {
    /// Seconds since 1970.
    until: u64,
    values: T,
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Sets the cookie of a session that was changed.
struct Storing {
    session: Session,
    keys: Arc<Vec<SessionKey>>,
    name: &'static str,
    lasts: Duration,
    secure: bool,
}

impl Storing {
    fn store(&self, head: &mut ResponseHead) {
        let values = self.session.lock();
        if !values.changed || (values.map.is_empty() && !values.existed) {
            return;
        }
        let mut cookie = Cookie::new(self.name, String::new());
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        if self.secure {
            cookie.set_secure(true);
        }
        let mut lasts = 0;
        if !values.map.is_empty() {
            lasts = self.lasts.as_secs();
            let stored = Stored {
                until: now().saturating_add(lasts),
                values: &values.map,
            };
            let Ok(json) = serde_json::to_vec(&stored) else {
                return;
            };
            let payload = URL_SAFE_NO_PAD.encode(json);
            let signature = self.keys[0]
                .sign(self.name, &payload)
                .finalize()
                .into_bytes();
            cookie.set_value(format!("{payload}.{}", URL_SAFE_NO_PAD.encode(signature)));
        }
        let field = format!("{cookie}; Max-Age={lasts}");
        // The name is the application's, and all else is ASCII: one that is no field sets no cookie.
        if let Ok(field) = HeaderValue::try_from(field) {
            head.headers.append(SET_COOKIE, field);
        }
    }
}

impl<A: Application> Application for Sessions<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(mut http) => {
                let session = self.begin(http.scope.edit());
                let storing = Storing {
                    session,
                    keys: Arc::clone(&self.keys),
                    name: self.name,
                    lasts: self.lasts,
                    secure: self.secure || http.scope.connection.scheme == Scheme::HTTPS,
                };
                http.responder = http.responder.map_head(move |head| storing.store(head));
                self.app.call(Connection::Http(http)).await
            }
            Connection::WebSocket(mut socket) => {
                self.begin(socket.scope.edit());
                self.app.call(Connection::WebSocket(socket)).await
            }
            other => self.app.call(other).await,
        }
    }
}

/// What the application remembers of a browser. Clones are the same session.
///
/// Changes are kept if they were made before the answer's head was sent. Those of a WebSocket's handler are not: there is
/// no answer to set a cookie by.
///
/// # Examples
///
/// See [`sessions`].
#[derive(Debug, Clone)]
pub struct Session {
    values: Arc<Mutex<Values>>,
}

#[derive(Debug)]
struct Values {
    map: Map<String, Value>,
    /// Whether the browser has a cookie of ours.
    existed: bool,
    changed: bool,
}

/// Bytes that values may have as JSON: two thirds of what a cookie has room for, as they are written in base64, without
/// the signature, the name and the attributes.
const MAX_BYTES: usize = 2816;

impl Session {
    /// The value of this name, if there is one of this type.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let values = self.lock();
        T::deserialize(values.map.get(name)?).ok()
    }

    /// Sets a value. One that JSON cannot hold is `null`.
    ///
    /// # Errors
    ///
    /// If the session would no longer fit into a cookie. It stays as it was.
    pub fn set(
        &self,
        name: impl Into<String>,
        value: impl Serialize,
    ) -> Result<(), SessionTooLarge> {
        let (name, value) = (name.into(), serde_json::to_value(value).unwrap_or_default());
        let mut values = self.lock();
        let before = values.map.insert(name.clone(), value);
        let size = serde_json::to_vec(&values.map).map_or(usize::MAX, |json| json.len());
        if size <= MAX_BYTES {
            values.changed = true;
            return Ok(());
        }
        match before {
            Some(before) => values.map.insert(name, before),
            None => values.map.remove(&name),
        };
        Err(SessionTooLarge)
    }

    /// Removes a value.
    pub fn remove(&self, name: &str) {
        let mut values = self.lock();
        values.changed |= values.map.remove(name).is_some();
    }

    /// Removes all values, and with them the cookie: for a logout.
    pub fn clear(&self) {
        let mut values = self.lock();
        values.map.clear();
        values.changed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Extract for Session {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let session = request.scope().extensions.get::<Self>().cloned();
        session.ok_or_else(|| {
            AppError::message("there are no sessions: wrap the application in `sessions`")
        })
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the secret has less than 32 bytes")
    }
}

impl Error for BadKey {}

impl fmt::Display for SessionTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session does not fit into a cookie")
    }
}

impl Error for SessionTooLarge {}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for Sessions<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("name", &self.name)
            .field("lasts", &self.lasts)
            .finish_non_exhaustive()
    }
}
