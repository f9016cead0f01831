//! A service on a server: the one that it was written for, or one of gateway's.
//!
//! Each runs in threads of its own and listens on a port of its own, as in a process of its own.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use gateway::{AppError, Application, Connection, Done, DrainSignal, LifespanTransport, State};
use server_host::{LogTarget, Protocol, ServeError, Settings};
use server_hyper::Hyper;
use server_raw::Raw;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Threads of each server: enough that tasks run beside each other.
const WORKERS: NonZeroUsize = NonZeroUsize::new(2).expect("it is not zero");

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server that the service was written for.
    Home,
    /// `server-raw`.
    Raw,
    /// `server-hyper`.
    Hyper,
}

/// A service that can be served in both ways.
pub(crate) trait Service: Send + 'static {
    /// Serves it where its users do, until it was stopped and its last connection has ended.
    fn serve_at_home(
        self,
        listener: TcpListener,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send;

    /// Makes an application of it, as the cookbook says.
    fn into_application(self) -> impl Application;
}

impl Service for axum::Router {
    async fn serve_at_home(
        self,
        listener: TcpListener,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) {
        let service = self.into_make_service_with_connect_info::<SocketAddr>();
        let served = axum::serve(listener, service).with_graceful_shutdown(stopped);
        served.await.expect("it never fails");
    }

    fn into_application(self) -> impl Application {
        adapters::tower::from_service(self)
    }
}

/// A service that is served.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Host {
    /// Starts it; on gateway's servers with these settings.
    pub(crate) fn start(kind: Kind, service: impl Service, change: fn(&mut Settings)) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (listening, address) = mpsc::channel();
        let run = move || match kind {
            Kind::Home => serve_at_home(service, stopped, &listening),
            Kind::Raw | Kind::Hyper => {
                let app = Stoppable {
                    app: Arc::new(service.into_application()),
                    stopped,
                };
                match kind {
                    Kind::Raw => serve(Raw, app, change, &listening),
                    _ => serve(Hyper, app, change, &listening),
                }
            }
        };
        let thread = thread::Builder::new().name(format!("{kind:?}"));
        let thread = thread.spawn(run).expect("threads can be started");
        let address = address.recv().expect("it says where it listens");
        Self {
            address,
            stop,
            thread,
        }
    }

    /// Begins the shutdown: what SIGTERM does to a process.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the server has ended, and looks whether it ended in order.
    pub(crate) async fn ended(self) {
        let ended = tokio::task::spawn_blocking(|| self.thread.join());
        ended
            .await
            .expect("joining works")
            .expect("the server ended in order");
    }
}

fn serve_at_home(
    service: impl Service,
    mut stopped: watch::Receiver<bool>,
    listening: &mpsc::Sender<SocketAddr>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS.get())
        .enable_all()
        .build()
        .expect("runtimes can be made");
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        listening.send(address).expect("it is waited for");
        let stopped = async move {
            // Whoever dropped the other side wants an end as well.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        service.serve_at_home(listener, stopped).await;
    });
}

fn serve(
    protocol: impl Protocol,
    app: Stoppable<impl Application>,
    change: fn(&mut Settings),
    listening: &mpsc::Sender<SocketAddr>,
) {
    let mut settings = Settings::default();
    settings.bind = vec![([127, 0, 0, 1], 0).into()];
    settings.workers = WORKERS;
    settings.access_log = LogTarget::Off;
    change(&mut settings);
    let served = server_host::serve(protocol, app, settings, |bound| {
        let address = bound.address.tcp().expect("it is of TCP");
        listening.send(address).expect("it is waited for");
    });
    // By its lifespan: a signal would end all servers of this process.
    match served {
        Err(ServeError::Lifespan(Some(error))) if error.to_string() == STOPPED => {}
        other => panic!("the server ended otherwise: {other:?}"),
    }
}

/// An application whose lifespan fails, and with it the server stops, when it is told to. Its own life goes on meanwhile.
struct Stoppable<A> {
    app: Arc<A>,
    stopped: watch::Receiver<bool>,
}

/// What the lifespan fails with.
const STOPPED: &str = "the test has stopped it";

impl<A: Application> Application for Stoppable<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        let Connection::Lifespan(lifespan) = connection else {
            return self.app.call(connection).await;
        };
        let lifespan = lifespan.map_transport(|host| Arc::new(Started(host)));
        let app = Arc::clone(&self.app);
        tokio::spawn(async move { app.call(Connection::Lifespan(lifespan)).await });
        let mut stopped = self.stopped.clone();
        let _ = stopped.wait_for(|stopped| *stopped).await;
        Err(AppError::message(STOPPED))
    }
}

/// A lifespan that there is in any case: one that was refused could not fail.
struct Started(Arc<dyn LifespanTransport>);

impl LifespanTransport for Started {
    fn started(&self, state: State) {
        self.0.started(state);
    }

    fn refuse(&self) {
        self.0.started(State::new());
    }

    fn shutdown(&self) -> DrainSignal {
        self.0.shutdown()
    }

    fn stopped(&self) {
        self.0.stopped();
    }

    fn abort(&self) {
        self.0.abort();
    }
}
