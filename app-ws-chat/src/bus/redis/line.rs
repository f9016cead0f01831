//! The connection for commands, and another one when it has fallen silent.

use std::sync::{Arc, Mutex};

use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Script};
use tokio::time::timeout;

use super::engine::{Address, Engine, Lasting, Step};
use super::{ANSWER_WITHIN, lock};
use crate::store::StoreError;

/// A connection that is made anew when it breaks, and also when it does not answer.
///
/// A network that has forgotten a connection swallows what is sent and says nothing, for a quarter of an hour and more:
/// who waits for an error of the socket waits for so long. The connections of a cluster are many, and one that is silent
/// is no reason to end the others: they have their own bounds.
#[derive(Clone)]
pub(super) struct Line {
    address: Address,
    now: Arc<Mutex<Current>>,
}

struct Current {
    engine: Engine,
    /// Counts the connections, so that several who were not answered do not each make a new one.
    number: u64,
}

impl Line {
    /// Has to be called within the runtime that the connection is to live in.
    pub(super) fn new(address: Address) -> RedisResult<Self> {
        let engine = address.connect()?;
        let current = Current { engine, number: 0 };
        Ok(Self {
            address,
            now: Arc::new(Mutex::new(current)),
        })
    }

    /// See [`Engine::publish`].
    pub(super) fn publish(&self) -> &'static str {
        lock(&self.now).engine.publish()
    }

    /// See [`Engine::ask`].
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.bounded(|engine| async move { engine.ask(command).await })
            .await
    }

    /// See [`Engine::exec`].
    pub(super) async fn exec(&self, commands: &Pipeline) -> Result<(), StoreError> {
        self.bounded(|engine| async move { engine.exec(commands).await })
            .await
    }

    /// See [`Engine::invoke`].
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        script: &Script,
        step: &Step,
        lasting: Lasting,
    ) -> Result<T, StoreError> {
        self.bounded(|engine| async move { engine.invoke(script, step, lasting).await })
            .await
    }

    /// Waits for an answer, but not for ever. Without one, the next is asked on another connection.
    async fn bounded<T, F>(&self, question: impl FnOnce(Engine) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let (engine, number) = {
            let now = lock(&self.now);
            (now.engine.clone(), now.number)
        };
        if let Engine::Cluster { .. } = engine {
            return question(engine).await;
        }
        match timeout(ANSWER_WITHIN, question(engine)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.replace(number);
                Err(StoreError::new("Redis does not answer"))
            }
        }
    }

    fn replace(&self, silent: u64) {
        let mut now = lock(&self.now);
        if now.number != silent {
            return;
        }
        // What was an address before is one still.
        if let Ok(engine) = self.address.connect() {
            *now = Current {
                engine,
                number: silent + 1,
            };
        }
    }
}
