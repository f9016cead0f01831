//! A program of the cookbook in a process of its own, on each of gateway's servers.

use conformance::{Options, Server, Subject};

/// Starts this program on a server.
#[track_caller]
pub(crate) fn start(program: &str, server: &str, options: Options) -> Server {
    Subject::new(server, program, &["--server", server]).start_with(options)
}

/// Makes of each of these functions one test for each server.
macro_rules! on_each_server {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            #[test]
            fn raw() {
                super::$test("raw");
            }

            #[test]
            fn hyper() {
                super::$test("hyper");
            }
        }
    )+};
}
pub(crate) use on_each_server;
