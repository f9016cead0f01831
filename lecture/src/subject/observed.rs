//! An application, seen from its worker: when it is polled, and whether it gives the worker back.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use gateway_spec::{AppError, Application, Connection, Done};

use crate::record::{What, name_of_thread, row, say};

/// Says of each request with a row when its worker begins with it, leaves it for others, and ends it.
///
/// That is all that an event loop does: it polls a future, which runs until it has to wait or is done.
pub(super) struct Observed<A>(pub(super) A);

impl<A: Application> Application for Observed<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        let row = match &connection {
            Connection::Http(http) => row(&http.scope),
            _ => None,
        };
        let mut call = pin!(self.0.call(connection));
        let Some(row) = row else { return call.await };
        let result = poll_fn(|cx| {
            let thread = name_of_thread();
            say(What::Begins {
                row,
                thread: thread.clone(),
            });
            let polled = call.as_mut().poll(cx);
            say(match polled {
                Poll::Pending => What::Pauses { row, thread },
                Poll::Ready(_) => What::Ends { row },
            });
            polled
        });
        result.await
    }
}
