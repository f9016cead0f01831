//! The lifespan, driven along the table of the contract's own model by an application that does as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gateway_spec::{
    AppError, Capabilities, Connection, Done, Lifespan, LifespanScope, LifespanTransport,
    SendError, Signal, application_fn,
};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::model::lifespan::{EVENTS, Event, State, TABLE};
use crate::model::{self, Subject};

#[test]
fn a_lifespan_does_what_the_table_says() {
    // What is late with its start is not seen here.
    let events: Vec<Event> = EVENTS
        .iter()
        .copied()
        .filter(|event| *event != Event::IsLate)
        .collect();
    let steps = model::walk(
        &TABLE,
        State::Starting,
        &events,
        Driven::new,
        |driven, state, _| {
            driven.check_end(state);
        },
    );
    assert!(steps > 2_000, "{steps}");
}

#[test]
fn a_lifespan_that_does_not_stop_in_time_has_failed() {
    for (state, way) in TABLE.ways(State::Starting, EVENTS) {
        let late = matches!(state, State::Stopping | State::Stopped | State::Unsaid);
        if late && !way.contains(&Event::IsLate) {
            let mut driven = Driven::new();
            for event in way.into_iter().chain([Event::IsLate]) {
                driven.apply(event).expect("nothing is refused");
            }
            driven.check_end(TABLE.next(state, Event::IsLate));
        }
    }
}

const GRACE: Duration = Duration::from_secs(5);

/// The host's part of `serve`, and an application that takes its orders from a queue.
struct Driven {
    runtime: Runtime,
    orders: Arc<Mutex<VecDeque<Event>>>,
    seen: Arc<Mutex<String>>,
    host: JoinHandle<State>,
    stop: Option<oneshot::Sender<()>>,
}

impl Driven {
    fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let orders = Arc::<Mutex<VecDeque<Event>>>::default();
        let seen = Arc::<Mutex<String>>::default();
        let (stop, stopping) = oneshot::channel();
        let app = application_fn({
            let (orders, seen) = (Arc::clone(&orders), Arc::clone(&seen));
            move |connection| obey(connection, Arc::clone(&orders), Arc::clone(&seen))
        });
        let host = runtime.spawn(host(app, Arc::clone(&seen), stopping));
        Self {
            runtime,
            orders,
            seen,
            host,
            stop: Some(stop),
        }
    }

    /// Lets everybody do what there is to do.
    fn settle(&self) {
        self.runtime.block_on(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
    }

    #[track_caller]
    fn check_end(&mut self, state: State) {
        use State::{Clean, EndedEarly, FailedShutdown, FailedStartup};
        let ended = self.host.is_finished();
        let expected = matches!(state, Clean | EndedEarly | FailedShutdown | FailedStartup);
        assert_eq!(ended, expected, "in {state:?}");
        if ended {
            let end = self
                .runtime
                .block_on(&mut self.host)
                .expect("no panic of ours");
            assert_eq!(end, state);
        }
    }
}

impl Subject<Event> for Driven {
    fn apply(&mut self, event: Event) -> Result<(), SendError> {
        self.settle();
        match event {
            Event::AsksToStop if self.seen.lock().expect("whole").contains('U') => {
                if let Some(stop) = self.stop.take() {
                    // A host that has ended has nothing to stop.
                    let _ = stop.send(());
                }
            }
            Event::AsksToStop => {}
            Event::IsLate => self.runtime.block_on(tokio::time::advance(2 * GRACE)),
            order => self.orders.lock().expect("whole").push_back(order),
        }
        self.settle();
        Ok(())
    }

    fn given(&mut self) -> String {
        let mut seen = self.seen.lock().expect("whole");
        let given: String = seen
            .chars()
            .filter(|letter| "SR".contains(*letter))
            .collect();
        seen.retain(|letter| letter == 'U');
        given
    }
}

async fn host(
    app: impl gateway_spec::Application,
    seen: Arc<Mutex<String>>,
    stopping: oneshot::Receiver<()>,
) -> State {
    let scope = LifespanScope::new(Capabilities::new("test"));
    let Ok((mut running, state)) =
        super::start(Arc::new(app), scope, Duration::from_secs(60)).await
    else {
        return State::FailedStartup;
    };
    *seen.lock().expect("whole") += if state.is_empty() { "U" } else { "US" };
    tokio::select! {
        _error = running.ended_early() => return State::EndedEarly,
        _ = stopping => {}
    }
    match running
        .stop(tokio::time::Instant::now().into_std() + GRACE)
        .await
    {
        Ok(()) => State::Clean,
        Err(_error) => State::FailedShutdown,
    }
}

/// What the application still holds.
enum Held {
    Lifespan(Lifespan),
    Running(gateway_spec::Running),
    Nothing,
}

async fn obey(
    connection: Connection,
    orders: Arc<Mutex<VecDeque<Event>>>,
    seen: Arc<Mutex<String>>,
) -> Result<Done, AppError> {
    let Connection::Lifespan(lifespan) = connection else {
        panic!("no request is made");
    };
    let mut held = Held::Lifespan(lifespan);
    let mut asked = false;
    loop {
        tokio::task::yield_now().await;
        if let Held::Running(running) = &held
            && !asked
            && running.shutdown_requested().value().is_some()
        {
            asked = true;
            seen.lock().expect("whole").push('R');
        }
        let order = orders.lock().expect("whole").pop_front();
        held = match (order, held) {
            (Some(Event::Started), Held::Lifespan(lifespan)) => {
                Held::Running(lifespan.started(gateway_spec::State::new().with(7_u8)))
            }
            (Some(Event::Refuse), Held::Lifespan(lifespan)) => {
                drop(lifespan.refuse());
                Held::Nothing
            }
            (Some(Event::SaysStopped), Held::Running(running)) => {
                drop(running.stopped());
                Held::Nothing
            }
            (Some(Event::Drop), _) => Held::Nothing,
            // Only a terminal call yields a `Done`, but nothing says of which connection (SRV-12).
            (Some(Event::Returns), held) => {
                // The handle lives on elsewhere; one that is dropped before has an event of its own.
                std::mem::forget(held);
                return Ok(done_of_another());
            }
            (Some(Event::Fails), held) => {
                let _kept = held;
                return Err(AppError::message("it fails"));
            }
            (Some(Event::Panics), _held) => panic!("as it was told"),
            (_, held) => held,
        };
    }
}

fn done_of_another() -> Done {
    struct Nowhere;
    impl LifespanTransport for Nowhere {
        fn started(&self, _: gateway_spec::State) {}
        fn refuse(&self) {}
        fn shutdown(&self) -> gateway_spec::DrainSignal {
            Signal::<Instant>::new().wait()
        }
        fn stopped(&self) {}
        fn abort(&self) {}
    }
    Lifespan::new(
        LifespanScope::new(Capabilities::new("test")),
        Arc::new(Nowhere),
    )
    .refuse()
}
