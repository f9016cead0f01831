//! Which functions can serve a route, and how they are called behind one type.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use gateway_spec::{AppError, Done, Http, RequestBody, Scope, WebSocket};

use crate::blocking::BlockingCall;
use crate::{IntoReply, Params, reply};

/// What a handler is told of a request. `B` is the body: a [`RequestBody`], or a [`SyncBody`](gateway_spec::SyncBody) for a handler that
/// blocks.
///
/// # Examples
///
/// ```
/// use app_router::Request;
/// use gateway_spec::AppError;
///
/// async fn count(mut request: Request) -> Result<String, AppError> {
///     let body = request.body.collect(64 * 1024).await?;
///     Ok(format!("{} bytes to {}", body.len(), request.scope.path()))
/// }
/// # let _ = app_router::Router::new().post("/count", count);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Request<B = RequestBody> {
    /// What is known of the request before its body.
    pub scope: Scope,
    /// The parameters of its path.
    pub params: Params,
    /// Its body.
    pub body: B,
}

/// A function that serves the requests of a route.
///
/// | function | runs | for |
/// |---|---|---|
/// | `async fn() -> R` | on the server's worker | a reply that needs nothing of the request |
/// | `async fn(Request) -> R` | on the server's worker | a reply |
/// | `async fn(Http) -> Result<Done, AppError>` | on the server's worker | streaming both ways, upgrades: the contract itself |
/// | `async fn(Http, Params) -> Result<Done, AppError>` | on the server's worker | the same with the path's parameters |
/// | `fn() -> R` | on a thread of a pool | code that blocks |
/// | `fn(Request<SyncBody>) -> R` | on a thread of a pool | code that blocks |
/// | `fn(SyncHttp) -> Result<Done, AppError>` | on a thread of a pool | streaming by code that blocks |
///
/// `R` is any [`IntoReply`]. An async function must not block its thread, and every other exchange of that worker with
/// it (APP-7); whether a function is one is read off its type. `Shape` keeps the rows apart and is never written out.
///
/// # Errors
///
/// An error is answered with its status; one that is a [`Rejection`](crate::Rejection), also with its text, unless the
/// function has taken the whole [`Http`] and so the chance to answer with it.
///
/// # Cancel safety
///
/// A handler is not dropped because its client left (SRV-1).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve a route",
    label = "not a handler",
    note = "a handler is an `async fn` of nothing or of a `Request`, and what it returns implements `IntoReply`",
    note = "an `async fn(Http) -> Result<Done, AppError>` answers by itself",
    note = "a function that blocks is no `async fn` and takes nothing or a `Request<SyncBody>`",
    note = "a closure names the type of its argument: `async |request: Request| ..`"
)]
pub trait Handler<Shape>: Send + Sync + 'static {
    /// The handler behind the one type that the route table holds.
    fn into_endpoint(self) -> Endpoint;
}

/// A function that serves the WebSockets of a route: `async fn(WebSocket) -> Result<Done, AppError>`, or
/// `async fn(WebSocket, Params) -> Result<Done, AppError>`.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Accept, AppError, CloseCode, Done, WebSocket};
///
/// async fn echo(socket: WebSocket) -> Result<Done, AppError> {
///     let mut socket = socket.handshake.accept(Accept::new()).await?;
///     while let Some(message) = socket.message().await {
///         socket.send(message).await?;
///     }
///     socket.close(CloseCode::NORMAL, "").await
/// }
/// # let _ = app_router::Router::new().websocket("/echo", echo);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve a WebSocket",
    label = "not a WebSocket handler",
    note = "it is an `async fn(WebSocket) -> Result<Done, AppError>`, or one of `(WebSocket, Params)`"
)]
pub trait SocketHandler<Shape>: Send + Sync + 'static {
    /// The handler behind the one type that the route table holds.
    fn into_endpoint(self) -> SocketEndpoint;
}

