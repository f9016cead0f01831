//! The program in a terminal, as its users have it, with the chat itself.

use crate::seat::{Seat, shows};
use crate::served::{Served, TOKEN};

const DEFAULT: (u16, u16) = (80, 24);
const SMALL: (u16, u16) = (40, 12);
const LARGE: (u16, u16) = (200, 50);

fn seat(size: (u16, u16), nick: &str, served: &Served) -> Seat {
    let seat = Seat::new(size, &[&served.address, "--nick", nick]);
    seat.sees("connected");
    seat
}

fn conversation(server: &str) {
    let mut served = Served::on(server);
    let mut ada = seat(DEFAULT, "Ada", &served);
    let mut bea = seat(SMALL, "베아", &served);
    ada.sees("lobby · 2 here");
    bea.says("안녕하세요! 오늘은 날씨가 아주 좋네요. 공원에서 만나요 🌳");
    ada.sees("베아: 안녕하세요! 오늘은");
    ada.until("a name has a colour of its own", |screen| {
        let rows = screen.size().0.get();
        let cells = (0..rows).filter_map(|row| screen.cell(row, 26));
        cells.into_iter().any(|cell| {
            cell.contents() == "베" && cell.bold() && cell.fgcolor() != vt100::Color::Default
        })
    });
    let long = "many words ".repeat(60);
    ada.says(&format!("{long}and the last"));
    bea.sees("and the last");
    bea.types("\x1b[5~");
    bea.sees("▼ PageDown for newer");
    bea.types("\x1b[5~\x1b[5~");
    bea.sees("베아: 안녕하세요!");
    ada.says("something newer");
    ada.sees("Ada: something newer");
    bea.types("\x1b[1;5F");
    bea.sees("Ada: something newer");

    ada.resize(LARGE);
    ada.until("the people are beside it", |screen| {
        screen
            .contents()
            .lines()
            .nth(1)
            .is_some_and(|line| line.trim_end().ends_with("│Ada"))
    });
    ada.resize(SMALL);
    ada.until("there is no room for lists", |screen| {
        !screen.contents().contains('│') && shows(screen, "something newer")
    });

    served.replace(server);
    bea.says("while nobody listened");
    for seat in [&ada, &bea] {
        seat.sees("베아: while nobody listened");
        seat.sees("· connected");
    }
    bea.says("/quit");
    assert_eq!(bea.ended(), Some(0));
    bea.until("the terminal is as it was", |screen| {
        !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
    });
    ada.sees("lobby · 1 here");
}

#[test]
fn two_people_at_terminals_on_raw() {
    conversation("raw");
}

#[test]
fn two_people_at_terminals_on_hyper() {
    conversation("hyper");
}

#[test]
fn a_moderator_moderates_in_a_small_terminal() {
    let served = Served::on("raw");
    let mut ada = seat(SMALL, "Ada", &served);
    let mut bea = seat(SMALL, "Bea", &served);
    ada.says(&format!("/join lobby {TOKEN}"));
    ada.sees("you moderate");
    ada.says("/mute Bea 10m too loud");
    bea.sees("* Ada muted Bea for 10 min: too loud");
    bea.says("but");
    bea.sees("* Not sent: you have been muted. > but");
    ada.says("/help");
    ada.sees("* /quit leave the chat");
    ada.says("/keys");
    ada.sees("* Ctrl-C, Ctrl-Q leave the chat");
}

#[test]
fn nothing_stays_of_characters_that_terminals_take_for_several() {
    let served = Served::on("raw");
    let mut ada = seat(DEFAULT, "Ada", &served);
    // The terminal of this test takes a flag for two characters of a column each.
    ada.types("🇰🇷🇸🇪 👩‍👩‍👧");
    ada.sees("> 🇰🇷");
    ada.types("\x15");
    ada.until("the line is empty", |screen| {
        let (rows, columns) = screen.size();
        let line = rows.get() - 2;
        (1..columns.get()).all(|column| {
            let cell = screen.cell(line, column);
            cell.is_none_or(|cell| cell.contents().trim().is_empty())
        })
    });
}

#[test]
fn why_there_is_no_connection_is_read_whole_in_a_small_terminal() {
    let ada = Seat::new(SMALL, &["ws://127.0.0.1:9", "--nick", "Ada"]);
    ada.sees("no connection (Connection refused (os error 111)): next try in");
    ada.sees("what you write is kept");
}
