//! What a client is told of a request that was not served: problem details (RFC 9457), with a place for each mistake.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use gateway_spec::{AppError, Response, ResponseHead};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Issue, Step};

/// A request that cannot be served, through the client's fault: a status and what the client is told, as
/// `application/problem+json` (RFC 9457).
///
/// It turns into an [`AppError`] by `?`. An error that is none is answered by the server, which tells the client its
/// status and nothing else. FastAPI: `HTTPException`, and `RequestValidationError` where it has [issues](Self::with_issue).
///
/// # Examples
///
/// An application's own errors become rejections in one place:
///
/// ```
/// use app_router::{Params, Rejection};
/// use gateway_spec::AppError;
/// use http::StatusCode;
///
/// enum ShopError {
///     SoldOut { left: u32 },
/// }
///
/// impl From<ShopError> for AppError {
///     fn from(error: ShopError) -> Self {
///         match error {
///             ShopError::SoldOut { left } => {
///                 Rejection::new(StatusCode::CONFLICT, format!("only {left} are left"))
///                     .with_type("https://shop.example/problems/sold-out")
///                     .with_member("left", left)
///                     .into()
///             }
///         }
///     }
/// }
///
/// async fn buy(_: Params) -> Result<&'static str, ShopError> {
///     Err(ShopError::SoldOut { left: 12 })
/// }
/// # let _ = app_router::Router::new().post("/buy/{count}", buy);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    problem: Box<Problem>,
}

#[derive(Debug, Clone, PartialEq)]
struct Problem {
    status: StatusCode,
    kind: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    instance: Option<String>,
    issues: Vec<Issue>,
    members: Map<String, Value>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Rejection {
    /// A rejection with this status and this text for the client, which is the `detail` of the problem.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut rejection = Self::of(status);
        rejection.problem.detail = Some(detail.into());
        rejection
    }

    /// A rejection with this status, which says all.
    #[must_use]
    pub fn of(status: StatusCode) -> Self {
        Self {
            problem: Box::new(Problem {
                status,
                kind: None,
                title: None,
                detail: None,
                instance: None,
                issues: Vec::new(),
                members: Map::new(),
                fields: Vec::new(),
            }),
        }
    }

