//! What a handler may ask for: the trait, the request that extractors read, and tuples of them.

mod body;
mod json;
mod multipart;
mod parts;
mod text;
mod urlencoded;
mod values;

pub(crate) use self::text::boolean;
pub(crate) use self::values::cookies;

use std::future::Future;

use gateway_spec::AppError;
use http::StatusCode;

pub use self::body::{Body, Entered, Form};
pub use self::multipart::{Multipart, Upload};
pub use self::parts::{Client, FromState, LastEventId};
pub use self::values::{Cookies, HeaderFields, Path, Query};
use crate::depends::Unresolved;
use crate::request::NoBody;
use crate::{Operation, Rejection, RequestParts};

/// A value that is read from a request, so that a handler can ask for it by taking it.
///
/// | argument | is | fails with |
/// |---|---|---|
/// | [`Path<T>`] | the parameters of the path: one value, a tuple in their order, or a struct by name | 422 |
/// | [`Query<T>`] | the query, as a struct; a repeated key is a list | 422 |
/// | [`HeaderFields<T>`], [`Cookies<T>`] | fields of the head, cookies, as a struct | 422 |
/// | [`Json<T>`](crate::Json) | the body as JSON | 400, 413, 415, 422 |
/// | [`Form<T>`] | the body as a form | 400, 413, 415, 422 |
/// | [`Entered<T>`] | the same, what was typed with it, its mistakes left to the handler | 413, 415 |
/// | [`Multipart`] | the body as a form with files, part by part as it comes | 400, 413, 415 |
/// | `Bytes`, `String` | the body as it is | 413; 400 if it is no UTF-8 |
/// | [`Body`] | the body as a stream | - |
/// | [`FromState<T>`] | a clone of what the lifespan made | 500 |
/// | [`Depends<T>`](crate::Depends) | what a provider of the router gives | as the provider |
/// | [`Bearer`], [`Basic`], [`ApiKey<S>`] | what proves who asks | 401 |
/// | [`Client`], [`LastEventId`], [`RequestId`](adapters::middleware::RequestId) | who asks, and for what | - |
/// | [`Params`](crate::Params), `Scope`, `Method`, [`Request`](crate::Request) | the request itself | - |
/// | [`Teardown`](crate::Teardown), [`Background`](crate::Background) | what happens after the handler | - |
/// | `Result<T, Rejection>` | that of `T`, its failure left to the handler; what a provider refuses is answered all the same | - |
/// | a tuple of up to ten of these | all of them | all failures in one |
///
/// Values that serde reads keep the bounds that their type's schema has: `#[schemars(range(min = 1))]`,
/// `#[schemars(length(max = 80))]`, `#[schemars(regex(pattern = "^[a-z]+$"))]`. A `format` that is no range of integers is
/// in the document alone.
///
/// All arguments of a handler are read, and the failures of all are answered in one [`Rejection`], each with its place
/// in the request. The body can be read once, so at most one argument may; a router with a handler that takes it twice is
/// not built. FastAPI: the annotations of a path operation's parameters.
///
/// [`Bearer`]: crate::security::Bearer
/// [`Basic`]: crate::security::Basic
/// [`ApiKey<S>`]: crate::security::ApiKey
///
/// # Errors
///
/// [`Rejection`]s and [`Issue`](crate::Issue)s are what the client is told. Any other error is answered by the server.
///
/// # Examples
///
/// ```
/// use app_router::{Extract, Issue, Part, RequestParts};
/// use gateway_spec::AppError;
///
/// struct Tenant(String);
///
/// impl Extract for Tenant {
///     async fn extract(request: &RequestParts) -> Result<Self, AppError> {
///         match request.scope().headers.get_str("x-tenant") {
///             Some(name) => Ok(Self(name.to_owned())),
///             None => Err(Issue::new(Part::Header, "x-tenant", "is missing").with_kind("missing").into()),
///         }
///     }
/// }
///
/// async fn show(tenant: Tenant) -> String {
///     tenant.0
/// }
/// # let _ = app_router::Router::new().get("/", show);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a request",
    label = "not an extractor",
    note = "values of a request come in `Path<T>`, `Query<T>`, `HeaderFields<T>`, `Cookies<T>`, `Json<T>`, `Form<T>` and their like, and `T` implements `serde::Deserialize` and `schemars::JsonSchema`",
    note = "what a provider of the router makes comes in `Depends<T>`, what the lifespan made in `FromState<T>`"
)]
pub trait Extract: Sized + Send + 'static {
    /// Reads the value.
    ///
    /// # Errors
    ///
    /// If it is not there or not valid.
    fn extract(request: &RequestParts) -> impl Future<Output = Result<Self, AppError>> + Send;

    /// Says what it reads, for the check of the router and for its OpenAPI document. Nothing by default.
    fn describe(operation: &mut Operation) {
        let _ = operation;
    }
}

