//! Pages from templates in Jinja's language, by minijinja.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use crate::Html;

/// Templates that were compiled when the program started. Clones share them. FastAPI: `Jinja2Templates`.
///
/// What is put into a page is escaped for HTML, unless the template's name ends with `.txt`. A name that a template uses
/// and that is not given is an error, not nothing: a page with a hole is worse than none.
///
/// # Examples
///
/// ```
/// use app_router::{Html, Path, Router, TemplateError, Templates};
/// use bytes::Bytes;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let templates = Templates::new([
///     ("layout.html", "<title>{% block title %}{% endblock %}</title>"),
///     ("user.html", "{% extends 'layout.html' %}{% block title %}{{ name }}{% endblock %}"),
/// ])?;
///
/// #[derive(serde::Serialize)]
/// struct User { name: String }
///
/// let user = move |Path(name): Path<String>| {
///     let templates = templates.clone();
///     async move { templates.page("user.html", &User { name }) }
/// };
/// let app = Router::new().get("/user/{name}", user).build()?;
/// # let _ = app; Ok(()) }
/// ```
#[derive(Clone)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
}

/// Why a template is none, or a page could not be made. Answered with 500.
#[derive(Debug)]
pub struct TemplateError(minijinja::Error);

impl Templates {
    /// Compiles templates of these names: `include_str!` makes them part of the program.
    ///
    /// # Errors
    ///
    /// If one is not a template. The text names it and the line.
    pub fn new<N, T>(templates: impl IntoIterator<Item = (N, T)>) -> Result<Self, TemplateError>
    where
        N: Into<Cow<'static, str>>,
        T: Into<Cow<'static, str>>,
    {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| {
            if name.ends_with(".txt") {
                AutoEscape::None
            } else {
                AutoEscape::Html
            }
        });
        for (name, template) in templates {
            environment
                .add_template_owned(name, template)
                .map_err(TemplateError)?;
        }
        Ok(Self {
            environment: Arc::new(environment),
        })
    }

    /// Makes a page of a template and what it names.
    ///
    /// # Errors
    ///
    /// If there is no such template, or something that it names is missing.
    pub fn page(&self, name: &str, values: &impl Serialize) -> Result<Html<Bytes>, TemplateError> {
        self.text(name, values).map(|text| Html(text.into()))
    }

    /// Makes text of a template, as for a mail.
    ///
    /// # Errors
    ///
    /// As [`page`](Self::page).
    pub fn text(&self, name: &str, values: &impl Serialize) -> Result<String, TemplateError> {
        let template = self.environment.get_template(name).map_err(TemplateError)?;
        let values = minijinja::Value::from(minijinja::value::Serde(values));
        template.render(values).map_err(TemplateError)
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.environment.templates().map(|(name, _)| name))
            .finish()
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for TemplateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