    /// A request that was understood, with values that cannot be: 422 with the first of its [issues](Self::with_issue).
    #[must_use]
    pub fn invalid(issue: Issue) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the request has values that are not valid",
        )
        .with_issue(issue)
    }

    /// Sets the `type`: an address that names this kind of problem for programs. Without, it is `about:blank`, and the
    /// status says what it is.
    #[must_use]
    pub fn with_type(mut self, address: impl Into<Cow<'static, str>>) -> Self {
        self.problem.kind = Some(address.into());
        self
    }

    /// Sets the `title`: what this kind of problem is called. Without, it is the status in words.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.problem.title = Some(title.into());
        self
    }

    /// Sets the `instance`: the address of this one occurrence.
    #[must_use]
    pub fn with_instance(mut self, address: impl Into<String>) -> Self {
        self.problem.instance = Some(address.into());
        self
    }

    /// Adds a mistake in one place of the request, as an entry of `errors`.
    #[must_use]
    pub fn with_issue(mut self, issue: Issue) -> Self {
        self.problem.issues.push(issue);
        self
    }

    /// Adds a member of one's own to the document. One that JSON cannot hold is `null`; the members of the RFC are set by
    /// the other methods and win.
    #[must_use]
    pub fn with_member(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.problem.members.insert(name.into(), value);
        self
    }

    /// Adds a field to the response, such as `WWW-Authenticate`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.problem.fields.push((name, value));
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.problem.status
    }

    /// The text for the client.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.problem.detail.as_deref()
    }

    /// The mistakes, place by place.
    #[must_use]
    pub fn issues(&self) -> &[Issue] {
        &self.problem.issues
    }

    /// The response.
    #[must_use]
    pub fn into_response(self) -> Response {
        let document = self.document();
        let Problem { status, fields, .. } = *self.problem;
        let head = ResponseHead::new(status).with_header(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        let mut response = Response::from(head);
        for (name, value) in fields {
            response = response.with_header(name, value);
        }
        response.body = serde_json::to_vec(&document)
            .expect("values are valid JSON, and memory takes them")
            .into();
        response
    }

    fn document(&self) -> Value {
        let Problem {
            status,
            kind,
            title,
            detail,
            instance,
            issues,
            members,
            ..
        } = &*self.problem;
        let mut document = members.clone();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                document.insert(name.to_owned(), value);
            }
        };
        let text = |text: &Cow<'static, str>| Value::from(&**text);
        set("type", kind.as_ref().map(text));
        set(
            "title",
            title
                .as_ref()
                .map(text)
                .or_else(|| status.canonical_reason().map(Value::from)),
        );
        set("status", Some(status.as_u16().into()));
        set("detail", detail.as_ref().map(text));
        set("instance", instance.as_deref().map(Value::from));
        if !issues.is_empty() {
            set("errors", serde_json::to_value(issues).ok());
        }
        document.into()
    }

    /// The response that an error stands for, if it is a rejection.
    pub(crate) fn response_of(error: &AppError) -> Option<Response> {
        let cause = error.source()?.downcast_ref::<Cause>()?;
        Some(cause.0.clone().into_response())
    }

    /// The rejection that an error is, or the error.
    ///
    /// # Errors
    ///
    /// The error, if it is none.
    pub fn from_error(error: AppError) -> Result<Self, AppError> {
        match error
            .source()
            .and_then(|cause| cause.downcast_ref::<Cause>())
        {
            Some(cause) => Ok(cause.0.clone()),
            None => Err(error),
        }
    }

    /// Both at once: all issues, and of the statuses the one that says more than 422. Who is not known is told that, and
    /// nothing of what else is wrong.
    #[must_use]
    pub(crate) fn and(mut self, mut other: Self) -> Self {
        let is_unknown = |rejection: &Self| rejection.status() == StatusCode::UNAUTHORIZED;
        match (is_unknown(&self), is_unknown(&other)) {
            (true, true) => {
                self.problem.fields.append(&mut other.problem.fields);
                return self;
            }
            (true, false) => return self,
            (false, true) => return other,
            (false, false) => {}
        }
        let mut issues = std::mem::take(&mut self.problem.issues);
        issues.append(&mut other.problem.issues);
        let mut both = match self.status() {
            StatusCode::UNPROCESSABLE_ENTITY => other,
            _ => self,
        };
        both.problem.issues = issues;
        both
    }
}

// `Rejection` itself is no `Error`, so that this conversion can keep its status.
impl From<Rejection> for AppError {
    fn from(rejection: Rejection) -> Self {
        Self::status(rejection.status()).with_source(Cause(rejection))
    }
}

impl From<Issue> for AppError {
    fn from(issue: Issue) -> Self {
        Rejection::invalid(issue).into()
    }
}

/// A rejection as the cause of an [`AppError`].
#[derive(Debug)]
struct Cause(Rejection);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = &self.0.problem;
        match &problem.detail {
            Some(detail) => f.write_str(detail)?,
            None => write!(f, "{}", problem.status)?,
        }
        for issue in &problem.issues {
            write!(f, "; {issue}")?;
        }
        Ok(())
    }
}

impl Error for Cause {}

impl JsonSchema for Rejection {
    fn schema_name() -> Cow<'static, str> {
        "Problem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let steps = generator.subschema_for::<Vec<Step>>();
        json_schema!({
            "type": "object",
            "description": "What was wrong with a request (RFC 9457).",
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "instance": {"type": "string", "format": "uri-reference"},
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "location": steps,
                            "kind": {"type": "string"},
                            "detail": {"type": "string"},
                        },
                        "required": ["location", "kind", "detail"],
                    },
                },
            },
            "required": ["status"],
        })
    }
}
