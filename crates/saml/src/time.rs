//! `xs:dateTime` (XML Schema part 2, 3.2.7) and epoch milliseconds.

/// Milliseconds in a day.
const DAY: i64 = 86_400_000;

/// Reads an `xs:dateTime` that says its zone: `2026-11-20T10:00:00Z`, with any number of decimals (cut to
/// milliseconds), or with a numeric offset. A time without a zone has no one meaning and is not read.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (date_time, mut rest) = bytes.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| date_time.get(*at) != Some(byte)) {
        return None;
    }
    let field = |from: usize, to: usize| digits(date_time.get(from..to)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    let mut millis = civil(field(0, 4)?, field(5, 7)?, field(8, 10)?, hour, minute, second)?;
    if let Some(after) = rest.strip_prefix(b".") {
        let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (fraction, zone) = after.split_at_checked(length)?;
        if fraction.is_empty() || fraction.len() > 20 {
            return None;
        }
        let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(3);
        millis += padded.fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        rest = zone;
    }
    let offset = match rest {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60_000;
            if *sign == b'+' { offset } else { -offset }
        }
        _ => return None,
    };
    Some(millis - offset)
}

/// Writes epoch milliseconds as `2026-11-20T10:00:00.000Z`. Times outside the years 0000 to 9999, which
/// `xs:dateTime` readers reject, are written as the nearest one inside.
pub(crate) fn format_datetime(millis: i64) -> String {
    const FIRST: i64 = -62_167_219_200_000;
    const LAST: i64 = 253_402_300_799_999;
    let millis = millis.clamp(FIRST, LAST);
    let (days, in_day) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
    // Howard Hinnant's civil-from-days, for the proleptic Gregorian calendar.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    let fraction = in_day % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
}

/// Epoch milliseconds of a date and time in UTC; `None` if there is no such date or time.
pub(crate) fn civil(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let last_day = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    let in_range = (0..=9999).contains(&year)
        && (1..=last_day).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    if !in_range {
        return None;
    }
    // Days from civil: count in 400-year eras of years that begin in March.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * DAY + ((hour * 60 + minute) * 60 + second) * 1000)
}

/// The number that a few ASCII digits spell.
pub(crate) fn digits(bytes: &[u8]) -> Option<i64> {
    let all_digits = !bytes.is_empty() && bytes.len() <= 9 && bytes.iter().all(u8::is_ascii_digit);
    all_digits.then(|| bytes.iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_reads_utc_fractions_and_offsets() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2026-11-20T10:00:00Z", 1_795_168_800_000),
            ("2026-11-20T10:00:00.5Z", 1_795_168_800_500),
            ("2026-11-20T10:00:00.1234567Z", 1_795_168_800_123),
            ("2026-11-20T12:30:00+02:30", 1_795_168_800_000),
            ("2026-11-20T09:00:00-01:00", 1_795_168_800_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
        ] {
            assert_eq!(parse_datetime(text), Some(millis), "{text}");
        }
    }

    #[test]
    fn parse_rejects_what_is_not_a_date_time_with_a_zone() {
        for text in [
            "",
            "never",
            "2026-11-20T10:00:00",
            "2026-11-20 10:00:00Z",
            "2026-11-20T10:00Z",
            "2026-11-20T10:00:00.Z",
            "2026-11-20T10:00:00,5Z",
            "2026-11-20T10:00:00z",
            "2026-11-20t10:00:00Z",
            "2026-13-20T10:00:00Z",
            "2026-00-20T10:00:00Z",
            "2026-11-31T10:00:00Z",
            "2026-02-29T10:00:00Z",
            "1900-02-29T10:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T10:60:00Z",
            "2026-11-20T10:00:60Z",
            "2026-11-20T10:00:00Z ",
            " 2026-11-20T10:00:00Z",
            "2026-11-20T10:00:00+15:00",
            "2026-11-20T10:00:00+0200",
            "+2026-11-20T10:00:00Z",
            "12026-11-20T10:00:00Z",
            "-026-11-20T10:00:00Z",
            "1795168800000",
            "2026-11-20T10:00:0\u{663}Z",
            "2026-11-20T10:00:00.000000000000000000000Z",
        ] {
            assert_eq!(parse_datetime(text), None, "{text}");
        }
    }

    #[test]
    fn format_and_parse_agree_on_every_day_of_four_centuries() {
        for day in -146_097..146_097 {
            let millis = day * DAY + 45_296_789;
            let text = format_datetime(millis);
            assert_eq!(parse_datetime(&text), Some(millis), "{text}");
        }
        assert_eq!(format_datetime(1_795_168_800_123), "2026-11-20T10:00:00.123Z");
        assert_eq!(format_datetime(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(format_datetime(i64::MIN), "0000-01-01T00:00:00.000Z");
    }
}
