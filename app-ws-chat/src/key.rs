//! What makes somebody a moderator, or the host.

use sha2::{Digest, Sha256};

use crate::message::Rank;
use crate::protocol::Token;
use crate::refusal::Refusal;

/// The shortest token, in bytes: with fewer it could be guessed, at one try a second and connection.
pub const TOKEN_BYTES: usize = 16;

/// The tokens of the moderators and of the host. Without one there are none of the kind.
///
/// # Examples
///
/// ```
/// use app_ws_chat::{Chat, Keys};
///
/// let keys = Keys::default()
///     .with_moderators("the moderators' token")?
///     .with_host("the host's own token")?;
/// let chat = Chat::new().with_keys(keys);
/// # let _ = chat;
/// # Ok::<(), app_ws_chat::ShortToken>(())
/// ```
#[derive(Debug, Default)]
pub struct Keys {
    moderators: Option<Lock>,
    host: Option<Lock>,
}

/// A token's digest. Comparing digests takes a time that says nothing about the token.
#[derive(Debug, Eq, PartialEq)]
struct Lock([u8; 32]);

impl Lock {
    fn new(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// That a token has fewer than 16 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ShortToken;

impl std::fmt::Display for ShortToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a token needs at least {TOKEN_BYTES} bytes")
    }
}

impl std::error::Error for ShortToken {}

impl Keys {
    /// Who joins with this token is a moderator.
    ///
    /// # Errors
    ///
    /// [`ShortToken`].
    pub fn with_moderators(self, token: &str) -> Result<Self, ShortToken> {
        let moderators = Some(lock(token)?);
        Ok(Self { moderators, ..self })
    }

    /// Who asks `/admin` with this token is answered.
    ///
    /// # Errors
    ///
    /// [`ShortToken`].
    pub fn with_host(self, token: &str) -> Result<Self, ShortToken> {
        let host = Some(lock(token)?);
        Ok(Self { host, ..self })
    }

    /// What somebody with this token may do.
    pub(crate) fn rank(&self, token: Option<&Token>) -> Result<Rank, Refusal> {
        match token {
            None => Ok(Rank::Guest),
            Some(token) if fits(self.moderators.as_ref(), token.0.as_bytes()) => {
                Ok(Rank::Moderator)
            }
            Some(_) => Err(Refusal::Token),
        }
    }

    /// Whether there is a host at all.
    pub(crate) const fn has_host(&self) -> bool {
        self.host.is_some()
    }

    /// Whether an `Authorization` field is the host's.
    pub(crate) fn is_host(&self, authorization: &[u8]) -> bool {
        match authorization.split_at_checked(BEARER.len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(BEARER) => {
                fits(self.host.as_ref(), token.trim_ascii())
            }
            _ => false,
        }
    }
}

const BEARER: &[u8] = b"bearer ";

fn lock(token: &str) -> Result<Lock, ShortToken> {
    let long = token.len() >= TOKEN_BYTES;
    long.then(|| Lock::new(token.as_bytes())).ok_or(ShortToken)
}

fn fits(lock: Option<&Lock>, token: &[u8]) -> bool {
    lock.is_some_and(|lock| *lock == Lock::new(token))
}

#[cfg(test)]
mod tests {
    use super::{Keys, ShortToken};
    use crate::message::Rank;
    use crate::protocol::Token;
    use crate::refusal::Refusal;

    const MODERATORS: &str = "moderators, sixteen";
    const HOST: &str = "host, sixteen bytes";

    #[test]
    fn each_token_opens_its_own_door() {
        let keys = Keys::default().with_moderators(MODERATORS);
        let keys = keys.and_then(|keys| keys.with_host(HOST)).unwrap();
        let rank = |token: &str| keys.rank(Some(&Token(token.into())));
        assert_eq!(keys.rank(None), Ok(Rank::Guest));
        assert_eq!(rank(MODERATORS), Ok(Rank::Moderator));
        assert_eq!(rank(HOST), Err(Refusal::Token));
        let fields = [
            (format!("Bearer {HOST}"), true),
            (format!("bearer  {HOST}"), true),
            (format!("Basic {HOST}"), false),
            (format!("Bearer {MODERATORS}"), false),
            (HOST.to_owned(), false),
            (String::new(), false),
        ];
        for (field, expected) in fields {
            assert_eq!(keys.is_host(field.as_bytes()), expected, "{field}");
        }
    }

    #[test]
    fn without_a_token_nothing_fits() {
        let keys = Keys::default();
        assert_eq!(keys.rank(Some(&Token("".into()))), Err(Refusal::Token));
        assert!(!keys.is_host(b"Bearer "));
        let short = Keys::default().with_host("fifteen bytes..");
        assert_eq!(short.unwrap_err(), ShortToken);
    }
}
