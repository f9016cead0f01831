//! Which functions can serve a route. How they are called is in [`call`](crate::call).

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use gateway_spec::{AppError, Done, Http, SyncBody, SyncHttp, WebSocket};

use crate::call::{Answering, Blocking, BlockingRequest, BlockingWhole, Call, Replying, Whole};
use crate::route::Docs;
use crate::{Extract, IntoReply, Operation, Params, Request};

/// A function that serves the requests of a route.
///
/// | function | runs | for |
/// |---|---|---|
/// | `async fn(..) -> R` | on the server's worker | a reply |
/// | `async fn(Http, ..) -> Result<Done, AppError>` | on the server's worker | streaming both ways, upgrades: the contract itself |
/// | `fn(..) -> R` | on a thread of a pool | code that blocks |
/// | `fn(Request<SyncBody>) -> R` | on a thread of a pool | code that blocks and reads the body as it comes |
/// | `fn(SyncHttp, ..) -> Result<Done, AppError>` | on a thread of a pool | streaming by code that blocks |
///
/// The dots are up to ten [extractors](Extract), `R` is any [`IntoReply`]. An async function must not block its thread,
/// and every other exchange of that worker with it (APP-7); whether a function is one is read off its type. Of a function
/// that blocks, the arguments are read on the worker before it takes a thread. `Shape` keeps the rows apart and is never
/// written out.
///
/// A function wrapped by [`route`](crate::route()) has a name, a description, limits.
///
/// # Errors
///
/// An error is answered with its status; one that is a [`Rejection`](crate::Rejection), also with what it says, unless
/// the function has taken the whole [`Http`] and so the chance to answer with it.
///
/// # Cancel safety
///
/// A handler is not dropped because its client left (SRV-1).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve a route",
    label = "not a handler",
    note = "a handler is a function of up to ten extractors (`Path<T>`, `Query<T>`, `Json<T>`, `Depends<T>`, `Request` and what else implements `Extract`), and what it returns implements `IntoReply`",
    note = "`app_router::check(f)` in the place of `f` says which argument is in the way",
    note = "an `async fn(Http, ..) -> Result<Done, AppError>` answers by itself",
    note = "a function that blocks is no `async fn`; its body as a stream is a `Request<SyncBody>`",
    note = "a closure names the types of its arguments: `async |request: Request| ..`"
)]
pub trait Handler<Shape>: Send + Sync + 'static {
    /// The handler behind the one type that the route table holds.
    fn into_endpoint(self) -> Endpoint;
}

/// A function that serves the WebSockets of a route: `async fn(WebSocket, ..) -> Result<Done, AppError>`, where the dots
/// are up to ten [extractors](Extract), but none that reads a body. If they cannot be read, the handshake is denied with
/// what an HTTP request would be answered.
///
/// # Examples
///
/// ```
/// use app_router::{Path, Router};
/// use gateway_spec::{Accept, AppError, CloseCode, Done, WebSocket};
///
/// async fn echo(socket: WebSocket, Path(times): Path<u8>) -> Result<Done, AppError> {
///     let mut socket = socket.handshake.accept(Accept::new()).await?;
///     while let Some(message) = socket.message().await {
///         for _ in 0..times {
///             socket.send(message.clone()).await?;
///         }
///     }
///     socket.close(CloseCode::NORMAL, "").await
/// }
/// # let _ = Router::new().websocket("/echo/{times}", echo);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve a WebSocket",
    label = "not a WebSocket handler",
    note = "it is an `async fn(WebSocket, ..) -> Result<Done, AppError>`, where the dots are up to ten extractors"
)]
pub trait SocketHandler<Shape>: Send + Sync + 'static {
    /// The handler behind the one type that the route table holds.
    fn into_endpoint(self) -> SocketEndpoint;
}

/// The rows of [`Handler`]'s table, as types: they let one trait be implemented for functions that differ in what they
/// take. `A` is the tuple of the extractors.
pub mod shape {
    use std::marker::PhantomData;

    /// `async fn(..) -> R`.
    #[derive(Debug)]
    pub struct Async<A>(PhantomData<A>);
    /// `async fn(Http, ..)`, `async fn(WebSocket, ..)`.
    #[derive(Debug)]
    pub struct Raw<A>(PhantomData<A>);
    /// `fn(..) -> R`.
    #[derive(Debug)]
    pub struct Blocking<A>(PhantomData<A>);
    /// `fn(SyncHttp, ..)`.
    #[derive(Debug)]
    pub struct BlockingRaw<A>(PhantomData<A>);
    /// `fn(Request<SyncBody>) -> R`.
    #[derive(Debug)]
    pub enum BlockingRequest {}
    /// One of the others, wrapped by [`route`](crate::route()).
    #[derive(Debug)]
    pub struct Wrapped<S>(PhantomData<S>);
}

/// A [`Handler`] whose type is erased.
pub struct Endpoint {
    pub(crate) call: Arc<dyn Call<Http>>,
    pub(crate) describe: fn(&mut Operation),
    pub(crate) docs: Docs,
    /// The type of the function.
    pub(crate) function: &'static str,
}

/// A [`SocketHandler`] whose type is erased.
pub struct SocketEndpoint {
    pub(crate) call: Arc<dyn Call<WebSocket>>,
    pub(crate) describe: fn(&mut Operation),
    pub(crate) docs: Docs,
}

impl Endpoint {
    fn new<F>(call: impl Call<Http> + 'static, describe: fn(&mut Operation)) -> Self {
        Self {
            call: Arc::new(call),
            describe,
            docs: Docs::default(),
            function: type_name::<F>(),
        }
    }
}

