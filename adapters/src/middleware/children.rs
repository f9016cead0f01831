//! Several applications behind one: which has which state, and their lifespans.

use gateway_spec::{AppError, BoxApplication, Connection, Done, Scope};

use crate::{ChildStates, Lifespans};

/// Applications in the order in which they are started.
pub(super) struct Children {
    apps: Vec<BoxApplication>,
    /// The one for what no other has: the last.
    rest: Option<usize>,
}

impl Children {
    pub(super) fn new(mut apps: Vec<BoxApplication>, rest: Option<BoxApplication>) -> Self {
        let last = rest.is_some().then_some(apps.len());
        apps.extend(rest);
        Self { apps, rest: last }
    }

    pub(super) const fn rest(&self) -> Option<usize> {
        self.rest
    }

    /// The application, to whose own the scope's state is changed.
    pub(super) fn enter(&self, child: usize, scope: &mut Scope) -> &BoxApplication {
        enter(child, scope);
        &self.apps[child]
    }

    /// Serves what is no exchange.
    pub(super) async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            // Boxed, so that the future of a plain request is no larger for it.
            Connection::Lifespan(lifespan) => {
                Box::pin(Lifespans::run_all(lifespan, &self.apps)).await
            }
            other => other.refuse().await,
        }
    }
}

/// Changes a scope's state to that of one of several applications.
pub(super) fn enter(child: usize, scope: &mut Scope) {
    // Where there is no state, no child has one.
    if !scope.state.is_empty() {
        scope.edit().state = ChildStates::of(&scope.state, child);
    }
}
