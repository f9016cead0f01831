//! The fields by which a message says how its connection goes on (RFC 9110 section 7.6.1).

use http::header::{CONNECTION, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};

/// Fields of a response that are the server's to say and not the application's (HTTP-23).
pub const CONNECTION_FIELDS: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether one of the fields of this name lists this option, in whatever case.
#[must_use]
pub fn lists(fields: &HeaderMap, name: HeaderName, option: &[u8]) -> bool {
    let mut options = fields
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    options.any(|listed| listed.trim_ascii().eq_ignore_ascii_case(option))
}