/// A function of a tuple.
pub(crate) trait Apply<A>: Send + Sync + 'static {
    type Output;
    fn apply(&self, arguments: A) -> Self::Output;
}

/// A function of a connection and a tuple.
pub(crate) trait ApplyTo<C, A>: Send + Sync + 'static {
    type Output;
    fn apply_to(&self, connection: C, arguments: A) -> Self::Output;
}

/// Says which argument of a function is no [extractor](Extract), where the compiler only says that the function
/// [cannot serve a route](Handler): `check(f)` in the place of `f`, and away with it again.
///
/// # Examples
///
/// ```
/// use app_router::{Path, Router, check};
///
/// async fn user(Path(id): Path<u64>) -> String {
///     format!("user {id}")
/// }
/// # let _ =
/// Router::new().get("/user/{id}", check(user))
/// # ;
/// ```
pub fn check<F, A>(function: F) -> F
where
    F: Checked<A>,
    A: Extract,
{
    function
}

/// What [`check`] looks at: a function of up to ten arguments, whose tuple is `A`.
pub trait Checked<A>: Sized {}

macro_rules! up_to_ten {
    ($macro:ident) => {
        $macro!(
            ()
            (A)
            (A B)
            (A B C)
            (A B C D)
            (A B C D E)
            (A B C D E G)
            (A B C D E G H)
            (A B C D E G H I)
            (A B C D E G H I J)
            (A B C D E G H I J K)
        );
    };
}
pub(crate) use up_to_ten;

macro_rules! functions {
    ($(($($name:ident)*))*) => {$(
        #[allow(non_snake_case, reason = "a variable for each type parameter")]
        impl<F, R, $($name),*> Apply<($($name,)*)> for F
        where
            F: Fn($($name),*) -> R + Send + Sync + 'static,
        {
            type Output = R;

            #[inline]
            fn apply(&self, ($($name,)*): ($($name,)*)) -> R {
                self($($name),*)
            }
        }

        #[allow(non_snake_case, reason = "a variable for each type parameter")]
        impl<F, T, R, $($name),*> ApplyTo<T, ($($name,)*)> for F
        where
            F: Fn(T, $($name),*) -> R + Send + Sync + 'static,
        {
            type Output = R;

            #[inline]
            fn apply_to(&self, connection: T, ($($name,)*): ($($name,)*)) -> R {
                self(connection, $($name),*)
            }
        }

        impl<F, Fut, $($name),*> Handler<shape::Async<($($name,)*)>> for F
        where
            F: Fn($($name),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output: IntoReply> + Send + 'static,
            $($name: Extract,)*
        {
            fn into_endpoint(self) -> Endpoint {
                Endpoint::new::<F>(
                    Answering::<_, ($($name,)*)>(Replying(self), PhantomData),
                    |operation| {
                        <($($name,)*)>::describe(operation);
                        <Fut::Output as IntoReply>::describe(operation);
                    },
                )
            }
        }

        impl<F, R, $($name),*> Handler<shape::Blocking<($($name,)*)>> for F
        where
            F: Fn($($name),*) -> R + Send + Sync + 'static,
            R: IntoReply,
            $($name: Extract,)*
        {
            fn into_endpoint(self) -> Endpoint {
                Endpoint::new::<F>(
                    Answering::<_, ($($name,)*)>(Blocking(Arc::new(self)), PhantomData),
                    |operation| {
                        operation.blocks = true;
                        <($($name,)*)>::describe(operation);
                        R::describe(operation);
                    },
                )
            }
        }

        impl<F, Fut, $($name),*> Handler<shape::Raw<($($name,)*)>> for F
        where
            F: Fn(Http, $($name),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
            $($name: Extract,)*
        {
            fn into_endpoint(self) -> Endpoint {
                Endpoint::new::<F>(
                    Whole::<_, ($($name,)*)>(self, PhantomData),
                    |operation| {
                        operation.takes_body("Http");
                        <($($name,)*)>::describe(operation);
                    },
                )
            }
        }

        impl<F, $($name),*> Handler<shape::BlockingRaw<($($name,)*)>> for F
        where
            F: Fn(SyncHttp, $($name),*) -> Result<Done, AppError> + Send + Sync + 'static,
            $($name: Extract,)*
        {
            fn into_endpoint(self) -> Endpoint {
                Endpoint::new::<F>(
                    BlockingWhole::<_, ($($name,)*)>(Arc::new(self), PhantomData),
                    |operation| {
                        operation.blocks = true;
                        operation.takes_body("SyncHttp");
                        <($($name,)*)>::describe(operation);
                    },
                )
            }
        }

        impl<F, Fut, $($name),*> SocketHandler<shape::Raw<($($name,)*)>> for F
        where
            F: Fn(WebSocket, $($name),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
            $($name: Extract,)*
        {
            fn into_endpoint(self) -> SocketEndpoint {
                SocketEndpoint {
                    call: Arc::new(Whole::<_, ($($name,)*)>(self, PhantomData)),
                    describe: <($($name,)*)>::describe,
                    docs: Docs::default(),
                }
            }
        }

        impl<F, R, $($name),*> Checked<($($name,)*)> for F
        where
            F: Fn($($name),*) -> R,
        {
        }
    )*};
}
up_to_ten!(functions);

impl<F, R> Handler<shape::BlockingRequest> for F
where
    F: Fn(Request<SyncBody>) -> R + Send + Sync + 'static,
    R: IntoReply,
{
    fn into_endpoint(self) -> Endpoint {
        let call = BlockingRequest(Arc::new(self));
        Endpoint::new::<F>(call, |operation| {
            operation.blocks = true;
            operation.takes_body("Request");
            Params::describe(operation);
            R::describe(operation);
        })
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
