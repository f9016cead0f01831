use super::*;

#[test]
fn times_are_read_as_people_write_them() {
    for (text, milliseconds) in [
        ("10", 10_000),
        ("0.5", 500),
        ("1.5s", 1_500),
        ("500ms", 500),
        ("2m", 120_000),
        ("1h30m", 5_400_000),
        ("1d", 86_400_000),
    ] {
        let read = Time::read(text);
        assert_eq!(read, Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    for text in [
        "", "s", "-1", "1 s", "1w", "1s1", "nan", "inf", "1e400", "0", "0s", "9e99s",
    ] {
        assert!(Time::read(text).is_err(), "{text}");
    }
    assert_eq!(TimeOrZero::read("0"), Ok(Duration::ZERO));
    assert_eq!(<OrOff<Time>>::read("off"), Ok(None));
}

#[test]
fn amounts_are_read_by_their_units() {
    for (text, bytes) in [
        ("0", 0_u64),
        ("4_096", 4_096),
        ("64KiB", 65_536),
        ("64k", 65_536),
        ("1m", 1 << 20),
        ("2GiB", 2 << 30),
        ("7b", 7),
    ] {
        assert_eq!(Bytes::read(text), Ok(bytes), "{text}");
    }
    for text in ["", "k", "-1", "1KB", "1.5m", "99999999999t", "ä", "1ä"] {
        let read: Result<u64, _> = Bytes::read(text);
        assert!(read.is_err(), "{text}");
    }
    let read: Result<u32, _> = Bytes::read("4GiB");
    assert!(read.is_err(), "more than the setting holds");
}

#[test]
fn what_is_shown_is_read_again() {
    for milliseconds in [
        1,
        999,
        1_000,
        1_500,
        60_000,
        120_000,
        7_200_000,
        172_800_000,
    ] {
        let time = Duration::from_millis(milliseconds);
        assert_eq!(Time::read(&Time::show(&time)), Ok(time));
    }
    for bytes in [0_u64, 1, 1_023, 1_024, 1_536, 32 << 10, 5 << 30, u64::MAX] {
        assert_eq!(Bytes::read(&Bytes::show(&bytes)), Ok(bytes));
    }
    for on in [true, false] {
        assert_eq!(Switch::read(&Switch::show(&on)), Ok(on));
    }
}
