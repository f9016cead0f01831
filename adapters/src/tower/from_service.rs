//! A tower service as an application: what it is made with, and the way of one exchange through it.
//!
//! What the service is given of an exchange is in [`request`], what becomes of its response in [`reply`], how it
//! ends with its client in [`client`], and how it switches protocols in [`upgrade`].

mod client;
mod reply;
mod request;
mod upgrade;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gateway_spec::{
    AppError, Application, BoxApplication, Connection, Done, Gone, Http, RequestBody, Scope,
};
use http::Request;
use http::request::Parts;
use http_body::Body;
use tower_service::Service;

use self::client::{Client, Leaving};
use self::reply::{Asked, First};
use self::upgrade::Switch;
use super::BoxError;

/// Makes an application of a tower service: of an axum `Router`, of tonic's `Routes`, of a stack of tower-http's layers.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, routing::get};
///
/// let router = Router::new().route("/", get(async || "Hello, world!"));
/// let app = adapters::tower::from_service(router);
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(app);
/// # }
/// ```
pub fn from_service<S: 'static>(service: S) -> FromService<S> {
    FromService {
        service: request::finished(service),
        leaving: Leaving::default(),
        hook: None,
        lifespan: None,
    }
}

/// A tower service on any server, made by [`from_service`].
///
/// The service is an `http` one: it takes a `Request<RequestBody>`, and answers a `Response<B>` with any
/// [`http_body::Body`]. It is cloned for each request, and the clone is asked for readiness and then called. One that is
/// not `Sync`, such as tower's `BoxCloneService`, goes into a [`Locked`](super::Locked).
///
/// # The request
///
/// Its head is the scope's, its body the [`RequestBody`] itself. Its extensions are those of the scope and
///
/// - the [`Scope`]: the client's address, the scheme, the state of the lifespan, the drain, the label;
/// - with the `axum` feature `ConnectInfo<SocketAddr>`, if the client came by TCP, so that the extractor works without
///   `into_make_service_with_connect_info`;
/// - what [`with_request`](Self::with_request) adds.
///
/// A body that is too large fails with [`BodyError::TooLarge`](gateway_spec::BodyError), and in an axum `Router` with the error for which its
/// extractors answer 413. Inside of a layer of another type they know it no more, and answer 400: put layers on by `Router::layer`.
///
/// Mounted below a prefix, the service sees the path below it, as one that is nested in axum does; the target as it was sent is
/// in the scope, and with the `axum` feature in `OriginalUri`.
///
/// # The response
///
/// A body whose size is known and whose first frame is its last goes out with the head, as one event. Any other goes out as it comes,
/// and the next frame is not asked for while the client is slow. Frames of `Bytes` are not copied. Trailers are sent where the client can
/// take them (HTTP-28), less those fields that may be none (RFC 9110 section 6.5.1); for HTTP/1.1 the response announces them by its `Trailer` field. A size that the body knows becomes the
/// `content-length`, and the body of a HEAD is not asked for. A service that fails is answered for with 500; a body that fails
/// cuts the response off, or is 500 if it fails at once. The log has the error.
///
/// # When the client leaves
///
/// The service's future, and after it the body, are dropped when the client is gone, as tower services expect: dropping is how they
/// learn it. A native application would run on (SRV-1); so does a service [to completion](Self::run_to_completion).
///
/// A client that merely stopped sending may still read. hyper takes it for gone, and many clients mean it so: for TCP, closing begins like this. Others
/// wait for their answer. So the service goes on, and is dropped when it was silent for [a while](Self::with_half_close_grace).
///
/// # Upgrades
///
/// A service may switch protocols as it does on hyper: by `hyper::upgrade::OnUpgrade` in the request's extensions, and an answer of 101, or
/// of 2xx to a CONNECT. axum's `WebSocketUpgrade` works on every server, over HTTP/1.1 and HTTP/2. The exchange
/// lasts until the service drops what it upgraded to, so drains and logs know of it. A handshake that is not valid never
/// gets here, servers refuse it (WS-1).
///
/// # The lifespan
///
/// Services have none, so it is refused unless one is [given](Self::with_lifespan).
///
/// # Examples
///
/// A stream of events that ends when the server drains, as `axum::serve` has it by `with_graceful_shutdown`, and that logs
/// name by its route:
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::extract::{MatchedPath, Request};
/// use axum::middleware::{Next, from_fn};
/// use axum::response::Response;
/// use axum::routing::get;
/// use axum::{Extension, Router};
/// use gateway_spec::Scope;
///
/// async fn events(Extension(scope): Extension<Scope>) -> &'static str {
///     // … or races each wait of a stream with it.
///     scope.drain().await;
///     "the server stops\n"
/// }
///
/// async fn name(route: MatchedPath, Extension(scope): Extension<Scope>, request: Request, next: Next) -> Response {
///     scope.label.set(route.as_str().to_owned());
///     next.run(request).await
/// }
///
/// let router = Router::new().route("/events/{topic}", get(events)).route_layer(from_fn(name));
/// let app = adapters::tower::from_service(router);
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(app);
/// # }
/// ```
#[derive(Clone)]
pub struct FromService<S> {
    service: S,
    leaving: Leaving,
    hook: Option<Arc<Hook>>,
    lifespan: Option<BoxApplication>,
}

