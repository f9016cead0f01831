//! What a file's content is called, by the end of its name.

use std::collections::HashMap;

use http::HeaderValue;

/// Of what has no end that anybody knows: a client is not to guess.
const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The types of files.
#[derive(Debug, Clone)]
pub(super) struct ContentTypes {
    /// By extensions in lower case, before all else.
    own: HashMap<String, HeaderValue>,
    /// What is said of text.
    charset: Option<String>,
}

impl Default for ContentTypes {
    fn default() -> Self {
        Self {
            own: HashMap::new(),
            charset: Some(String::from("utf-8")),
        }
    }
}

impl ContentTypes {
    pub(super) fn set(&mut self, extension: &str, value: HeaderValue) {
        self.own.insert(extension.to_ascii_lowercase(), value);
    }

    pub(super) fn set_charset(&mut self, charset: Option<String>) {
        self.charset = charset;
    }

    pub(super) fn of(&self, extension: Option<&str>) -> HeaderValue {
        let Some(extension) = extension else {
            return UNKNOWN;
        };
        if let Some(own) = self.own.get(&extension.to_ascii_lowercase()) {
            return own.clone();
        }
        let known = match mime_guess::from_ext(extension).first_raw() {
            None => return UNKNOWN,
            // Modules have no other type than scripts (RFC 9239 section 6).
            Some("application/javascript") => "text/javascript",
            Some(known) => known,
        };
        match &self.charset {
            // JSON is UTF-8 and XML says what it is (RFC 8259 section 11, RFC 7303 section 8.1).
            Some(charset) if known.starts_with("text/") => {
                HeaderValue::try_from(format!("{known}; charset={charset}")).unwrap_or(UNKNOWN)
            }
            _ => HeaderValue::from_static(known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_in_them() {
        let types = ContentTypes::default();
        for (extension, expected) in [
            (Some("html"), "text/html; charset=utf-8"),
            (Some("HTML"), "text/html; charset=utf-8"),
            (Some("css"), "text/css; charset=utf-8"),
            (Some("js"), "text/javascript; charset=utf-8"),
            (Some("mjs"), "text/javascript; charset=utf-8"),
            (Some("txt"), "text/plain; charset=utf-8"),
            (Some("json"), "application/json"),
            (Some("svg"), "image/svg+xml"),
            (Some("png"), "image/png"),
            (Some("webp"), "image/webp"),
            (Some("avif"), "image/avif"),
            (Some("woff2"), "font/woff2"),
            (Some("wasm"), "application/wasm"),
            (Some("webmanifest"), "application/manifest+json"),
            (Some("pdf"), "application/pdf"),
            (Some("mp4"), "video/mp4"),
            (Some("gz"), "application/gzip"),
            (Some("no such"), "application/octet-stream"),
            (None, "application/octet-stream"),
        ] {
            assert_eq!(types.of(extension), expected, "{extension:?}");
        }
    }

    #[test]
    fn what_is_said_of_an_extension_counts_first() {
        let mut types = ContentTypes::default();
        types.set("Md", HeaderValue::from_static("text/markdown"));
        types.set_charset(None);
        assert_eq!(types.of(Some("mD")), "text/markdown");
        assert_eq!(types.of(Some("txt")), "text/plain");
    }
}
