//! Files, as clients see them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;

use conformance::{Client, Framing, Method, Subject};
use rustix::fs::{Advice, CWD, FileType, Mode};

use crate::Test;
use crate::tree::{Served, bytes, get, head};

pub(crate) const TESTS: &[Test] = &[
    ("files_of_all_sizes_come_whole_on_one_connection", whole),
    ("a_file_that_is_on_the_disk_alone_comes_whole", cold),
    ("a_file_comes_whole_by_http_1_0", by_1_0),
    (
        "a_region_is_framed_by_chunks_where_no_length_is_declared",
        chunked,
    ),
    ("nothing_holds_a_huge_file_up", huge),
    ("parts_of_a_file_are_sent", parts),
    (
        "several_files_that_are_asked_for_at_once_come_in_order",
        pipelined,
    ),
    ("head_has_the_length_and_no_body", heads),
    ("what_the_client_has_is_not_sent_again", unmodified),
    ("no_path_leads_out_of_the_directory", traversal),
    ("a_pipe_is_nothing_and_holds_nobody_up", pipe),
    (
        "a_file_that_is_cut_short_meanwhile_is_no_whole_answer",
        shrinks,
    ),
    ("a_client_that_does_not_read_costs_no_memory", slow),
    (
        "a_client_that_leaves_in_the_middle_costs_nobody_else",
        leaves,
    ),
    ("many_clients_have_the_same_file", many),
];

fn whole(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    for _ in 0..3 {
        let small = get(&mut client, "/files/small.txt", "");
        assert_eq!((small.status, small.text()), (200, "a small file"));
        assert_eq!(small.field("cache-control"), Some("no-cache"));
        let large = get(&mut client, "/files/large.bin", "");
        assert_eq!(large.framing, Framing::Length(3_000_001));
        assert!(large.body == bytes(3_000_001));
        let index = get(&mut client, "/files/below/", "");
        assert_eq!(index.text(), "<h1>below</h1>");
        let redirect = get(&mut client, "/files/below?a=b", "");
        assert_eq!(
            (redirect.status, redirect.field("location")),
            (307, Some("./below/?a=b"))
        );
    }
}

/// Has the kernel forget what is in a file.
fn forget(served: &Served, name: &str) {
    let file = File::open(served.directory.join(name)).expect("it is there");
    file.sync_all().expect("it is ours");
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).expect("it is a file");
}

fn cold(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    for path in ["/files/large.bin", "/coded-files/large.bin"] {
        forget(&served, "large.bin");
        let large = get(&mut client, path, "");
        assert!(large.body == bytes(3_000_001), "{path}");
        forget(&served, "small.txt");
        assert_eq!(
            get(&mut client, "/files/small.txt", "").text(),
            "a small file"
        );
    }
}

/// If each piece waited for the next tick, this would take longer than anybody waits.
fn huge(subject: &Subject) {
    let served = Served::start(subject);
    let huge = File::create(served.directory.join("huge")).expect("there is room");
    huge.set_len(16 << 20).expect("there is room");
    let mut client = served.server.connect();
    for path in ["/files/huge", "/chunked/huge"] {
        let response = get(&mut client, path, "");
        assert!(response.body.len() >= 16 << 20, "{path}");
    }
}

fn by_1_0(subject: &Subject) {
    let served = Served::start(subject);
    for (path, before, after) in [
        ("/files/large.bin", &b""[..], &b""[..]),
        ("/chunked/large.bin", b"before ", b" after"),
    ] {
        let mut client = served.server.connect();
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
        let large = client.read_response();
        let expected = [before, &bytes(3_000_001), after].concat();
        assert!(large.body == expected, "{path}");
        client.expect_end();
    }
}

fn chunked(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    for name in ["large.bin", "small.txt", "large.bin"] {
        let response = get(&mut client, &format!("/chunked/{name}"), "");
        assert_eq!(response.framing, Framing::Chunked);
        let content = fs::read(served.directory.join(name)).expect("it is there");
        assert!(
            response.body == [b"before ", &content[..], b" after"].concat(),
            "{name}"
        );
    }
}

fn parts(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    let content = bytes(3_000_001);
    for (asked, first, last) in [
        ("bytes=0-9", 0, 9),
        ("bytes=-10", 2_999_991, 3_000_000),
        ("bytes=1000000-2999999", 1_000_000, 2_999_999),
        ("bytes=100000-", 100_000, 3_000_000),
    ] {
        let part = get(
            &mut client,
            "/files/large.bin",
            &format!("range: {asked}\r\n"),
        );
        assert_eq!(part.status, 206, "{asked}");
        let content_range = format!("bytes {first}-{last}/3000001");
        assert_eq!(part.field("content-range"), Some(&*content_range));
        assert!(part.body == content[first..=last], "{asked}");
    }
    let several = get(
        &mut client,
        "/files/large.bin",
        "range: bytes=0-99999,1000000-1099999\r\n",
    );
    assert_eq!(several.status, 206);
    let content_type = several.field("content-type").expect("it has a type");
    let boundary = content_type.rsplit_once('=').expect("it has a boundary").1;
    let part = |first: usize, last: usize| {
        let head = format!(
            "\r\n--{boundary}\r\ncontent-type: application/octet-stream\r\n\
             content-range: bytes {first}-{last}/3000001\r\n\r\n"
        );
        [head.as_bytes(), &content[first..=last]].concat()
    };
    let end = format!("\r\n--{boundary}--\r\n");
    let expected = [
        &part(0, 99_999)[..],
        &part(1_000_000, 1_099_999),
        end.as_bytes(),
    ]
    .concat();
    assert!(several.body == expected);
    let behind = get(&mut client, "/files/small.txt", "range: bytes=12-\r\n");
    assert_eq!(
        (behind.status, behind.field("content-range")),
        (416, Some("bytes */12"))
    );
}

