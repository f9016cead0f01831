//! Tools that read OpenAPI documents: a validator, and a generator whose client is used.

use std::fs;
use std::path::PathBuf;

use conformance::{Options, Server, Subject};

use crate::{run, url};

const CLIENT: &str = include_str!("openapi/client.py");
const SETTINGS: &str = include_str!("openapi/generator.yml");
const VALIDATE: &str = include_str!("openapi/validate.py");

/// The interpreter that has the tools.
fn python() -> String {
    std::env::var("CONFORMANCE_OPENAPI_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// An example of app-router, beside this test.
fn example(subject: &Subject, name: &str) -> Server {
    let program = subject
        .program()
        .parent()
        .expect("it lies in a folder")
        .join("examples")
        .join(name);
    let found = program.display();
    assert!(program.is_file(), "{found} is not built: run ./test");
    Subject::new(subject.name(), &program, &["--server", subject.name()]).start_with(Options::new())
}

#[track_caller]
fn is_valid(server: &Server) {
    let said = run(
        &python(),
        &["-c", VALIDATE, &url(server, "/openapi.json")],
        b"",
    );
    assert!(said.starts_with("OpenAPI 3.1.0, "), "{said}");
}

pub(crate) fn its_documents_are_valid(subject: &Subject) {
    for name in ["demo", "market"] {
        is_valid(&example(subject, name));
    }
}

/// A folder for what is generated, which goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn a_generated_client_works(subject: &Subject) {
    let server = example(subject, "market");
    let name = format!("generated-client-{}-{}", subject.name(), std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    fs::create_dir_all(&folder.0).expect("a folder can be made");
    let path = |name: &str| folder.0.join(name).display().to_string();
    let (settings, package) = (path("generator.yml"), path("market"));
    fs::write(&settings, SETTINGS).expect("a file can be written");
    let document = url(&server, "/openapi.json");
    // Whatever it could not make a client of is a failure.
    let generate = [
        "-m",
        "openapi_python_client",
        "generate",
        "--fail-on-warning",
        "--meta",
        "none",
        "--config",
        &settings,
        "--output-path",
        &package,
        "--url",
        &document,
    ];
    run(&python(), &generate, b"");
    let root = url(&server, "");
    let said = run(&python(), &["-c", CLIENT, &root, &path("")], b"");
    assert_eq!(said, "the generated client works\n");
}
