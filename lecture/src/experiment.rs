//! The experiments of the lecture: runs that are seen side by side.

use serde::Serialize;

use crate::{Run, Server, Work};

/// Some runs, one after the other, and what they show.
///
/// # Examples
///
/// ```
/// use lecture::{Experiment, Ground};
///
/// let experiments = Experiment::all(Ground::default());
/// assert_eq!(experiments[0].name, "waiting");
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Experiment {
    /// The name, in commands and for programs.
    pub name: &'static str,
    /// A title.
    pub title: &'static str,
    /// What there is to see.
    pub idea: &'static str,
    /// The runs.
    pub runs: Vec<Run>,
}

/// What a program runs on: what its experiments have where nothing else is said.
///
/// # Examples
///
/// ```
/// use lecture::{Experiment, Ground, Server};
///
/// let ground = Ground { server: Server::Hyper, workers: 8 };
/// let experiments = Experiment::all(ground);
/// assert!(experiments.iter().flat_map(|one| &one.runs).all(|run| run.server == Server::Hyper));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ground {
    /// The server.
    pub server: Server,
    /// Its workers.
    pub workers: u32,
}

impl Default for Ground {
    /// server-raw with one worker.
    fn default() -> Self {
        Self {
            server: Server::Raw,
            workers: 1,
        }
    }
}

impl Experiment {
    /// All of them, the lecture's own case first.
    #[must_use]
    pub fn all(ground: Ground) -> Vec<Self> {
        use Work::{Awaiting, Blocking, Computing, ComputingBeside, Pooled};
        let run = |work, requests, milliseconds, workers| Run {
            work,
            requests,
            milliseconds,
            workers,
            server: ground.server,
        };
        let many = ground.workers.max(2);
        vec![
            Self {
                name: "waiting",
                title: "Blocking and awaiting",
                idea: "Two requests of two seconds each, one worker. Blocking, they take four seconds, one after the \
                       other; awaiting, two, at the same time. The bystander is somebody else who asks for nothing much.",
                runs: vec![run(Blocking, 2, 2000, 1), run(Awaiting, 2, 2000, 1)],
            },
            Self {
                name: "workers",
                title: "More workers",
                idea: "Workers are threads with an event loop each. Four requests that block need four of them to \
                       overlap; sixteen that await need one.",
                runs: vec![
                    run(Blocking, 4, 1000, 1),
                    run(Blocking, 4, 1000, 2),
                    run(Blocking, 4, 1000, 4),
                    run(Awaiting, 16, 1000, 1),
                ],
            },
            Self {
                name: "pool",
                title: "Blocking code where it belongs",
                idea: "A plain function runs on a thread of a pool. Its requests overlap as far as the pool goes (four \
                       threads here), and the worker is free for everybody else.",
                runs: vec![run(Blocking, 6, 1000, 1), run(Pooled, 6, 1000, 1)],
            },
            Self {
                name: "computing",
                title: "Computing is not waiting",
                idea: "Half a second of work for a core. Async makes none of it shorter: on one worker it is done one \
                       after the other, on many as far as there are cores. Beside the worker it takes as long, and the \
                       bystander is served meanwhile.",
                runs: vec![
                    run(Computing, 4, 500, 1),
                    run(Computing, 4, 500, many),
                    run(ComputingBeside, 4, 500, 1),
                ],
            },
            Self {
                name: "stall",
                title: "The stall detector",
                idea: "Nobody sees from outside why a server is slow. The server itself does: whoever holds a worker for \
                       more than a tenth of a second is named, by route.",
                runs: vec![
                    run(Blocking, 1, 1500, 1),
                    run(Computing, 1, 500, 1),
                    run(Awaiting, 1, 1500, 1),
                ],
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_within_the_bounds() {
        let ground = Ground {
            server: Server::Hyper,
            workers: 8,
        };
        for experiment in Experiment::all(ground) {
            assert!(!experiment.runs.is_empty(), "{}", experiment.name);
            for run in experiment.runs {
                let Run {
                    work,
                    requests,
                    milliseconds,
                    workers,
                    server,
                } = run;
                assert_eq!(server, Server::Hyper);
                assert_eq!(
                    Run::new(work, requests, milliseconds, workers, server),
                    Ok(run)
                );
            }
        }
    }
}
