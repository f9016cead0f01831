//! What `--help`, `--version` and `--check` say.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use super::key::Takes;
use super::{Config, Effective, keys};

/// Columns of the help.
const WIDTH: usize = 88;

/// The manual.
pub(crate) fn text(program: &OsStr) -> String {
    let program = name(program);
    let mut text = format!("Usage: {program} [--FLAG VALUE]...\n\n{INTRODUCTION}");
    let mut defaults = Config::default();
    for section in keys::sections() {
        let _ = writeln!(text, "\n{}:", section.title);
        for key in section.keys {
            let flag = key.flag();
            let _ = match key.takes {
                Takes::One => writeln!(text, "  {flag} {}", key.form),
                Takes::Many => writeln!(text, "  {flag} {} ...", key.form),
            };
            let default = key.plain(&mut defaults);
            let help = match &*default {
                "" => key.help.to_owned(),
                default => format!("{} [default: {default}]", key.help),
            };
            wrap(&mut text, "      ", &help);
        }
    }
    text.push_str(END);
    text
}

const INTRODUCTION: &str = "\
Serves this application until SIGINT or SIGTERM. Each flag below can also be given by
the environment, as GATEWAY_ and its name in capitals (GATEWAY_HEAD_TIMEOUT=5s), and in
the file that --config names, in TOML, a line each (head-timeout = \"5s\"). A flag is
stronger than the environment, which is stronger than the file. What takes several
values is a flag given several times, a variable with commas, a list in the file.

  --check          Check the configuration; print what is in force, and who set it
  --help, -h       Print this
  --version, -V    Print the version
";

const END: &str = "
Values:
  TIME     10 and 10s are ten seconds; 500ms, 2m, 1h, 1d and sums such as 1h30m go too
  BYTES    4096, 64KiB, 10MiB, 1GiB
  PLACE    127.0.0.1:8000, [::1]:8000, localhost:8000, unix:/run/app.sock, fd:3, systemd

Exit codes:
  0    stopped in order
  1    the application, a worker or an address could not be started, or the
       application's lifespan failed
  2    the configuration is wrong
  130  a second signal cut the shutdown short
";

/// The version of the launcher: the program's own is its own business.
pub(crate) fn version(program: &OsStr) -> String {
    format!(
        "{} (gateway {})\n",
        name(program),
        env!("CARGO_PKG_VERSION")
    )
}

/// What is in force, as a file that says the same, with who said so.
pub(crate) fn effective(effective: &Effective) -> String {
    let mut text = String::from("# The configuration is right. In force:\n");
    for concern in effective.config.settings().concerns() {
        let _ = writeln!(text, "# Unsafe: {concern}");
    }
    for (name, value, origin) in &effective.values {
        let _ = match &**value {
            "\"\"" => writeln!(text, "# {name} is not set"),
            value => writeln!(text, "{:<56} # {origin}", format!("{name} = {value}")),
        };
    }
    text
}

/// `/usr/bin/chat` is called `chat`; whoever gives words of his own keeps them.
fn name(program: &OsStr) -> String {
    let file = Path::new(program).file_name().unwrap_or(program);
    file.to_string_lossy().into_owned()
}

/// Appends a paragraph, indented.
fn wrap(text: &mut String, indent: &str, paragraph: &str) {
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if column == 0 || column + 1 + length > WIDTH {
            if column > 0 {
                text.push('\n');
            }
            text.push_str(indent);
            column = indent.len();
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}
