//! One request and its response: the scope, the body, the responder and what follows it.

mod body;
mod event;
mod intercept;
mod label;
mod layer;
mod responder;
mod response;
mod scope;
mod tunnel;
mod unread;
mod writer;

use std::fmt;
use std::sync::Arc;

pub use body::{Buffered, Chunk, RequestBody};
pub use event::{FileRegion, HttpReceive, HttpSend, TrailersPlan};
pub use intercept::Events;
pub use label::{Label, LabelBoard};
pub use layer::{HttpLayer, Layered};
pub use responder::{Respond, Responder, Start, Upgrading};
pub use response::{Response, ResponseHead};
pub use scope::{BodyLength, HttpScope, Scope};
pub use tunnel::Tunnel;
pub use writer::{Finish, Flush, Plain, Ready, Sending, Trailing, Writer};

use bytes::Bytes;

use crate::HttpTransport;
use responder::SendSide;
use unread::Unread;

/// One HTTP exchange: take it apart and use the parts, also from different tasks.
///
/// ASGI: a scope of type `http` with its `receive` and `send`.
///
/// # Examples
///
/// An echo that streams both ways with backpressure:
///
/// ```
/// use gateway_spec::{AppError, Connection, Done, Http, ResponseHead};
/// use http::StatusCode;
///
/// async fn echo(connection: Connection) -> Result<Done, AppError> {
///     let Connection::Http(Http { mut body, responder, .. }) = connection else {
///         return connection.refuse().await;
///     };
///     let mut writer = responder.start(ResponseHead::new(StatusCode::OK)).await?;
///     while let Some(chunk) = body.chunk().await? {
///         writer.write(chunk).await?;
///     }
///     writer.finish().await
/// }
/// # let _ = gateway_spec::application_fn(echo);
/// ```
pub struct Http {
    /// What is known of the request before its body.
    pub scope: Scope,
    /// The request's body. ASGI: `receive`.
    pub body: RequestBody,
    /// The one chance to answer. ASGI: `send`.
    pub responder: Responder,
}

impl Http {
    /// An exchange over a transport: for servers, middleware and tests.
    #[must_use]
    #[inline]
    pub fn new(scope: Scope, transport: Arc<dyn HttpTransport>) -> Self {
        let body = RequestBody::new(Arc::clone(&transport), scope.body);
        Self {
            scope,
            body,
            responder: Responder::new(SendSide::new(transport)),
        }
    }

    /// The parts that [`new`](Self::new) makes an exchange of. Nothing was sent, and nothing is dropped. Of a body that
    /// was read in part, the scope says how much is left.
    #[must_use]
    pub fn into_transport(mut self) -> (Scope, Arc<dyn HttpTransport>) {
        if let Some(left) = self.body.left()
            && left != self.scope.body
        {
            self.scope.edit().body = left;
        }
        self.body.release();
        (self.scope, self.responder.release())
    }

    /// Puts another transport around this one: how middleware sees and changes every event.
    ///
    /// Middleware that changes the response's head alone uses [`Responder::map_head`], which costs less. One that changes
    /// the length of the request's body sets [`HttpScope::body`] before (MW-4). A body that was read already, in part or
    /// to its end, stays so (MW-8).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gateway_spec::{Http, HttpLayer, HttpTransport, HttpSend, Layered, SendError};
    ///
    /// struct Shout(Arc<dyn HttpTransport>);
    ///
    /// impl HttpLayer for Shout {
    ///     fn inner(&self) -> &dyn HttpTransport {
    ///         &*self.0
    ///     }
    ///
    ///     fn send(&self, event: HttpSend) -> Result<(), SendError> {
    ///         self.0.send(match event {
    ///             HttpSend::Body { bytes, more } => {
    ///                 HttpSend::Body { bytes: bytes.to_ascii_uppercase().into(), more }
    ///             }
    ///             other => other,
    ///         })
    ///     }
    /// }
    ///
    /// fn shout(http: Http) -> Http {
    ///     http.map_transport(|inner| Arc::new(Layered(Shout(inner))))
    /// }
    /// # let _ = shout;
    /// ```
    #[must_use]
    pub fn map_transport(
        self,
        wrap: impl FnOnce(Arc<dyn HttpTransport>) -> Arc<dyn HttpTransport>,
    ) -> Self {
        let (http, ()) = self.rewrap(|inner| (wrap(inner), ()));
        http
    }

    /// Puts back the last part that was received of the body, before what is left of it.
    pub(crate) fn put_back(self, part: Bytes) -> Self {
        if part.is_empty() {
            return self;
        }
        let Self {
            scope,
            mut body,
            responder,
        } = self;
        body.release();
        let end = body.reopen(part.len());
        let unread = Unread::new(responder.release(), part, end);
        let transport: Arc<dyn HttpTransport> = Arc::new(Layered(unread));
        Self {
            body: body.over(Arc::clone(&transport), scope.body),
            responder: Responder::new(SendSide::new(transport)),
            scope,
        }
    }

    /// Puts another transport in the place of this one, and keeps how far the body was read.
    fn rewrap<T>(
        self,
        wrap: impl FnOnce(Arc<dyn HttpTransport>) -> (Arc<dyn HttpTransport>, T),
    ) -> (Self, T) {
        let Self {
            scope,
            mut body,
            responder,
        } = self;
        body.release();
        let (transport, kept) = wrap(responder.release());
        let http = Self {
            body: body.over(Arc::clone(&transport), scope.body),
            responder: Responder::new(SendSide::new(transport)),
            scope,
        };
        (http, kept)
    }

    /// Takes the exchange apart for middleware that is asynchronous: the inner exchange, for the application, and the
    /// [`Events`] that it sends. What the application receives still comes straight from the client.
    #[must_use]
    pub fn intercept(self) -> (Self, Events) {
        Events::between(self)
    }

    /// An exchange without a server, both of whose sides are in the [`Events`]: for tests and clients in the process.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{Application, Capabilities, Connection, ConnectionInfo, Http, HttpScope, HttpSend, Scope,
    ///     application_fn};
    /// use std::sync::Arc;
    /// # fn block_on<F: Future>(f: F) -> F::Output {
    /// #     let mut f = std::pin::pin!(f);
    /// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     loop { if let std::task::Poll::Ready(v) = f.as_mut().poll(&mut cx) { return v } }
    /// # }
    ///
    /// let app = application_fn(|connection: Connection| connection.refuse());
    /// let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
    /// let scope = Scope::new(HttpScope::new(info));
    /// let (http, mut events) = Http::in_memory(scope);
    /// block_on(async {
    ///     app.call(Connection::Http(http)).await.unwrap();
    ///     let Some(HttpSend::Start { head, .. }) = events.sent().await else { panic!() };
    ///     assert_eq!(head.status, 404);
    /// });
    /// ```
    #[must_use]
    pub fn in_memory(scope: Scope) -> (Self, Events) {
        Events::in_memory(scope)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