/// What an application adds to the requests that its service sees.
type Hook = dyn Fn(&Scope, &mut Parts) + Send + Sync;

impl<S> FromService<S> {
    /// Runs the service's future and its body to their ends, also when the client is gone: for services whose work must not
    /// be broken off. What the body still gives is thrown away.
    ///
    /// An endless body then lives until the server stops. Where only some routes need it, a task of their own is the better way.
    #[must_use]
    pub fn run_to_completion(mut self) -> Self {
        self.leaving.to_completion = true;
        self
    }

    /// How long the service, or its body, may be silent for a client that stopped sending and has not left for certain (SRV-3): 5 seconds
    /// by default, longer than most answers take, and short enough for those who count the clients that are there. Each
    /// frame begins the time anew. With [`Duration::ZERO`] the two are dropped at once, as hyper does. It says nothing of a
    /// service that runs [to completion](Self::run_to_completion).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # #[cfg(feature = "axum")] {
    /// let app = adapters::tower::from_service(axum::Router::new()).with_half_close_grace(Duration::from_secs(60));
    /// # fn assert(_: impl gateway_spec::Application) {}
    /// # assert(app);
    /// # }
    /// ```
    #[must_use]
    pub fn with_half_close_grace(mut self, grace: Duration) -> Self {
        self.leaving.grace = grace;
        self
    }

    /// Has `hook` change the head of each request before the service sees it: for extensions that a framework looks for.
    /// A second hook takes the place of the first.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// #[derive(Clone)]
    /// struct IsSecure(bool);
    ///
    /// let app = adapters::tower::from_service(axum::Router::new()).with_request(|scope, parts| {
    ///     let scheme = scope.connection.scheme.as_str();
    ///     parts.extensions.insert(IsSecure(scheme == "https"));
    /// });
    /// # fn assert(_: impl gateway_spec::Application) {}
    /// # assert(app);
    /// # }
    /// ```
    #[must_use]
    pub fn with_request(
        mut self,
        hook: impl Fn(&Scope, &mut Parts) + Send + Sync + 'static,
    ) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// Gives the service a lifespan: an application that is called for that alone. What it makes at startup the service finds in
    /// the [`Scope`]'s state.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Extension, Router, routing::get};
    /// use gateway_spec::{AppError, Connection, Done, Scope, State, application_fn};
    ///
    /// struct Greeting(&'static str);
    ///
    /// async fn greet(Extension(scope): Extension<Scope>) -> &'static str {
    ///     scope.state.get::<Greeting>().map_or("hello", |greeting| greeting.0)
    /// }
    ///
    /// async fn life(connection: Connection) -> Result<Done, AppError> {
    ///     let Connection::Lifespan(lifespan) = connection else {
    ///         return connection.refuse().await;
    ///     };
    ///     let running = lifespan.started(State::new().with(Greeting("good day")));
    ///     running.shutdown_requested().await;
    ///     Ok(running.stopped())
    /// }
    ///
    /// let router = Router::new().route("/", get(greet));
    /// let app = adapters::tower::from_service(router).with_lifespan(application_fn(life));
    /// # fn assert(_: impl gateway_spec::Application) {}
    /// # assert(app);
    /// # }
    /// ```
    #[must_use]
    pub fn with_lifespan(mut self, lifespan: impl Application) -> Self {
        self.lifespan = Some(BoxApplication::new(lifespan));
        self
    }
}

