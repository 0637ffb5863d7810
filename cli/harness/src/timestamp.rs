//! The engine's timestamps (RFC 3339, UTC) as instants, and instants as people read them.

use std::time::{Duration, SystemTime};

/// Reads `2024-05-01T12:00:00.123456789Z`; `None` for anything else.
pub fn parse(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut time = time.splitn(3, ':');
    let hours: f64 = time.next()?.parse().ok()?;
    let minutes: f64 = time.next()?.parse().ok()?;
    let seconds: f64 = time.next()?.parse().ok()?;
    let days = u32::try_from(days_from_epoch(year, month, day)).ok()?;
    let seconds = f64::from(days) * 86_400.0 + hours * 3_600.0 + minutes * 60.0 + seconds;
    let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

/// How long ago that was; `None` for what is no timestamp or lies ahead.
pub fn age(text: &str) -> Option<Duration> {
    SystemTime::now().duration_since(parse(text)?).ok()
}

/// Days of the proleptic Gregorian calendar since 1970-01-01. Years are counted from March, so that
/// the leap day is a year's last.
const fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `2025-01-02 15:04:05`, in UTC.
#[must_use]
pub fn utc(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The date of a day since 1970, by counting in cycles of 400 years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (cycle, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = cycle * 400 + year + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_seconds_since_the_epoch() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2024-12-31T23:59:59Z", 1_735_689_599),
        ] {
            let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        for (unix_s, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_827_696, "2000-02-29 12:34:56"),
            (1_735_830_245, "2025-01-02 15:04:05"),
            (4_102_444_799, "2099-12-31 23:59:59"),
        ] {
            assert_eq!(utc(unix_s), text);
        }
    }

    #[test]
    fn fractions_count_and_nonsense_does_not() {
        let half = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(parse("1970-01-01T00:00:01.500000000Z"), Some(half));
        for text in ["", "yesterday", "0001-01-01T00:00:00Z", "2024-01-01"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
