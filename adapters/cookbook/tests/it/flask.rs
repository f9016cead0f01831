//! The guest book in a process of its own, on both servers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use conformance::{Client, Framing, Method, Options, PATIENCE, Response, Server, Signal};
use serde_json::{Value, json};

use crate::program::{self, on_each_server};

on_each_server!(
    a_guest_signs_and_is_known_from_then_on,
    a_form_that_is_wrong_says_why,
    nothing_that_is_written_is_html,
    json_goes_in_and_comes_out,
    json_that_is_wrong_says_why,
    what_is_too_large_is_refused,
    every_route_says_what_it_takes,
    an_export_is_generated_while_it_is_sent,
    a_backup_is_the_file,
    an_import_is_read_line_by_line,
    guests_sign_at_once,
    the_book_survives_a_restart,
    a_file_that_is_no_book_is_a_failed_startup,
);

/// A guest book in a file of its own.
struct Site {
    server: Server,
    path: PathBuf,
    name: &'static str,
}

impl Site {
    fn start(server: &'static str) -> Self {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let file = format!("guests-{}-{number}.jsonl", std::process::id());
        Self::start_with(server, std::env::temp_dir().join(file))
    }

    fn start_with(name: &'static str, path: PathBuf) -> Self {
        let server = program::start(env!("CARGO_BIN_EXE_flask"), name, options(&path));
        Self { server, path, name }
    }

    /// Stops it as its operator would; its exit code is that of a shutdown in order.
    fn stop(&mut self) {
        self.server.signal(Signal::TERM);
        assert!(self.server.wait().success());
    }

