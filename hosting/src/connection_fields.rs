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

/// Whether a field of this name is one of [`CONNECTION_FIELDS`]; cheap to ask of each field that a response has.
#[must_use]
#[inline]
pub fn is_connection_field(name: &HeaderName) -> bool {
    match name.as_str().len() {
        7 | 10 | 16 | 17 => CONNECTION_FIELDS.contains(name),
        _ => false,
    }
}

/// Whether one of the fields of this name lists this option, in whatever case.
#[must_use]
pub fn lists(fields: &HeaderMap, name: HeaderName, option: &[u8]) -> bool {
    let mut options = fields
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    options.any(|listed| listed.trim_ascii().eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_connection_are_known_by_their_names() {
        assert!(CONNECTION_FIELDS.iter().all(is_connection_field));
        // As long as one of them.
        for name in [
            "x-other",
            "x-longer-7",
            "x-longer-than-it",
            "x-longer-than-it-",
        ] {
            assert!(
                !is_connection_field(&HeaderName::from_static(name)),
                "{name}"
            );
        }
    }
}
