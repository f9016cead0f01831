//! Which trailers a request's body may end with.

use gateway_spec::BodyError;
use hosting::may_be_trailer;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::request::is_padded;
use crate::settings::Limits;

/// Checks the trailers of a request as the `h2` crate gives them, by the rules for trailers of HTTP/1.1 (HTTP-6).
///
/// # Errors
///
/// [`BodyError::Malformed`]: there are more than [`Limits::trailer_fields`] or [`Limits::trailer_bytes`], a value begins or
/// ends with a space or a tab, or a field may be no trailer.
pub fn check_trailers(trailers: &HeaderMap, limits: &Limits) -> Result<(), BodyError> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + ": \r\n".len()
    };
    let fit = trailers.len() <= limits.trailer_fields
        && trailers.iter().map(line).sum::<usize>() <= limits.trailer_bytes
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

    #[test]
    fn trailers_have_bounds_and_rules() {
        let limits = Limits::default();
        let most = limits.trailer_fields;
        let long = "v".repeat(limits.trailer_bytes - "x-sum: \r\n".len());
        let longer = format!("{long}v");
        let malformed = Err(BodyError::Malformed);
        for (name, value, count, expected) in [
            ("x-sum", "1", most, Ok(())),
            ("x-sum", "1", most + 1, malformed),
            ("x-sum", "", 1, Ok(())),
            ("x-sum", &long, 1, Ok(())),
            ("x-sum", &longer, 1, malformed),
            ("x-sum", " 1", 1, malformed),
            ("x-sum", "1\t", 1, malformed),
            ("content-length", "1", 1, malformed),
        ] {
            let field = (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).expect("it is of letters"),
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