    fn restart(mut self) -> Self {
        self.stop();
        let path = std::mem::take(&mut self.path);
        Self::start_with(self.name, path)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It is gone already if the site was started again.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn options(path: &std::path::Path) -> Options {
    Options::new().environment("GUESTS", path.to_str().expect("the path is plain"))
}

/// Sends a body of this type, with a field more if there is one.
fn post(client: &mut Client, path: &str, kind: &str, more: &str, body: &str) -> Response {
    client.send(format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{more}\r\n{body}",
        body.len()
    ));
    client.read_response()
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn sign(client: &mut Client, cookie: &str, form: &str) -> Response {
    post(client, "/sign", FORM, cookie, form)
}

fn document(response: &Response) -> Value {
    assert_eq!(response.field("content-type"), Some(JSON));
    serde_json::from_str(response.text()).expect("the answer is JSON")
}

fn a_guest_signs_and_is_known_from_then_on(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    let page = client.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("Please sign."));

    let signed = sign(&mut client, "", "name=J%C3%BCrgen+M.&text=was+here");
    assert_eq!((signed.status, signed.field("location")), (303, Some("/")));
    let cookie = signed.field("set-cookie").expect("a session was begun");
    let (session, attributes) = cookie.split_once(';').expect("it has attributes");
    assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"));
    let cookie = format!("cookie: theme=dark; {session}\r\n");

    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{cookie}\r\n"));
    let page = client.read_response();
    assert!(page.text().contains("Good to see you again, Jürgen M."));
    assert!(page.text().contains("<li><b>Jürgen M.</b> was here"));
    assert!(
        client.get("/").text().contains("Please sign."),
        "others are not known"
    );

    // Whoever signs anew has a new session, and the old one is over.
    let again = sign(&mut client, &cookie, "name=Ada&text=me+too");
    let renewed = again.field("set-cookie").expect("a session was begun");
    assert!(!renewed.starts_with(session));
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{cookie}\r\n"));
    assert!(client.read_response().text().contains("Please sign."));
}

fn a_form_that_is_wrong_says_why(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    let long = format!("name={}&text=x", "n".repeat(101));
    for (form, why) in [
        ("", "the name is missing\n"),
        ("name=Ada", "the text is missing\n"),
        ("name=+&text=x", "the name is missing\n"),
        ("name=%FF&text=x", "the form is no UTF-8\n"),
        (&long, "the name has over 100 characters\n"),
    ] {
        let refused = sign(&mut client, "", form);
        assert_eq!((refused.status, refused.text()), (400, why), "{form}");
        assert_eq!(refused.field("set-cookie"), None);
    }
    assert_eq!(document(&client.get("/entries")), json!([]));
}

fn nothing_that_is_written_is_html(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    sign(&mut client, "", "name=%3Cscript%3E&text=%3Cimg+src=x%3E");
    let page = client.get("/");
    assert!(!page.text().contains("<script>") && !page.text().contains("<img"));
    assert!(page.text().contains("&lt;script&gt;"));
}

fn json_goes_in_and_comes_out(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    let body = json!({"name": " Ada ", "text": "first\n\"line\""}).to_string();
    let created = post(
        &mut client,
        "/entries",
        "application/json; charset=utf-8",
        "",
        &body,
    );
    let entry = json!({"number": 1, "name": "Ada", "text": "first\n\"line\""});
    assert_eq!(
        (created.status, created.field("location")),
        (201, Some("/entries/1"))
    );
    assert_eq!(document(&created), entry);
    assert_eq!(document(&client.get("/entries/1")), entry);
    sign(&mut client, "", "name=Bob&text=second");
    let both = document(&client.get("/entries"));
    assert_eq!(
        both,
        json!([entry, {"number": 2, "name": "Bob", "text": "second"}])
    );
    assert_eq!(document(&client.get("/entries?name=Ada")), json!([entry]));
    assert_eq!(document(&client.get("/entries?name=A%64a")), json!([entry]));
    assert_eq!(document(&client.get("/entries?name=")), json!([]));
    for missing in [
        "/entries/3",
        "/entries/0",
        "/entries/x",
        "/entries/-1",
        "/entries/1/",
        "/else",
    ] {
        assert_eq!(client.get(missing).status, 404, "{missing}");
    }
}

fn json_that_is_wrong_says_why(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    for (kind, body, status, why) in [
        ("text/plain", "{}", 415, "this page takes application/json"),
        (JSON, "{", 400, "EOF while parsing"),
        (JSON, "{\"name\": \"Ada\"}", 400, "missing field `text`"),
        (
            JSON,
            "{\"name\": \"\", \"text\": \"x\"}",
            400,
            "the name is missing",
        ),
    ] {
        let refused = post(&mut client, "/entries", kind, "", body);
        assert_eq!(refused.status, status, "{body}");
        assert!(refused.text().starts_with(why), "{}", refused.text());
    }
}

fn what_is_too_large_is_refused(server: &'static str) {
    let site = Site::start(server);
    let body = format!("name=Ada&text={}", "x".repeat(40_000));
    assert_eq!(sign(&mut site.server.connect(), "", &body).status, 413);
    let log = site.server.log();
    assert!(!log.iter().any(|line| line.contains("ERROR")), "{log:?}");
}

fn every_route_says_what_it_takes(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    for (method, path, allowed) in [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/entries", "GET, HEAD, POST"),
        ("PUT", "/entries/1", "GET, HEAD"),
        ("GET", "/sign", "POST"),
        ("GET", "/import", "POST"),
        ("PATCH", "/export.csv", "GET, HEAD"),
    ] {
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
        ));
        let refused = client.read_response();
        assert_eq!(
            (refused.status, refused.field("allow")),
            (405, Some(allowed)),
            "{path}"
        );
    }
    let length = client.get("/").body.len().to_string();
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
    let head = client.read_response_to(Method::Head);
    assert_eq!(
        (head.status, head.field("content-length")),
        (200, Some(&*length))
    );
}

