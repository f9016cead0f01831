//! The files of the pages: part of the program, each with its tag.

use app_router::{Router, route};
use gateway_spec::Scope;

use crate::tagged;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, content type, content.
const FILES: [(&str, &str, &str); 5] = [
    (
        "/market.css",
        "text/css; charset=utf-8",
        include_str!("../assets/market.css"),
    ),
    ("/market.js", SCRIPT, include_str!("../assets/market.js")),
    ("/forms.js", SCRIPT, include_str!("../assets/forms.js")),
    ("/live.js", SCRIPT, include_str!("../assets/live.js")),
    (
        "/favicon.svg",
        "image/svg+xml",
        include_str!("../assets/favicon.svg"),
    ),
];

/// A route for each file.
pub(crate) fn assets() -> Router {
    let mut router = Router::new();
    for (path, content_type, content) in FILES {
        let tag = tagged::tag_of(content.as_bytes());
        let file = move |scope: Scope| {
            let response = if tagged::is_known(&scope.headers, &tag) {
                tagged::not_modified(&tag)
            } else {
                tagged::response(content_type, content, &tag)
            };
            async move { response }
        };
        router = router.get(path, route(file).hidden());
    }
    router
}
