//! What a socket carries.

use bytes::Bytes;

/// Text that is known to be UTF-8, cheaply cloned: a [`bytestring::ByteString`].
///
/// # Examples
///
/// ```
/// use gateway_spec::Text;
///
/// let text = Text::from_static("cheap to clone");
/// assert!(text.clone().starts_with("cheap"));
/// ```
pub type Text = bytestring::ByteString;

/// One whole message (WS-7). ASGI: `websocket.receive` and `websocket.send`.
///
/// # Examples
///
/// ```
/// use gateway_spec::Message;
///
/// assert_eq!(Message::from("hi"), Message::Text("hi".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(Text),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// The payload's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

impl From<&'static str> for Message {
    fn from(text: &'static str) -> Self {
        Self::Text(Text::from_static(text))
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}
