//! Makes what a route needs: each provider once, as soon as all that it needs is there.

use std::future::poll_fn;
use std::task::{Context, Poll};

use adapters::Pool;
use gateway_spec::AppError;
use http::StatusCode;

use super::graph::Plan;
use super::provider::{Making, NotMade};
use crate::RequestParts;
use crate::extract::Failures;

/// Makes all values of a plan, those that do not need each other at the same time, into the request.
///
/// Gives what is wrong with the arguments of providers: others may find more. What needs something that was not made is
/// left out.
///
/// # Errors
///
/// Of the first provider that refused. None is begun after it; those under way are waited for, so that none is left half
/// done.
pub(crate) async fn resolve(
    plan: &Plan,
    request: &RequestParts,
    pool: &Pool,
) -> Result<Failures, AppError> {
    let mut run = Run {
        plan,
        request,
        pool,
        stages: plan.steps.iter().map(|_| Stage::Waiting).collect(),
        failures: Failures::default(),
        refused: None,
    };
    poll_fn(|cx| run.poll(cx)).await;
    match run.refused {
        Some(error) => Err(error),
        None => Ok(run.failures),
    }
}

enum Stage<'a> {
    Waiting,
    Running(Making<'a>),
    Made,
    /// It, or something that it needs, was not made.
    NotMade,
}

struct Run<'a> {
    plan: &'a Plan,
    request: &'a RequestParts,
    pool: &'a Pool,
    stages: Vec<Stage<'a>>,
    failures: Failures,
    refused: Option<AppError>,
}

impl Run<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut is_running = false;
        // Steps come after what they need, so one pass begins all that can be, unless something later ends.
        let mut index = 0;
        while index < self.stages.len() {
            if let Stage::Waiting = self.stages[index] {
                self.begin(index);
            }
            let Stage::Running(making) = &mut self.stages[index] else {
                index += 1;
                continue;
            };
            match making.as_mut().poll(cx) {
                Poll::Pending => is_running = true,
                Poll::Ready(made) => self.end(index, made),
            }
            index += 1;
        }
        if is_running {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    fn begin(&mut self, index: usize) {
        let step = &self.plan.steps[index];
        let mut needs = step.needs.iter().map(|need| &self.stages[*need]);
        if self.refused.is_some() || needs.clone().any(|need| matches!(need, Stage::NotMade)) {
            self.stages[index] = Stage::NotMade;
        } else if needs.all(|need| matches!(need, Stage::Made)) {
            let making = step.call.provide(self.request, self.pool);
            self.stages[index] = Stage::Running(making);
        }
    }

    fn end(&mut self, index: usize, made: Result<super::Value, NotMade>) {
        self.stages[index] = match made {
            Ok(value) => {
                self.request.resolved.set(index, value);
                Stage::Made
            }
            // Who is not known is told that, and nothing of what else is wrong; nor is a body read of theirs.
            Err(NotMade::Arguments(error)) if error.status_code() == StatusCode::UNAUTHORIZED => {
                self.refused.get_or_insert(error);
                Stage::NotMade
            }
            Err(NotMade::Arguments(error)) => {
                self.failures.add(error);
                Stage::NotMade
            }
            Err(NotMade::Refused(error)) => {
                self.refused.get_or_insert(error);
                Stage::NotMade
            }
        };
    }
}
