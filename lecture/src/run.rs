//! What can be asked for: so many requests for one kind of work, on a server with so many workers.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The requests of a run. Each is a row of the drawing, and a connection.
pub const MOST_REQUESTS: u32 = 16;

/// The workers of a run: more than most machines of an audience have cores.
pub const MOST_WORKERS: u32 = 16;

/// The milliseconds of a request. An audience does not look at one for longer.
pub const MOST_MILLISECONDS: u32 = 5_000;

/// The threads that handlers of the server under experiment have for code that blocks: few, so that six requests show what
/// a bound is. (Four a core is the default of [`PoolSettings`](adapters::PoolSettings).)
pub const POOL_THREADS: u32 = 4;

/// One run: fired at once, and drawn as one timeline.
///
/// # Examples
///
/// ```
/// use lecture::{Run, Server, Work};
///
/// let run = Run::new(Work::Blocking, 2, 2000, 1, Server::Raw)?;
/// assert_eq!(run.to_string(), "2 requests that block for 2 s each, on server-raw with 1 worker");
/// assert!(Run::new(Work::Blocking, 0, 2000, 1, Server::Raw).is_err());
/// # Ok::<(), lecture::OutOfBounds>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wish")]
#[non_exhaustive]
pub struct Run {
    /// What each request does.
    pub work: Work,
    /// How many requests are fired, a bystander's aside. 1 to [`MOST_REQUESTS`].
    pub requests: u32,
    /// How long each of them sleeps, or is at work on a core. 1 to [`MOST_MILLISECONDS`].
    pub milliseconds: u32,
    /// How many workers the server has. 1 to [`MOST_WORKERS`].
    pub workers: u32,
    /// The server.
    pub server: Server,
}

impl Run {
    /// A run.
    ///
    /// # Errors
    ///
    /// If a number is out of its bounds.
    pub fn new(
        work: Work,
        requests: u32,
        milliseconds: u32,
        workers: u32,
        server: Server,
    ) -> Result<Self, OutOfBounds> {
        for (what, asked, most) in [
            ("requests", requests, MOST_REQUESTS),
            ("milliseconds", milliseconds, MOST_MILLISECONDS),
            ("workers", workers, MOST_WORKERS),
        ] {
            if !(1..=most).contains(&asked) {
                return Err(OutOfBounds { what, asked, most });
            }
        }
        Ok(Self {
            work,
            requests,
            milliseconds,
            workers,
            server,
        })
    }

    /// How long each request sleeps, or is at work.
    #[must_use]
    pub const fn length(&self) -> Duration {
        Duration::from_millis(self.milliseconds as u64)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = |count: u32| if count == 1 { "" } else { "s" };
        let Self {
            work,
            requests,
            workers,
            server,
            ..
        } = self;
        let verb = if *requests == 1 {
            work.verb().0
        } else {
            work.verb().1
        };
        write!(
            f,
            "{requests} request{} that {verb} for {} s{}, on server-{} with {workers} worker{}",
            many(*requests),
            self.length().as_secs_f64(),
            if *requests == 1 { "" } else { " each" },
            server.name(),
            many(*workers)
        )
    }
}

/// As it comes from a page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    work: Work,
    requests: u32,
    milliseconds: u32,
    workers: u32,
    server: Server,
}

impl TryFrom<Wish> for Run {
    type Error = OutOfBounds;

    fn try_from(wish: Wish) -> Result<Self, OutOfBounds> {
        Self::new(
            wish.work,
            wish.requests,
            wish.milliseconds,
            wish.workers,
            wish.server,
        )
    }
}

/// A number of a [`Run`] that is too small or too large.
///
/// # Examples
///
/// ```
/// use lecture::{Run, Server, Work};
///
/// let error = Run::new(Work::Awaiting, 100, 1, 1, Server::Raw).unwrap_err();
/// assert_eq!(error.to_string(), "100 requests: a run has 1 to 16");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfBounds {
    what: &'static str,
    asked: u32,
    most: u32,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, asked, most } = self;
        write!(f, "{asked} {what}: a run has 1 to {most}")
    }
}

impl std::error::Error for OutOfBounds {}

/// What a request of a run does on its server: a route of [`subject`](crate::subject()).
///
/// # Examples
///
/// ```
/// use lecture::Work;
///
/// assert_eq!("computing-beside".parse(), Ok(Work::ComputingBeside));
/// assert!("sleeping".parse::<Work>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// An async function that puts its worker to sleep: the common mistake.
    Blocking,
    /// An async function that awaits a timer.
    Awaiting,
    /// A plain function that sleeps, on a thread of the pool.
    Pooled,
    /// An async function that computes on its worker.
    Computing,
    /// An async function that awaits a computation on a thread for those.
    ComputingBeside,
}

impl Work {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Blocking,
        Self::Awaiting,
        Self::Pooled,
        Self::Computing,
        Self::ComputingBeside,
    ];

    /// The name: of its route, in commands and for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Awaiting => "awaiting",
            Self::Pooled => "pooled",
            Self::Computing => "computing",
            Self::ComputingBeside => "computing-beside",
        }
    }

    /// The handler, as one writes it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Blocking => "async fn blocking() { thread::sleep(length); }",
            Self::Awaiting => "async fn awaiting() { tokio::time::sleep(length).await; }",
            Self::Pooled => "fn pooled() { thread::sleep(length); }",
            Self::Computing => "async fn computing() { compute(length); }",
            Self::ComputingBeside => {
                "async fn computing_beside() { run_cpu(gone, move || compute(length)).await; }"
            }
        }
    }

    /// What one request does, and what several do.
    const fn verb(self) -> (&'static str, &'static str) {
        match self {
            Self::Blocking => ("blocks", "block"),
            Self::Awaiting => ("awaits a timer", "await a timer"),
            Self::Pooled => ("blocks a thread of the pool", "block a thread of the pool"),
            Self::Computing => ("computes on its worker", "compute on their worker"),
            Self::ComputingBeside => ("computes beside its worker", "compute beside their worker"),
        }
    }
}

impl FromStr for Work {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let known = Self::ALL.into_iter().find(|work| work.name() == text);
        known.ok_or(Unknown(
            "blocking, awaiting, pooled, computing or computing-beside",
        ))
    }
}

/// The server of a run: a word of the launcher's.
///
/// # Examples
///
/// ```
/// assert_eq!("hyper".parse(), Ok(lecture::Server::Hyper));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// `server-raw`.
    #[default]
    Raw,
    /// `server-hyper`.
    Hyper,
}

impl Server {
    /// What `--server` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hyper => "hyper",
        }
    }
}

impl FromStr for Server {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let known = [Self::Raw, Self::Hyper];
        let known = known.into_iter().find(|server| server.name() == text);
        known.ok_or(Unknown("raw or hyper"))
    }
}

/// A word that names none of what there is.
///
/// # Examples
///
/// ```
/// let error = "nginx".parse::<lecture::Server>().unwrap_err();
/// assert_eq!(error.to_string(), "there is raw or hyper");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown(&'static str);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is {}", self.0)
    }
}

impl std::error::Error for Unknown {}
