//! Extractors of what is beside path, query and body: who asks, what the lifespan made, the request itself.

use std::any::type_name;

use adapters::middleware::RequestId;
use gateway_spec::{Address, AppError, Scope};
use http::Method;

use crate::{Extract, Operation, Params, RequestParts};

/// A clone of the value of this type that the lifespan put into the router's state. Make what is large cheap to clone, as
/// an `Arc`.
///
/// # Errors
///
/// 500 if there is none: the application's mistake.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use app_router::{FromState, Router};
/// use gateway_spec::{AppError, Done, Lifespan, State};
///
/// struct Database { name: &'static str }
///
/// async fn life(lifespan: Lifespan) -> Result<Done, AppError> {
///     let database = Arc::new(Database { name: "items" });
///     let running = lifespan.started(State::new().with(database));
///     running.shutdown_requested().await;
///     Ok(running.stopped())
/// }
///
/// async fn name(FromState(database): FromState<Arc<Database>>) -> &'static str {
///     database.name
/// }
/// # let _ = Router::new().lifespan(life).get("/name", name);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromState<T>(pub T);

/// The address of the client, as the server tells it; `None` if it does not know one.
///
/// # Examples
///
/// ```
/// use app_router::Client;
///
/// async fn who(Client(address): Client) -> String {
///     format!("{address:?}")
/// }
/// # let _ = app_router::Router::new().get("/who", who);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client(pub Option<Address>);

/// The last event that a client of server-sent events has (`Last-Event-ID`), if it has one: where to go on.
///
/// # Examples
///
/// ```
/// use app_router::{Event, LastEventId, Sse};
///
/// async fn events(LastEventId(last): LastEventId) -> Sse {
///     let first = last.and_then(|id| id.parse::<u64>().ok()).map_or(0, |id| id + 1);
///     Sse::produce(async move |events| {
///         for n in first..first + 10 {
///             events.send(Event::data(n).with_id(n)).await?;
///         }
///         Ok(())
///     })
/// }
/// # let _ = app_router::Router::new().get("/events", events);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastEventId(pub Option<String>);

impl<T: Clone + Send + Sync + 'static> Extract for FromState<T> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        match request.scope().state.get::<T>() {
            Some(value) => Ok(Self(value.clone())),
            None => Err(AppError::message(format!(
                "the state has no `{}`: the lifespan did not put one there, or the router is mounted below another",
                type_name::<T>()
            ))),
        }
    }
}

impl Extract for Client {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        Ok(Self(request.scope().connection.client.clone()))
    }
}

impl Extract for LastEventId {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let id = request.scope().headers.get_str("last-event-id");
        Ok(Self(id.filter(|id| !id.is_empty()).map(str::to_owned)))
    }
}

/// The id that [`request_id`](adapters::middleware::request_id()) gave; a new one without it.
impl Extract for RequestId {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let given = request.scope().extensions.get::<Self>();
        Ok(given.cloned().unwrap_or_else(Self::random))
    }
}

impl Extract for Params {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        Ok(request.params())
    }

    fn describe(operation: &mut Operation) {
        let _ = operation;
    }
}

impl Extract for Scope {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        Ok(request.scope().clone())
    }
}

impl Extract for Method {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        Ok(request.scope().method.clone())
    }
}
