use std::collections::HashSet;
use std::time::Duration;

use super::*;

/// Reads flags and variables as a process is given them.
fn read_all(flags: &[&str], variables: &[(&str, &str)]) -> Result<Wish, String> {
    let arguments = std::iter::once(&"app").chain(flags).map(OsString::from);
    let environment = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    read(arguments, environment).map_err(|error| error.to_string())
}

#[track_caller]
fn effective(flags: &[&str], variables: &[(&str, &str)]) -> Effective {
    match read_all(flags, variables) {
        Ok(Wish::Serve(effective)) => *effective,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn said(flags: &[&str]) -> String {
    match read_all(flags, &[]) {
        Ok(Wish::Say(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// A file of this text, for as long as a test runs.
struct Written(PathBuf);

impl Written {
    fn new(text: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gateway-config-{}-{number}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("the temporary folder can be written");
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().expect("it is of letters")
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn nothing_given_is_what_the_servers_have_by_default() {
    let effective = effective(&[], &[]);
    let (is, by_default) = (effective.config.settings(), Settings::default());
    assert_eq!(format!("{is:?}"), format!("{by_default:?}"));
    assert!(
        effective
            .values
            .iter()
            .all(|(_, _, origin)| origin == "default")
    );
}

#[test]
fn names_are_unique_and_all_places_have_them() {
    let keys = keys::all();
    let names: HashSet<&str> = keys.iter().map(|key| key.name).collect();
    assert_eq!(names.len(), keys.len());
    for key in &keys {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(key.name.chars().all(is_plain), "{}", key.name);
        assert!(
            !key.help.ends_with('.'),
            "{}: the default follows",
            key.name
        );
    }
}

#[test]
fn each_default_is_read_again() {
    // What `--check` prints is a file that says the same.
    let printed = said(&["--check"]);
    let file = Written::new(&printed);
    let again = effective(&["--config", file.name()], &[]);
    let by_default = Settings::default();
    assert_eq!(
        format!("{:?}", again.config.settings()),
        format!("{by_default:?}")
    );
    for (name, _, origin) in &again.values {
        let is_unset = printed.contains(&format!("# {name} is not set"));
        assert_eq!(origin == "default", is_unset, "{name} is by {origin}");
    }
}

#[test]
fn a_flag_is_stronger_than_a_variable_and_that_than_the_file() {
    let file = Written::new("workers = 2\nhead-timeout = \"2s\"\ngrace = 2\n");
    let variables = [
        ("GATEWAY_CONFIG", file.name()),
        ("GATEWAY_WORKERS", "3"),
        ("GATEWAY_HEAD_TIMEOUT", "3s"),
    ];
    let effective = effective(&["--workers", "4"], &variables);
    let settings = effective.config.settings();
    assert_eq!(settings.workers.get(), 4);
    assert_eq!(settings.timeouts.head, Duration::from_secs(3));
    assert_eq!(settings.grace, Duration::from_secs(2));
    let origin = |name| {
        let value = effective.values.iter().find(|value| value.0 == name);
        value
            .map(|(_, _, origin)| origin.clone())
            .expect("it is a key")
    };
    assert_eq!(origin("workers"), "--workers");
    assert_eq!(origin("head-timeout"), "GATEWAY_HEAD_TIMEOUT");
    assert_eq!(origin("grace"), format!("{}:3: grace", file.name()));
}

#[test]
fn lists_are_flags_several_times_commas_and_arrays() {
    let two: Vec<server_host::Bind> =
        vec![([127, 0, 0, 1], 81).into(), ([127, 0, 0, 1], 82).into()];
    let by_flags = effective(&["--bind", "localhost:81", "--bind=127.0.0.1:82"], &[]);
    let by_variable = effective(&[], &[("GATEWAY_BIND", "localhost:81, 127.0.0.1:82")]);
    let file = Written::new("bind = [\n  \"localhost:81\",\n  \"127.0.0.1:82\",\n]\n");
    let by_file = effective(&["--config", file.name()], &[]);
    for effective in [by_flags, by_variable, by_file] {
        assert_eq!(effective.config.settings().bind, two);
    }
    // The stronger place has the whole list.
    let flag = effective(
        &["--bind", "localhost:83"],
        &[("GATEWAY_BIND", "localhost:81")],
    );
    assert_eq!(flag.config.settings().bind, [([127, 0, 0, 1], 83).into()]);
}

#[test]
fn of_one_flag_given_twice_the_last_counts() {
    let effective = effective(&["--grace", "1", "--grace=2s"], &[]);
    assert_eq!(effective.config.settings().grace, Duration::from_secs(2));
}

#[test]
fn a_switch_alone_is_on() {
    for flags in [
        &["--ws-deflate", "--workers", "1"][..],
        &["--ws-deflate", "on"],
        &["--ws-deflate"],
    ] {
        let effective = effective(flags, &[("GATEWAY_WS_DEFLATE", "off")]);
        assert!(
            effective.config.settings().websocket.deflate.is_some(),
            "{flags:?}"
        );
    }
    let file = Written::new("ws-deflate = false\n");
    let effective = effective(&["--config", file.name()], &[]);
    assert!(effective.config.settings().websocket.deflate.is_none());
}

#[test]
fn wrong_flags_and_variables_are_one_line_with_the_place_and_the_mend() {
    for (flags, variables, expected) in [
        (
            &["--bind", "nowhere"][..],
            &[][..],
            "--bind: `nowhere` is no place to listen: it is IP:PORT (127.0.0.1:8000, [::1]:8000), localhost:PORT, unix:PATH, fd:N or systemd, and http:// or https:// may stand before it",
        ),
        (
            &["--bind", "localhost:x"],
            &[],
            "--bind: `localhost:x` is no place to listen: it is IP:PORT (127.0.0.1:8000, [::1]:8000), localhost:PORT, unix:PATH, fd:N or systemd, and http:// or https:// may stand before it",
        ),
        (
            &["--workers", "0"],
            &[],
            "--workers: \"0\" is not a whole number from 1 on",
        ),
        (
            &["--workers"],
            &[],
            "--workers: a value is missing: --workers N",
        ),
        (
            &["--workers", "--grace", "1"],
            &[],
            "--workers: a value is missing: --workers N",
        ),
        (
            &["--server", "apache"],
            &[],
            "--server: \"apache\" is none of raw, hyper",
        ),
        (
            &["--access-log", "maybe"],
            &[],
            "--access-log: \"maybe\" is none of on, off, stderr, stdout; and no path of a file, which has a slash",
        ),
        (
            &["--grace", "-1"],
            &[],
            "--grace: \"-1\" is no time; write 10s, 500ms, 2m or 1h30m",
        ),
        (
            &["--log", "a=b=c"],
            &[],
            "--log: \"a=b=c\" is no filter; write a level, such as info, or info,server_host=debug",
        ),
        (
            &["--wrokers", "2"],
            &[],
            "--wrokers: unknown; did you mean --workers?",
        ),
        (
            &["--head-timout=2"],
            &[],
            "--head-timout: unknown; did you mean --head-timeout?",
        ),
        (&["--chekc"], &[], "--chekc: unknown; did you mean --check?"),
        (
            &["--zzz"],
            &[],
            "--zzz: unknown; --help lists all that there is",
        ),
        (
            &["serve"],
            &[],
            "serve: flags are all that this program takes; --help lists them",
        ),
        (
            &["a\nb\x1b[m"],
            &[],
            "a\\nb\\u{1b}[m: flags are all that this program takes; --help lists them",
        ),
        (
            &[],
            &[("GATEWAY_WORKERS", "x")],
            "GATEWAY_WORKERS: \"x\" is not a whole number from 1 on",
        ),
        (
            &[],
            &[("GATEWAY_WORKER", "2")],
            "GATEWAY_WORKER: unknown; did you mean GATEWAY_WORKERS?",
        ),
        (
            &["--config", "/no/such"],
            &[],
            "--config: cannot read \"/no/such\": No such file or directory (os error 2)",
        ),
        (
            &[],
            &[("GATEWAY_BIND", " , ")],
            "bind: there is nothing to listen on; give an address",
        ),
        (
            &[],
            &[("GATEWAY_CONFIG", "/")],
            "GATEWAY_CONFIG: cannot read \"/\": Is a directory (os error 21)",
        ),
    ] {
        let error = read_all(flags, variables).expect_err("it is wrong");
        assert_eq!(error, expected, "{flags:?} {variables:?}");
    }
}

#[test]
fn wrong_files_are_one_line_with_the_place_and_the_mend() {
    for (text, expected) in [
        (
            "workers = 0",
            "1: workers: \"0\" is not a whole number from 1 on",
        ),
        (
            "# a comment\n\nworker = 2",
            "3: worker: unknown; did you mean workers?",
        ),
        (
            "workers = [1]",
            "1: workers: this is not the kind of value that it takes, which is N",
        ),
        (
            "bind = [[1]]",
            "1: bind: this is not the kind of value that it takes, which is a list of PLACE",
        ),
        (
            "workers = 0x2",
            "1: workers: this is not the kind of value that it takes, which is N",
        ),
        (
            "[limits]\nhead-bytes = 1",
            "1: limits: there are no tables; write all keys at the top, as name = value",
        ),
        ("grace = 1\ngrace = 2", "2: duplicate key"),
        ("grace = 1\nworkers 2", "2: key with no value, expected `=`"),
        (
            "config = \"other\"",
            "1: config: a file names no other file",
        ),
    ] {
        let file = Written::new(text);
        let error = read_all(&["--config", file.name()], &[]).expect_err("it is wrong");
        assert_eq!(error, format!("{}:{expected}", file.name()), "{text}");
    }
}

#[test]
fn variables_that_orchestrators_set_are_none_of_ours() {
    let variables = [
        ("GATEWAY_PORT", "tcp://10.0.0.1:80"),
        ("GATEWAY_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("GATEWAY_SERVICE_PORT_HTTP", "80"),
        ("GATEWAYS", "2"),
    ];
    let effective = effective(&[], &variables);
    assert!(
        effective
            .values
            .iter()
            .all(|(_, _, origin)| origin == "default")
    );
}

#[test]
fn the_check_says_what_is_in_force_and_who_said_so() {
    let text = said(&["--check", "--workers", "3", "--ws-ping-interval", "off"]);
    for line in [
        "workers = 3",
        "ws-ping-interval = \"off\"",
        "bind = [\"127.0.0.1:8000\"]",
    ] {
        assert!(
            text.lines().any(|found| found.starts_with(line)),
            "{line} is not in {text}"
        );
    }
    let workers = text.lines().find(|line| line.starts_with("workers"));
    assert!(
        workers.is_some_and(|line| line.ends_with("# --workers")),
        "{workers:?}"
    );
    let concern = text.lines().find(|line| line.starts_with("# Unsafe: "));
    assert!(
        concern.is_some_and(|line| line.starts_with("# Unsafe: ws-ping-interval is off: ")),
        "{concern:?}"
    );
    assert!(read_all(&["--check", "--workers", "x"], &[]).is_err());
}

#[test]
fn the_help_has_every_key_and_fits_a_terminal() {
    let text = said(&["--workers", "2", "--help"]);
    for key in keys::all() {
        assert!(
            text.contains(&format!("\n  {} ", key.flag())),
            "{} is missing",
            key.name
        );
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 88, "too wide: {line}");
    }
    assert!(said(&["-V"]).starts_with("app (gateway "));
}
