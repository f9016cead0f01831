//! A future that cannot move between threads.

use std::rc::Rc;

use gateway_spec::{AppError, Application, Connection, Done};

struct App;

impl Application for App {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        let here = Rc::new(1);
        let done = connection.refuse().await;
        drop(here);
        done
    }
}

fn main() {}