/// The rows of [`Handler`]'s table, as types: they let one trait be implemented for functions that differ in what they
/// take.
pub mod shape {
    /// `async fn() -> R`.
    #[derive(Debug)]
    pub enum Constant {}
    /// `async fn(Request) -> R`.
    #[derive(Debug)]
    pub enum Replying {}
    /// `async fn(Http)`, `async fn(WebSocket)`.
    #[derive(Debug)]
    pub enum Raw {}
    /// `async fn(Http, Params)`, `async fn(WebSocket, Params)`.
    #[derive(Debug)]
    pub enum RawWithParams {}
    /// `fn() -> R`.
    #[derive(Debug)]
    pub enum BlockingConstant {}
    /// `fn(Request<SyncBody>) -> R`.
    #[derive(Debug)]
    pub enum Blocking {}
    /// `fn(SyncHttp)`.
    #[derive(Debug)]
    pub enum BlockingRaw {}
}

/// A call under way: the one allocation that a route costs.
pub(crate) type Calling<'a> = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send + 'a>>;

/// A [`Handler`] whose type is erased.
pub struct Endpoint {
    pub(crate) kind: EndpointKind,
}

pub(crate) enum EndpointKind {
    Async(Box<dyn Call<Http>>),
    Blocking(Arc<dyn BlockingCall>),
}

/// A [`SocketHandler`] whose type is erased.
pub struct SocketEndpoint {
    pub(crate) call: Box<dyn Call<WebSocket>>,
}

/// A handler of exchanges (`C` is [`Http`]) or of sockets.
pub(crate) trait Call<C>: Send + Sync {
    fn call(&self, connection: C, params: Params) -> Calling<'_>;
}

/// A closure over a handler. (A blanket implementation over `Fn` could not name what the closure returns.)
struct Erased<F, Fut>(F, PhantomData<fn() -> Fut>);

impl<C, F, Fut> Call<C> for Erased<F, Fut>
where
    F: Fn(C, Params) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    fn call(&self, connection: C, params: Params) -> Calling<'_> {
        Box::pin((self.0)(connection, params))
    }
}

fn endpoint<F, Fut>(function: F) -> Endpoint
where
    F: Fn(Http, Params) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    Endpoint {
        kind: EndpointKind::Async(Box::new(Erased(function, PhantomData))),
    }
}

fn socket_endpoint<F, Fut>(function: F) -> SocketEndpoint
where
    F: Fn(WebSocket, Params) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    SocketEndpoint {
        call: Box::new(Erased(function, PhantomData)),
    }
}

impl<F, Fut> Handler<shape::Constant> for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoReply> + Send + 'static,
{
    fn into_endpoint(self) -> Endpoint {
        endpoint(move |http, _| {
            let Http {
                scope,
                responder,
                body,
            } = http;
            let reply = self();
            async move {
                drop(body);
                reply::answer(reply.await.into_reply(), scope, responder).await
            }
        })
    }
}

impl<F, Fut> Handler<shape::Replying> for F
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoReply> + Send + 'static,
{
    fn into_endpoint(self) -> Endpoint {
        endpoint(move |http, params| {
            let Http {
                scope,
                responder,
                body,
            } = http;
            let reply = self(Request {
                scope: scope.clone(),
                params,
                body,
            });
            async move { reply::answer(reply.await.into_reply(), scope, responder).await }
        })
    }
}

impl<F, Fut> Handler<shape::Raw> for F
where
    F: Fn(Http) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    fn into_endpoint(self) -> Endpoint {
        endpoint(move |http, _| self(http))
    }
}

impl<F, Fut> Handler<shape::RawWithParams> for F
where
    F: Fn(Http, Params) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    fn into_endpoint(self) -> Endpoint {
        endpoint(self)
    }
}

impl<F, Fut> SocketHandler<shape::Raw> for F
where
    F: Fn(WebSocket) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    fn into_endpoint(self) -> SocketEndpoint {
        socket_endpoint(move |socket, _| self(socket))
    }
}

impl<F, Fut> SocketHandler<shape::RawWithParams> for F
where
    F: Fn(WebSocket, Params) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    fn into_endpoint(self) -> SocketEndpoint {
        socket_endpoint(self)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

impl fmt::Debug for SocketEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketEndpoint").finish_non_exhaustive()
    }
}