fn pipelined(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    let paths = [
        "/files/large.bin",
        "/files/small.txt",
        "/chunked/large.bin",
        "/files/small.txt",
    ];
    for path in paths {
        client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
    }
    let lengths = paths.map(|_| client.read_response().body.len());
    assert_eq!(lengths, [3_000_001, 12, 3_000_014, 12]);
}

fn heads(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    for _ in 0..2 {
        let large = head(&mut client, "/files/large.bin", "range: bytes=0-1\r\n");
        assert_eq!(
            (large.status, large.field("content-length")),
            (200, Some("3000001"))
        );
        assert_eq!(head(&mut client, "/files/none", "").status, 404);
    }
}

fn unmodified(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    let small = get(&mut client, "/files/small.txt", "");
    let etag = small.field("etag").expect("it has a tag");
    let again = get(
        &mut client,
        "/files/small.txt",
        &format!("if-none-match: {etag}\r\n"),
    );
    assert_eq!((again.status, again.field("etag")), (304, Some(etag)));
    assert_eq!(again.field("cache-control"), Some("no-cache"));
    let wrong = get(&mut client, "/files/small.txt", "if-match: \"x\"\r\n");
    assert_eq!(wrong.status, 412);
    let fields = format!("range: bytes=0-0\r\nif-range: {etag}\r\n");
    assert_eq!(get(&mut client, "/files/small.txt", &fields).text(), "a");
}

fn traversal(subject: &Subject) {
    let served = Served::start(subject);
    let secret = served.directory.with_extension("secret");
    fs::write(&secret, "secret").expect("there is room");
    let name = secret
        .file_name()
        .and_then(|name| name.to_str())
        .expect("it is text");
    let mut client = served.server.connect();
    for path in [
        format!("/files/../{name}"),
        format!("/files/..%2f{name}"),
        format!("/files/%2e%2e/{name}"),
        format!("/files/below/../../{name}"),
        format!("/files/..%5c{name}"),
        format!("/files//..//{name}"),
        String::from("/files//etc/passwd"),
        String::from("/files/%2Fetc/passwd"),
        String::from("/files/small.txt%00.png"),
    ] {
        assert_eq!(get(&mut client, &path, "").status, 404, "{path}");
    }
    fs::remove_file(secret).expect("it is ours");
}

fn pipe(subject: &Subject) {
    let served = Served::start(subject);
    let path = served.directory.join("pipe");
    let mode = Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, mode, 0).expect("there is room");
    let mut client = served.server.connect();
    for _ in 0..100 {
        assert_eq!(get(&mut client, "/files/pipe", "").status, 404);
    }
}

fn shrinks(subject: &Subject) {
    let served = Served::start(subject);
    let path = served.directory.join("shrinks");
    let file = File::create(&path).expect("there is room");
    file.set_len(40_000_000).expect("there is room");
    let mut client = Client::connect_with_receive_buffer(served.server.address(), 4096);
    client.send("GET /files/shrinks HTTP/1.1\r\nhost: a\r\n\r\n");
    // Its end is far behind what any socket holds.
    let begin = client.read_bytes(100_000);
    assert!(begin.starts_with(b"HTTP/1.1 200"));
    file.set_len(20_000_000).expect("it is ours");
    let (rest, _) = client.read_to_end();
    assert!(rest.len() < 20_000_001, "{}", rest.len());
    served
        .server
        .wait_for_log("a file of a response could not be read");
    let mut other = served.server.connect();
    assert_eq!(
        get(&mut other, "/files/small.txt", "").text(),
        "a small file"
    );
}

fn slow(subject: &Subject) {
    let served = Served::start(subject);
    let huge = File::create(served.directory.join("huge")).expect("there is room");
    // A hole, which takes no room on the disk.
    huge.set_len(1 << 30).expect("there is room");
    let before = served.server.resident_kib();
    let clients: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = Client::connect_with_receive_buffer(served.server.address(), 4096);
            client.send("GET /files/huge HTTP/1.1\r\nhost: a\r\n\r\n");
            assert!(client.read_bytes(1000).starts_with(b"HTTP/1.1 200"));
            client
        })
        .collect();
    let grown = served.server.resident_kib().saturating_sub(before);
    assert!(grown < 40 * 1024, "{grown} KiB for 20 clients");
    drop(clients);
}

fn leaves(subject: &Subject) {
    let served = Served::start(subject);
    let huge = File::create(served.directory.join("huge")).expect("there is room");
    huge.set_len(1 << 30).expect("there is room");
    for round in 0..20 {
        let mut client = served.server.connect();
        client.send("GET /files/huge HTTP/1.1\r\nhost: a\r\n\r\n");
        client.read_bytes(1000);
        if round % 2 == 0 {
            client.reset();
        } else {
            drop(client);
        }
    }
    let mut other = served.server.connect();
    assert_eq!(
        get(&mut other, "/files/small.txt", "").text(),
        "a small file"
    );
}

fn many(subject: &Subject) {
    let served = Served::start(subject);
    let address = served.server.address();
    let expected = bytes(3_000_001);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(address).expect("it listens");
                let request =
                    b"GET /files/large.bin HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
                stream.write_all(request).expect("it reads");
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).expect("it answers");
                assert!(answer.ends_with(&expected));
            });
        }
    });
    let mut client = served.server.connect();
    client.send("GET /files/small.txt HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_response_to(Method::Other).status, 200);
}
