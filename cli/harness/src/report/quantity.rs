//! Figures as people read them.

use std::time::Duration;

use crate::units::human;

/// Between the digits' groups: narrow, and no line breaks at it.
const THIN: char = '\u{202f}';

/// `35 476`.
#[must_use]
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digits.len() > 4 {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// `−7`.
pub(super) fn signed(amount: i64) -> String {
    let digits = count(amount.unsigned_abs());
    if amount < 0 {
        format!("−{digits}")
    } else {
        digits
    }
}

/// Milliseconds, with their unit: `3.2 ms`, `167 ms`, `1.41 s`.
#[must_use]
pub fn ms(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else if ms < 10_000.0 {
        format!("{:.2} s", ms / 1000.0)
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// A tick's label: a round number of one unit.
pub(crate) fn round_ms(ms: f64) -> String {
    if ms < 0.95 {
        format!("{ms:.1} ms")
    } else if ms < 995.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{} s", (ms / 100.0).round() / 10.0)
    }
}

/// Whole milliseconds; a dash where there are none.
pub(super) fn some_ms(value: Option<u64>) -> String {
    value.map_or("–".to_owned(), |ms| human(Duration::from_millis(ms)))
}

/// A share of one, never rounded up: what is not all is never written as 100 %.
#[must_use]
pub fn percent(share: f64) -> String {
    let hundredths = (share * 10_000.0).floor() / 100.0;
    if (hundredths - hundredths.round()).abs() < 1e-9 {
        format!("{hundredths:.0} %")
    } else {
        format!("{hundredths:.2} %")
    }
}

/// A time of the run: `10.531 s`.
pub(super) fn at(us: u64) -> String {
    let (seconds, millis) = (us / 1_000_000, us / 1000 % 1000);
    if seconds < 60 {
        format!("{seconds}.{millis:03} s")
    } else {
        format!("{} min {:02}.{millis:03} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([0, 7, 1234].map(count), ["0", "7", "1234"]);
        assert_eq!(count(35_476), "35\u{202f}476");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(
            [0.25, 167.3, 999.4, 999.6, 1412.6, 35_000.0].map(ms),
            ["0.2 ms", "167 ms", "999 ms", "1.00 s", "1.41 s", "35.0 s"]
        );
        assert_eq!(at(10_530_561), "10.530 s");
        assert_eq!(at(70_001_000), "1 min 10.001 s");
    }

    #[test]
    fn what_is_not_all_is_never_written_as_all() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_999), "99.99 %");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(percent(0.0), "0 %");
    }

    #[test]
    fn ticks_of_latency_carry_one_unit() {
        let labels = [0.2, 1.0, 50.0, 500.0, 1000.0, 2500.0, 20_000.0].map(round_ms);
        assert_eq!(
            labels,
            ["0.2 ms", "1 ms", "50 ms", "500 ms", "1 s", "2.5 s", "20 s"]
        );
    }
}