fn an_export_is_generated_while_it_is_sent(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    let lines: String = (0..20_000)
        .map(|n| format!("Ada: line {n} of \"many\"\n"))
        .collect();
    assert_eq!(
        post(&mut client, "/import", "text/plain", "", &lines).text(),
        "20000 entries\n"
    );
    let export = client.get("/export.csv");
    assert_eq!((export.status, export.framing), (200, Framing::Chunked));
    assert_eq!(
        export.field("content-type"),
        Some("text/csv; charset=utf-8")
    );
    let mut rows = export.text().split("\r\n");
    assert_eq!(rows.next(), Some("number,name,text"));
    for number in 1..=20_000 {
        let row = format!("{number},\"Ada\",\"line {} of \"\"many\"\"\"", number - 1);
        assert_eq!(rows.next(), Some(&*row));
    }
    assert_eq!(rows.collect::<Vec<_>>(), [""]);
    // A client that does not stay for it is no error.
    client.send("GET /export.csv HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    client.reset();
    assert_eq!(site.server.connect().get("/").status, 200);
    let log = site.server.log();
    assert!(!log.iter().any(|line| line.contains("ERROR")), "{log:?}");
}

fn a_backup_is_the_file(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    assert_eq!(client.get("/backup").body, b"");
    for n in 0..3000 {
        assert_eq!(
            sign(&mut client, "", &format!("name=Ada&text=line+{n}")).status,
            303
        );
    }
    let backup = client.get("/backup");
    let file = std::fs::read(&site.path).expect("the file is there");
    assert_eq!(backup.framing, Framing::Length(file.len()));
    assert!(backup.body == file);
}

fn an_import_is_read_line_by_line(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    // What is more than the threads wait for is worked on before the rest has come.
    let first: String = (0..4000)
        .map(|n| format!("Ada: the {n}th line, in parts\n"))
        .collect();
    let length = first.len() + 8;
    client.send(format!(
        "POST /import HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{first}"
    ));
    let mut other = site.server.connect();
    let until = Instant::now() + PATIENCE;
    while other.get("/entries/4000").status != 200 {
        assert!(Instant::now() < until, "it waits for the whole body");
    }
    client.send("Bob: b\r\n");
    assert_eq!(client.read_response().text(), "4001 entries\n");
    assert_eq!(document(&client.get("/entries/4001"))["text"], "b");

    let wrong = post(
        &mut client,
        "/import",
        "text/plain",
        "",
        "Ada: x\nno colon\nAda: y\n",
    );
    assert_eq!(
        (wrong.status, wrong.text()),
        (400, "line 2 is not `name: text`\n")
    );
    assert_eq!(
        client.get("/entries/4002").status,
        200,
        "what came before stays"
    );
    assert_eq!(client.get("/entries/4003").status, 404);
    let long = "x".repeat(20_000);
    assert_eq!(
        post(&mut client, "/import", "text/plain", "", &long).status,
        400
    );

    let mut client = site.server.connect();
    client.send("POST /import HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nAda: z\nAda");
    client.half_close();
    assert_eq!(
        client.read_response().status,
        400,
        "an upload that is cut off"
    );
}

fn guests_sign_at_once(server: &'static str) {
    const GUESTS: usize = 8;
    const TIMES: usize = 25;
    let site = Site::start(server);
    thread::scope(|scope| {
        for guest in 0..GUESTS {
            let server = &site.server;
            scope.spawn(move || {
                let mut client = server.connect();
                for _ in 0..TIMES {
                    let form = format!("name=guest+{guest}&text=again");
                    assert_eq!(sign(&mut client, "", &form).status, 303);
                }
            });
        }
    });
    let entries = document(&site.server.connect().get("/entries"));
    let entries = entries.as_array().expect("it is a list");
    assert_eq!(entries.len(), GUESTS * TIMES);
    for (at, entry) in entries.iter().enumerate() {
        assert_eq!(entry["number"], at + 1);
    }
}

fn the_book_survives_a_restart(server: &'static str) {
    let site = Site::start(server);
    let mut client = site.server.connect();
    sign(&mut client, "", "name=Ada&text=one");
    drop(client);
    let mut site = site.restart();
    let mut client = site.server.connect();
    sign(&mut client, "", "name=Ada&text=two");
    let texts = document(&client.get("/entries"));
    assert_eq!(
        (&texts[0]["text"], &texts[1]["number"]),
        (&json!("one"), &json!(2))
    );
    drop(client);
    site.stop();
}

fn a_file_that_is_no_book_is_a_failed_startup(server: &'static str) {
    let path = std::env::temp_dir().join(format!("no-book-{server}-{}", std::process::id()));
    std::fs::write(&path, "to do: milk\n").expect("there is room");
    let subject =
        conformance::Subject::new(server, env!("CARGO_BIN_EXE_flask"), &["--server", server]);
    let mut server = subject.launch(options(&path));
    assert_eq!(server.wait().code(), Some(1));
    assert_eq!(server.output(), [""; 0], "it never listened");
    std::fs::remove_file(path).expect("it is there");
}