impl<S, B> Application for FromService<S>
where
    S: Service<Request<RequestBody>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    // In one piece, for each asynchronous function that a request or a response is handed to copies it.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn copies its arguments before it begins"
    )]
    fn call(&self, connection: Connection) -> impl Future<Output = Result<Done, AppError>> + Send {
        async move {
            let http = match connection {
                Connection::Http(http) => http,
                // The service makes its own of it. Where it cannot be had, the handshake is aborted, and this is said of it.
                Connection::WebSocket(socket) => socket.handshake.into_http().ok_or_else(|| {
                    AppError::message("middleware keeps the exchange of a WebSocket")
                })?,
                other => return Box::pin(self.live(other)).await,
            };
            let Http {
                scope,
                body,
                mut responder,
            } = http;
            let mut client = Client::new(self.leaving);

            // Readiness belongs to the very clone that is asked for it.
            let mut service = self.service.clone();
            let ready = poll_fn(|cx| {
                let ready = service.poll_ready(cx).map_err(AppError::new);
                client.poll(cx, || responder.gone(), ready)
            });
            if let Err(stop) = ready.await {
                return stop.end(responder);
            }

            let asked = Asked::by(&scope);
            let mut switch = None;
            let request = match websocket::may_upgrade(&scope) {
                false => request::of(&scope, body, self.hook()),
                true => {
                    let (request, made) = Switch::offer(&scope, body, self.hook())?;
                    switch = Some(made);
                    request
                }
            };
            drop(scope);
            let mut response = None;
            let worked = {
                let mut work = pin!(request::call(&mut service, request));
                let worked = poll_fn(|cx| {
                    let work = work.as_mut().poll(cx).map(|result| match result {
                        Ok(answer) => {
                            response = Some(answer);
                            Ok(())
                        }
                        Err(error) => Err(AppError::new(error)),
                    });
                    client.poll(cx, || responder.gone(), work)
                });
                worked.await
            };
            if let Err(stop) = worked {
                return stop.end(responder);
            }
            let response: http::Response<B> = response.expect("what is done has left it");
            let (parts, body) = response.into_parts();

            if let Some(switch) = switch.filter(|switch| switch.is_taken_by(parts.status)) {
                return Box::pin(switch.make(reply::head_of(parts), responder)).await;
            }
            let mut body = pin!(body);
            match poll_fn(|cx| Poll::Ready(reply::look(body.as_mut(), asked, cx))).await {
                // An application inside of the service has given its exchange up before the start (HTTP-29).
                Err(error) if error.gone() == Some(Gone::Aborted) => Ok(responder.abort()),
                Err(error) => Err(error),
                Ok(First::Whole(bytes)) => {
                    responder.ready().await?;
                    responder.respond_now(reply::whole(parts, bytes))
                }
                Ok(First::Head(length)) => reply::head(parts, length, responder).await,
                Ok(First::Part(piece, length)) => {
                    let mut head = reply::head_of(parts);
                    reply::declare(&mut head, length);
                    reply::stream(head, piece, body, asked, responder, client).await
                }
            }
        }
    }
}

impl<S> FromService<S> {
    fn hook(&self) -> Option<&Hook> {
        self.hook.as_deref()
    }

    /// What is neither a request nor a WebSocket.
    async fn live(&self, connection: Connection) -> Result<Done, AppError> {
        match (connection, &self.lifespan) {
            (connection @ Connection::Lifespan(_), Some(life)) => life.call(connection).await,
            (other, _) => other.refuse().await,
        }
    }
}

impl<S> fmt::Debug for FromService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromService")
            .field("leaving", &self.leaving)
            .finish_non_exhaustive()
    }
}
