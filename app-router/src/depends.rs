//! Dependencies: values that handlers share and providers make, each at most once a request.

mod graph;
mod provider;
mod resolve;

use std::any::{Any, TypeId};
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use gateway_spec::AppError;

pub(crate) use self::graph::{Graph, Plan};
pub use self::provider::{Made, Provider, ProviderEndpoint};
pub(crate) use self::resolve::resolve;
use crate::{Extract, Operation, RequestParts};

/// A value that a provider of the router makes for this request.
///
/// A provider is a function of extractors, other `Depends` among them, that returns `Depends<T>` or a `Result` of it. It is
/// found by the type that it makes. For one request:
///
/// - each is called at most once, whoever needs it, and all get the same value;
/// - those that do not need each other run at the same time; one that is a plain `fn` runs in the router's pool, and
///   waits for others without holding a thread of it;
/// - [`Teardown`](crate::Teardown) undoes, in reverse order;
/// - one that fails stops what is not begun, and its error is answered.
///
/// A router is not built if something is needed that nothing provides, if two providers make one type, or if some need
/// each other in a circle. In tests, [`Routes::with_override`](crate::Routes::with_override) puts another provider in
/// the place of one. FastAPI: `Depends`, with its cache, `yield` and `dependency_overrides`.
///
/// # Examples
///
/// ```
/// use app_router::{Depends, HeaderFields, Rejection, Router};
/// use http::StatusCode;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Credentials {
///     authorization: Option<String>,
/// }
///
/// struct User {
///     name: String,
/// }
///
/// async fn user(HeaderFields(sent): HeaderFields<Credentials>) -> Result<Depends<User>, Rejection> {
///     match sent.authorization.as_deref() {
///         Some("Bearer secret") => Ok(Depends::new(User { name: String::from("ada") })),
///         _ => Err(Rejection::of(StatusCode::UNAUTHORIZED)),
///     }
/// }
///
/// async fn me(user: Depends<User>) -> String {
///     user.name.clone()
/// }
///
/// let app = Router::new().provide(user).get("/me", me).build();
/// # app.unwrap();
/// ```
pub struct Depends<T: ?Sized>(Arc<T>);

impl<T> Depends<T> {
    /// A value of this request.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// A value that is shared already, with other requests too.
    #[must_use]
    pub const fn shared(value: Arc<T>) -> Self {
        Self(value)
    }

    /// The shared value.
    #[must_use]
    pub fn into_shared(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> Clone for Depends<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Depends<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Depends<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Depends").field(&&*self.0).finish()
    }
}

impl<T: Send + Sync + 'static> Extract for Depends<T> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        match request.resolved.get(TypeId::of::<T>()) {
            Some(value) => match value.downcast() {
                Ok(value) => Ok(Self(value)),
                Err(_) => Err(Unresolved(std::any::type_name::<T>()).into()),
            },
            None => Err(Unresolved(std::any::type_name::<T>()).into()),
        }
    }

    fn describe(operation: &mut Operation) {
        operation.needs::<T>();
    }
}

/// A dependency that was not made, because something that it needs was not, or because an extractor did not say that it
/// needs it.
#[derive(Debug)]
pub(crate) struct Unresolved(&'static str);

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` was not made: an extractor that reads it does not say so in `describe`",
            self.0
        )
    }
}

impl Error for Unresolved {}

/// A value whose type is erased.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// The scopes that a route asks for, among the values of its requests: one that has none carries nothing for them.
#[derive(Debug)]
pub(crate) struct Scopes(pub(crate) Vec<&'static str>);

/// The values of one request, as they are made.
#[derive(Default)]
pub(crate) struct Resolved {
    values: Vec<(TypeId, OnceLock<Value>)>,
}

impl Resolved {
    /// Room for what a plan makes.
    pub(crate) fn of(plan: &Plan) -> Self {
        let scopes = plan.scopes.clone();
        let scopes = scopes.map(|scopes| (TypeId::of::<Scopes>(), OnceLock::from(scopes as Value)));
        let steps = plan.steps.iter();
        let steps = steps.map(|step| (step.id, OnceLock::new()));
        Self {
            values: steps.chain(scopes).collect(),
        }
    }

    /// The scopes that the route asks for.
    pub(crate) fn scopes(&self) -> Option<Arc<Scopes>> {
        self.get(TypeId::of::<Scopes>())?.downcast().ok()
    }

    fn get(&self, id: TypeId) -> Option<Value> {
        let (_, value) = self.values.iter().find(|(known, _)| *known == id)?;
        value.get().cloned()
    }

    fn set(&self, step: usize, value: Value) {
        // Each step is run once.
        let _ = self.values[step].1.set(value);
    }
}
