//! The application's own life (LIFE), told to the main thread as it goes.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use gateway_spec::{
    Application, BoxApplication, Connection, DrainSignal, Lifespan, LifespanScope,
    LifespanTransport, Signal, State,
};
use tokio::runtime::Handle;

use crate::Event;
use crate::server::CAPABILITIES;

/// Calls the application with its lifespan; how it goes, `main` is told. Raising `shutdown` asks it to stop.
pub(crate) fn begin(
    app: BoxApplication,
    runtime: &Handle,
    main: Sender<Event>,
    drain: &Signal<Instant>,
    shutdown: &Signal<Instant>,
) {
    let scope = LifespanScope::new(CAPABILITIES).with_drain(drain.clone());
    let teller = Teller {
        main: main.clone(),
        shutdown: shutdown.clone(),
    };
    let lifespan = Lifespan::new(scope, Arc::new(teller));
    let call = runtime.spawn(async move { app.call(Connection::Lifespan(lifespan)).await });
    runtime.spawn(async move {
        let ended = match call.await {
            Ok(Ok(_done)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(panic) => Err(panic.to_string()),
        };
        let _ = main.send(Event::LifespanEnded(ended));
    });
}

struct Teller {
    main: Sender<Event>,
    shutdown: Signal<Instant>,
}

impl Teller {
    fn tell(&self, event: Event) {
        // Nobody listens any more when the process ends.
        let _ = self.main.send(event);
    }
}

impl LifespanTransport for Teller {
    fn started(&self, state: State) {
        self.tell(Event::Started(state));
    }

    fn refuse(&self) {
        self.tell(Event::Refused);
    }

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {
        self.tell(Event::Stopped);
    }

    /// Dropped without a word: what its call returns says why.
    fn abort(&self) {}
}
