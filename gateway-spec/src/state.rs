//! What an application makes at startup and finds again in every scope.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A typed map, built once when the application starts and shared by reference with every scope (LIFE-5).
///
/// A value is found by its type. A `State` may itself be a value, so a mount keeps one for each of its children.
/// ASGI: the `state` namespace of the lifespan scope, without the copy for each request.
///
/// # Examples
///
/// ```
/// use gateway_spec::State;
///
/// struct Greeting(&'static str);
///
/// let state = State::new().with(Greeting("hello")).with(7_u64);
/// assert_eq!(state.get::<Greeting>().unwrap().0, "hello");
/// assert_eq!(state.get::<u64>(), Some(&7));
/// assert_eq!(state.get::<String>(), None);
/// ```
#[derive(Clone, Default)]
pub struct State {
    // Nothing is allocated for the applications that keep no state.
    values: Option<Arc<HashMap<TypeId, Value>>>,
}

#[derive(Clone)]
struct Value {
    value: Arc<dyn Any + Send + Sync>,
    name: &'static str,
}

impl State {
    /// A state with nothing in it.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: None }
    }

    /// Adds a value; one of the same type is replaced.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        let values = Arc::make_mut(self.values.get_or_insert_default());
        values.insert(
            TypeId::of::<T>(),
            Value {
                value: Arc::new(value),
                name: type_name::<T>(),
            },
        );
        self
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.values
            .as_ref()?
            .get(&TypeId::of::<T>())?
            .value
            .downcast_ref()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.as_ref().is_none_or(|values| values.is_empty())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.iter().flat_map(|values| values.values());
        f.debug_set()
            .entries(values.map(|value| value.name))
            .finish()
    }
}
