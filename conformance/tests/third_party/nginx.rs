//! nginx before a server, as `docs/operating.md` sets both up.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use conformance::{Options, PATIENCE, Server, Signal, Subject};
use rustix::process::{Pid, kill_process};
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;

const GUIDE: &str = include_str!("../../../docs/operating.md");

/// nginx, with the guide's blocks, until the test is over.
struct Nginx {
    child: Child,
    folder: PathBuf,
    /// Where it listens.
    front: String,
}

impl Nginx {
    fn before(server: &Server) -> Self {
        let folder = folder();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let front = listener.local_addr().expect("it is bound").to_string();
        let blocks = replaced(
            &replaced(&block("nginx"), "listen 80;", &format!("listen {front};")),
            "server 127.0.0.1:8000;",
            &format!("server {};", server.address()),
        );
        let at = folder.display();
        let conf = format!(
            "daemon off;\nworker_processes 1;\npid {at}/pid;\nerror_log stderr warn;\nevents {{}}\nhttp {{\naccess_log off;\n\
             client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c; uwsgi_temp_path {at}/d;\n\
             scgi_temp_path {at}/e;\n{blocks}\n}}\n"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, conf).expect("the folder is ours");
        // It takes the listener as from an nginx that is replaced: so the port is one that was free, and nobody has to wait for it.
        let child = Command::new("nginx")
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&file)
            .env("NGINX", "0;")
            .stdin(OwnedFd::from(listener))
            .spawn();
        let child =
            child.unwrap_or_else(|error| panic!("nginx cannot be started ({error}): run ./test"));
        Self {
            child,
            folder,
            front,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.front)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its worker ends with it, if it is let.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process(pid.expect("an id"), Signal::TERM);
        let _ = self.child.wait();
        // What is left of it is the system's to clean.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("nginx-{}-{number}", process::id()));
    fs::create_dir_all(&folder).expect("the temporary folder can be written");
    folder
}

/// The guide's first block in this language.
#[track_caller]
fn block(language: &str) -> String {
    let start = format!("```{language}\n");
    let rest = GUIDE
        .split_once(&start)
        .expect("the guide has such a block")
        .1;
    rest.split("```").next().expect("it ends").to_owned()
}

#[track_caller]
fn replaced(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "no {old:?} in {text}");
    text.replace(old, new)
}

pub(super) fn nginx_stands_before_it(subject: &Subject) {
    let file = folder().join("chat.toml");
    fs::write(&file, block("toml")).expect("the folder is ours");
    let config = file.to_str().expect("it is of letters");
    let arguments = ["--config", config, "--metrics-bind", "127.0.0.1:0"];
    let server = subject.start_with(Options::new().arguments(&arguments));
    let nginx = Nginx::before(&server);

    // Whatever a client says of itself, what nginx has seen counts.
    let asked = [
        "--interface",
        "127.0.0.2",
        "--header",
        "host: chat.example",
        "--header",
        "x-forwarded-for: 192.0.2.1",
        "--header",
        "x-forwarded-proto: https",
        "--header",
        "x-forwarded-host: evil.example",
        &nginx.url("/conformance/scope"),
    ];
    let scope = super::curl(&asked, b"");
    for line in [
        "client 127.0.0.2:0",
        "scheme http",
        "authority chat.example",
    ] {
        assert!(
            scope.lines().any(|own| own == line),
            "no {line:?} in {scope}"
        );
    }
    let logged = server.wait_for_log("/conformance/scope");
    assert!(logged.contains("127.0.0.2"), "{logged}");

    let body = vec![b'x'; 900_000];
    let url = nginx.url("/conformance/echo");
    let echo = super::curl(&["--data-binary", "@-", &url], &body);
    assert!(echo.as_bytes() == body);

    websocket(&nginx);
    fs::remove_dir_all(file.parent().expect("it is in a folder")).expect("it is ours");
}

fn websocket(nginx: &Nginx) {
    let stream = TcpStream::connect(&nginx.front).expect("nginx listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("the stream is ours");
    let mut request = format!("ws://{}/conformance/ws/echo", nginx.front)
        .into_client_request()
        .expect("a URL");
    let host = "chat.example".parse().expect("a name");
    request.headers_mut().insert("host", host);
    let (mut socket, _) = tungstenite::client(request, stream).expect("it is accepted");
    for message in [
        Message::text("through nginx"),
        Message::binary(vec![7; 70_000]),
    ] {
        socket.send(message.clone()).expect("it is open");
        assert_eq!(socket.read().expect("it echoes"), message);
    }
}
