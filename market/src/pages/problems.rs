//! Refusals as pages for those who look at pages: a middleware over the whole application, so that those of the router and of
//! other middleware are pages too.

use std::sync::Arc;

use app_router::Templates;
use gateway_spec::{
    AppError, Application, Connection, Done, Headers, HttpLayer, HttpSend, HttpTransport, Layered,
    Response, ResponseHead, SendError,
};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

/// Nothing but what this server sends is loaded, run, connected to or framed; nothing inline is run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Wraps the market: pages have their policy, and what is refused to a browser that asked for a page is a page. Where nobody is
/// logged in, it is the way to the login.
pub(crate) const fn pages_of_problems<A: Application>(app: A) -> Pages<A> {
    Pages { app }
}

pub(crate) struct Pages<A> {
    app: A,
}

impl<A: Application> Application for Pages<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        let Connection::Http(mut http) = connection else {
            return self.app.call(connection).await;
        };
        http.responder = http.responder.map_head(guard);
        let templates = http.scope.state.get::<Templates>();
        if let Some(templates) = templates.filter(|_| wants_pages(&http.scope.headers)) {
            let reads = http.scope.method == Method::GET;
            let (templates, at) = (
                templates.clone(),
                reads.then(|| http.scope.path().to_owned()),
            );
            http = http.map_transport(move |inner| {
                Arc::new(Layered(Paging {
                    inner,
                    templates,
                    at,
                }))
            });
        }
        self.app.call(Connection::Http(http)).await
    }
}

/// Browsers name pages first when they follow a link or send a form, and not when a script asks.
fn wants_pages(headers: &Headers) -> bool {
    headers
        .get_str(ACCEPT)
        .is_some_and(|accept| accept.starts_with("text/html"))
}

fn guard(head: &mut ResponseHead) {
    let is_page = is_of(&head.headers, "text/html");
    if is_page && !head.headers.contains(CONTENT_SECURITY_POLICY) {
        let mut add = |name: HeaderName, value| {
            head.headers.append(name, HeaderValue::from_static(value));
        };
        add(CONTENT_SECURITY_POLICY, POLICY);
        add(REFERRER_POLICY, "same-origin");
        add(X_CONTENT_TYPE_OPTIONS, "nosniff");
        // Who is logged in is seen on it.
        add(CACHE_CONTROL, "private, no-cache");
    }
}

fn is_of(headers: &Headers, media_type: &str) -> bool {
    headers
        .get_str(CONTENT_TYPE)
        .is_some_and(|named| named.starts_with(media_type))
}

/// Makes pages of problems.
struct Paging {
    inner: Arc<dyn HttpTransport>,
    templates: Templates,
    /// The path that is asked for, if it is only read.
    at: Option<String>,
}

impl HttpLayer for Paging {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        self.inner.send(match event {
            HttpSend::Start {
                head,
                body,
                more: false,
                trailers,
            } if is_of(&head.headers, "application/problem+json") => {
                let problem = serde_json::from_slice(&body).unwrap_or_default();
                let Response { head, body, .. } = self.page(head, &problem);
                HttpSend::Start {
                    head,
                    body,
                    more: false,
                    trailers,
                }
            }
            other => other,
        })
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    status: u16,
    title: &'a str,
    detail: &'a str,
    errors: Vec<&'a str>,
}

impl Paging {
    fn page(&self, head: ResponseHead, problem: &Value) -> Response {
        if let (StatusCode::UNAUTHORIZED, Some(at)) = (head.status, &self.at) {
            return self.to_login(at);
        }
        let text = |name: &str| problem[name].as_str().unwrap_or_default();
        let errors = problem["errors"].as_array();
        let shown = Shown {
            status: head.status.as_u16(),
            title: text("title"),
            detail: text("detail"),
            errors: errors
                .into_iter()
                .flatten()
                .filter_map(|error| error["detail"].as_str())
                .collect(),
        };
        let Ok(app_router::Html(page)) = self.templates.page("problem.html", &shown) else {
            return Response::from(head);
        };
        let mut response = Response::html(page).with_status(head.status);
        // What else the refusal said stays: when to come again, how to log in, the cookie of the session.
        for (name, value) in head.headers.iter() {
            let name = HeaderName::try_from(name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value))
                && name != CONTENT_TYPE
            {
                response = response.with_header(name, value);
            }
        }
        guard(&mut response.head);
        response
    }

    fn to_login(&self, at: &str) -> Response {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", at)
            .finish();
        let target = HeaderValue::try_from(format!("/login?{query}"));
        let target = target.unwrap_or_else(|_| HeaderValue::from_static("/login"));
        Response::from(StatusCode::SEE_OTHER).with_header(LOCATION, target)
    }
}
