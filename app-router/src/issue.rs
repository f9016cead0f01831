//! One mistake in a request, and where it is.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// The part of a request that a value is of.
///
/// # Examples
///
/// ```
/// use app_router::Part;
///
/// assert_eq!(Part::Query.to_string(), "query");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A parameter of the path.
    Path,
    /// The query.
    Query,
    /// A field of the head.
    Header,
    /// A cookie.
    Cookie,
    /// The body.
    Body,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Body => "body",
        })
    }
}

/// A step from a document to a value within it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Step {
    /// A member of an object, a parameter, a field.
    Name(String),
    /// A place in a list.
    Index(usize),
}

impl From<&str> for Step {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// One mistake, and where it is.
///
/// In the document it is an entry of `errors`: `{"location": ["body", "items", 0, "price"], "kind": "type", "detail": ".."}`.
/// FastAPI: an entry of `detail` with `loc`, `type` and `msg`.
///
/// # Examples
///
/// ```
/// use app_router::{Issue, Part};
///
/// let issue = Issue::new(Part::Query, "until", "it is before `since`").with_kind("order");
/// assert_eq!(issue.to_string(), "query.until: it is before `since`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    part: Part,
    path: Vec<Step>,
    kind: Cow<'static, str>,
    detail: Cow<'static, str>,
}

impl Issue {
    /// A mistake in a named value of a part of the request.
    #[must_use]
    pub fn new(part: Part, name: impl Into<Step>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::at(part, vec![name.into()], "value", detail)
    }

    /// A mistake of this kind at the end of a path.
    pub(crate) fn at(
        part: Part,
        path: Vec<Step>,
        kind: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            part,
            path,
            kind: kind.into(),
            detail: detail.into(),
        }
    }

    /// The same where the first step is the name that the client knows.
    pub(crate) fn named(mut self, name: impl Fn(&str) -> String) -> Self {
        if let Some(Step::Name(first)) = self.path.first_mut() {
            *first = name(first);
        }
        self
    }

    /// Adds a step to the place: the mistake is within what was named so far.
    #[must_use]
    pub fn within(mut self, step: impl Into<Step>) -> Self {
        self.path.push(step.into());
        self
    }

    /// Sets the kind, a word for programs; `value` otherwise. Those of the extractors: `missing`, `type`, `enum`, `syntax`,
    /// and the keywords of JSON Schema, such as `minimum`.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<Cow<'static, str>>) -> Self {
        self.kind = kind.into();
        self
    }

    /// The part of the request.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// The way from the part to the value.
    #[must_use]
    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The text for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl Serialize for Issue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entry<'a> {
            location: Vec<Step>,
            kind: &'a str,
            detail: &'a str,
        }
        let part = Step::Name(self.part.to_string());
        Entry {
            location: std::iter::once(part)
                .chain(self.path.iter().cloned())
                .collect(),
            kind: &self.kind,
            detail: &self.detail,
        }
        .serialize(serializer)
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        for step in &self.path {
            match step {
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        write!(f, ": {}", self.detail)
    }
}
