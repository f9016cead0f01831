//! The connection for commands, and another one when it has fallen silent.

use std::sync::{Arc, Mutex};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};
use tokio::time::timeout;

use super::{ANSWER_WITHIN, RETRY, lock};
use crate::store::StoreError;

/// A connection that is made anew when it breaks, and also when it does not answer.
///
/// A network that has forgotten a connection swallows what is sent and says nothing, for a quarter of an hour and more:
/// who waits for an error of the socket waits for so long.
#[derive(Clone)]
pub(super) struct Line {
    client: Client,
    now: Arc<Mutex<Current>>,
}

struct Current {
    connection: ConnectionManager,
    /// Counts the connections, so that several who were not answered do not each make a new one.
    number: u64,
}

impl Line {
    /// Has to be called within the runtime that the connection is to live in.
    pub(super) fn new(client: Client) -> Result<Self, RedisError> {
        let current = Current {
            connection: connect(&client)?,
            number: 0,
        };
        Ok(Self {
            client,
            now: Arc::new(Mutex::new(current)),
        })
    }

    /// Asks Redis something.
    ///
    /// # Errors
    ///
    /// Redis refuses, cannot be reached, or does not answer within [`ANSWER_WITHIN`]; then the next one is asked on
    /// another connection.
    pub(super) async fn ask<T, F>(
        &self,
        question: impl FnOnce(ConnectionManager) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let (connection, number) = {
            let now = lock(&self.now);
            (now.connection.clone(), now.number)
        };
        match timeout(ANSWER_WITHIN, question(connection)).await {
            Ok(answer) => answer.map_err(StoreError::new),
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
        // What was a client's address before is one still.
        if let Ok(connection) = connect(&self.client) {
            *now = Current {
                connection,
                number: silent + 1,
            };
        }
    }
}

fn connect(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(Some(ANSWER_WITHIN))
        .set_max_delay(RETRY);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
