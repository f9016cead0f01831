//! may_minihttp, on stackful coroutines: `GET /` and `GET /json` alone.
#![forbid(unsafe_code)]

use std::io;

use may_minihttp::{HttpService, HttpServiceFactory, Request, Response};
use peer::{HELLO, JSON, args};

struct Hello;

impl HttpService for Hello {
    fn call(
        &mut self,
        request: Request<'_, '_, '_>,
        response: &mut Response<'_>,
    ) -> io::Result<()> {
        match request.path() {
            "/" => response.header("Content-Type: text/plain").body(HELLO),
            "/json" => response.header("Content-Type: application/json").body(JSON),
            _ => drop(response.status_code(404, "Not Found")),
        }
        Ok(())
    }
}

impl HttpServiceFactory for Hello {
    type Service = Self;

    fn new_service(&self, _: usize) -> Self {
        Self
    }
}

fn main() -> io::Result<()> {
    let args = args();
    may::config().set_workers(args.workers);
    let server = Hello.start(("127.0.0.1", args.port))?;
    server.join().expect("the accept loop does not panic");
    Ok(())
}