impl<T: Extract> Extract for Result<T, Rejection> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        match T::extract(request).await {
            Ok(value) => Ok(Ok(value)),
            Err(error) => Rejection::from_error(error).map(Err),
        }
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

/// Failures of several extractors as one: rejections are joined, and of other errors the first counts.
///
/// Every request carries it, and nearly none has one.
#[derive(Debug, Default)]
pub(crate) struct Failures(Option<Box<Failed>>);

#[derive(Debug, Default)]
struct Failed {
    rejection: Option<Rejection>,
    error: Option<AppError>,
    unresolved: Option<AppError>,
}

/// Whether something was not there that another failure took away.
fn is_unresolved(error: &AppError) -> bool {
    error
        .source()
        .is_some_and(|cause| cause.is::<Unresolved>() || cause.is::<NoBody>())
}

impl Failures {
    /// The value, or `None` with the failure kept. Nobody who is not known has a body read.
    #[inline]
    fn sort<T>(&mut self, result: Result<T, AppError>, request: &RequestParts) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if error.status_code() == StatusCode::UNAUTHORIZED {
                    request.drop_body();
                }
                self.add(error);
                None
            }
        }
    }

    #[cold]
    pub(crate) fn add(&mut self, error: AppError) {
        let failed = self.0.get_or_insert_default();
        match Rejection::from_error(error) {
            Ok(rejection) => {
                failed.rejection = Some(match failed.rejection.take() {
                    Some(earlier) => earlier.and(rejection),
                    None => rejection,
                });
            }
            // Why it was not made is a failure of its own.
            Err(error) if is_unresolved(&error) => failed.unresolved = Some(error),
            Err(error) => {
                failed.error.get_or_insert(error);
            }
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What they come to. An error that is the application's own fault hides what is the client's.
    #[cold]
    pub(crate) fn into_error(self) -> AppError {
        let failed = self.0.map(|failed| *failed).unwrap_or_default();
        let rejection = failed.rejection.map(AppError::from);
        let failure = failed.error.or(rejection).or(failed.unresolved);
        failure.unwrap_or_else(|| AppError::message("nothing failed"))
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {$(
        #[allow(non_snake_case, reason = "a variable for each type parameter")]
        impl<$($name: Extract),*> Extract for ($($name,)*) {
            #[allow(unused_mut, unused_variables, reason = "the empty tuple uses none")]
            async fn extract(request: &RequestParts) -> Result<Self, AppError> {
                let mut failures = Failures::default();
                $(let $name = failures.sort($name::extract(request).await, request);)*
                match ($($name,)*) {
                    ($(Some($name),)*) => Ok(($($name,)*)),
                    #[allow(unreachable_patterns, reason = "the empty tuple never fails")]
                    _ => Err(failures.into_error()),
                }
            }

            #[allow(unused_variables, reason = "the empty tuple uses none")]
            fn describe(operation: &mut Operation) {
                $($name::describe(operation);)*
            }
        }
    )*};
}
crate::handler::up_to_ten!(tuples);
