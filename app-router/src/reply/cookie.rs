//! A cookie that an answer sets.

use std::time::Duration;

use gateway_spec::AppError;
use http::HeaderValue;
use http::header::SET_COOKIE;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{IntoReply, Operation, Reply};

/// A cookie that an answer sets (RFC 6265 section 4.1), beside the reply: `(SetCookie, Redirect)`. FastAPI: `response.set_cookie`.
///
/// Unless it says otherwise, it is sent with every path, is not for scripts to be seen (`HttpOnly`), is not sent from other sites but by
/// links (`SameSite=Lax`), and is forgotten when the browser is closed. The value may be any text: it is percent-encoded, as
/// [`Cookies`](crate::Cookies) decodes it. What nobody may change is a [session](crate::middleware::sessions()).
///
/// # Errors
///
/// A name, a path or a domain that a field cannot have is a 500.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use app_router::{Redirect, Router, SetCookie};
///
/// async fn dark() -> (SetCookie, Redirect) {
///     let theme = SetCookie::new("theme", "dark").for_scripts().lasting(Duration::from_secs(365 * 86_400));
///     (theme, Redirect::to("/"))
/// }
///
/// async fn plain() -> (SetCookie, Redirect) {
///     (SetCookie::removed("theme"), Redirect::to("/"))
/// }
/// # let _ = Router::new().post("/dark", dark).post("/plain", plain);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie {
    name: &'static str,
    value: String,
    path: &'static str,
    domain: Option<&'static str>,
    lasts: Option<Duration>,
    http_only: bool,
    secure: bool,
    same_site: SameSite,
}

/// With which requests of other sites a browser sends a cookie.
///
/// # Examples
///
/// ```
/// use app_router::{SameSite, SetCookie};
///
/// let embedded = SetCookie::new("widget", "7").same_site(SameSite::None);
/// # let _ = embedded;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SameSite {
    /// With none, links included.
    Strict,
    /// With those of links alone.
    #[default]
    Lax,
    /// With all. Browsers want it over TLS then, so it is [`secure`](SetCookie::secure) too.
    None,
}

/// What a value cannot have as it is (RFC 6265 section 4.1.1), and what encodes.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b',')
    .add(b';')
    .add(b'\\')
    .add(b'%');

impl SetCookie {
    /// A cookie of this name and this value.
    #[must_use]
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
            path: "/",
            domain: None,
            lasts: None,
            http_only: true,
            secure: false,
            same_site: SameSite::Lax,
        }
    }

    /// Has the browser forget a cookie, which it knows by its name, [path](Self::path) and [domain](Self::domain).
    #[must_use]
    pub fn removed(name: &'static str) -> Self {
        Self::new(name, "").lasting(Duration::ZERO)
    }

    /// Sets how long it lasts, in whole seconds, also when the browser is closed.
    #[must_use]
    pub const fn lasting(mut self, lasts: Duration) -> Self {
        self.lasts = Some(lasts);
        self
    }

    /// Has it sent with this path and those below it alone.
    #[must_use]
    pub const fn path(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    /// Has it sent to this host and those below it, not to the one alone that sets it.
    #[must_use]
    pub const fn domain(mut self, domain: &'static str) -> Self {
        self.domain = Some(domain);
        self
    }

    /// Lets the page's scripts see it.
    #[must_use]
    pub const fn for_scripts(mut self) -> Self {
        self.http_only = false;
        self
    }

    /// Has it sent over TLS alone.
    #[must_use]
    pub const fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// Sets with which requests of other sites it is sent.
    #[must_use]
    pub const fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    fn field(&self) -> Result<HeaderValue, AppError> {
        // A name is a token, and an attribute ends at the next one.
        let is_part = |text: &str| {
            text.bytes()
                .all(|byte| byte != b';' && !byte.is_ascii_control())
        };
        let is_name = http::HeaderName::from_bytes(self.name.as_bytes()).is_ok();
        if !is_name || !is_part(self.path) || !self.domain.is_none_or(is_part) {
            let text = format!("{:?} is no cookie that a field could set", self.name);
            return Err(AppError::message(text));
        }
        let value = utf8_percent_encode(&self.value, ENCODED);
        let mut field = format!("{}={value}; Path={}", self.name, self.path);
        if let Some(domain) = self.domain {
            field += &format!("; Domain={domain}");
        }
        if let Some(lasts) = self.lasts {
            field += &format!("; Max-Age={}", lasts.as_secs());
        }
        if self.http_only {
            field += "; HttpOnly";
        }
        if self.secure || self.same_site == SameSite::None {
            field += "; Secure";
        }
        field += match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        };
        Ok(HeaderValue::try_from(field)?)
    }
}

impl<T: IntoReply> IntoReply for (SetCookie, T) {
    fn into_reply(self) -> Result<Reply, AppError> {
        let field = self.0.field()?;
        Ok(self.1.into_reply()?.with_header(SET_COOKIE, field))
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_says_what_it_is_and_no_value_says_more() {
        let new = SetCookie::new;
        for (cookie, expected) in [
            (new("a", "b"), "a=b; Path=/; HttpOnly; SameSite=Lax"),
            (
                new("a", "x; Domain=evil\r\né \"%,\\="),
                "a=x%3B%20Domain=evil%0D%0A%C3%A9%20%22%25%2C%5C=; Path=/; HttpOnly; SameSite=Lax",
            ),
            (
                new("a", "b").path("/x").domain("shop.example").secure(),
                "a=b; Path=/x; Domain=shop.example; HttpOnly; Secure; SameSite=Lax",
            ),
            (
                new("a", "b").for_scripts().same_site(SameSite::Strict),
                "a=b; Path=/; SameSite=Strict",
            ),
            (
                new("a", "b")
                    .same_site(SameSite::None)
                    .lasting(Duration::from_millis(7900)),
                "a=b; Path=/; Max-Age=7; HttpOnly; Secure; SameSite=None",
            ),
            (
                SetCookie::removed("a"),
                "a=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
            ),
        ] {
            assert_eq!(cookie.field().unwrap(), expected);
        }
        for cookie in [
            new("", "b"),
            new("a b", ""),
            new("a;b", ""),
            new("a=b", ""),
            new("a", "").path("/;x"),
            new("a", "").domain("x\r\ny"),
        ] {
            assert!(cookie.field().is_err(), "{cookie:?}");
        }
    }
}
