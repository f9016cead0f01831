//! Which trailers a request's body may end with.

use gateway_spec::BodyError;
use hosting::may_be_trailer;
use http::HeaderMap;

use super::request::is_padded;
use crate::settings::Limits;

/// Checks the trailers of a request as the `h2` crate gives them, by the rules for trailers of HTTP/1.1 (HTTP-6).
///
/// # Errors
///
/// [`BodyError::Malformed`]: there are more than [`Limits::header_fields`], a value begins or ends with a space or a tab,
/// or a field may be no trailer.
pub fn check_trailers(trailers: &HeaderMap, limits: &Limits) -> Result<(), BodyError> {
    let fit = trailers.len() <= limits.header_fields
        && trailers.keys().all(may_be_trailer)
        && !trailers.values().any(is_padded);
    if fit {
        Ok(())
    } else {
        Err(BodyError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn trailers_have_bounds_and_rules() {
        let limits = Limits::default();
        let most = limits.header_fields;
        let malformed = Err(BodyError::Malformed);
        for (name, value, count, expected) in [
            ("x-sum", "1", most, Ok(())),
            ("x-sum", "1", most + 1, malformed),
            ("x-sum", "", 1, Ok(())),
            ("x-sum", " 1", 1, malformed),
            ("x-sum", "1\t", 1, malformed),
            ("content-length", "1", 1, malformed),
        ] {
            let field = (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
            let mut trailers = HeaderMap::new();
            for (name, value) in std::iter::repeat_n(field, count) {
                trailers.append(name, value);
            }
            let checked = check_trailers(&trailers, &limits);
            assert_eq!(checked, expected, "{count} of {name}: {value:?}");
        }
    }
}
