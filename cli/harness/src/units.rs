//! Quantities as people write them: `500ms`, `20s`, `5m`, `200/s`.

use std::time::Duration;

/// Reads `500ms`, `20s`, `1.5m` or `1h`, to the nearest millisecond.
///
/// # Errors
/// Says what was wrong with `text`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(|| format!("`{text}` has no unit: write for example 500ms, 20s or 5m"))?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number
        .parse()
        .map_err(|error| format!("`{number}` is not a number: {error}"))?;
    let seconds = match unit {
        "ms" => number / 1_000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        _ => return Err(format!("`{unit}` is not a unit: use ms, s, m or h")),
    };
    let exact =
        Duration::try_from_secs_f64(seconds).map_err(|error| format!("`{text}`: {error}"))?;
    // Plans and scenarios count milliseconds: what they cannot keep, nobody is promised.
    let whole = Duration::from_millis(u64::try_from(exact.as_millis()).unwrap_or(u64::MAX));
    let rest = exact.saturating_sub(whole);
    Ok(if rest >= Duration::from_micros(500) {
        whole.saturating_add(Duration::from_millis(1))
    } else {
        whole
    })
}

/// Reads `200/s`, `90/m` or a bare number per second; the result is per second and above zero.
///
/// # Errors
/// Says what was wrong with `text`.
pub fn rate(text: &str) -> Result<f64, String> {
    let (number, per_second) = match text.split_once('/') {
        None | Some((_, "s")) => (text.trim_end_matches("/s"), 1.0),
        Some((number, "m")) => (number, 60.0),
        Some((_, unit)) => return Err(format!("`/{unit}` is not a unit: use /s or /m")),
    };
    let number: f64 = number
        .parse()
        .map_err(|error| format!("`{number}` is not a number: {error}"))?;
    if !number.is_finite() || number <= 0.0 {
        return Err(format!("`{text}` is not a rate above zero"));
    }
    Ok(number / per_second)
}

/// Reads `1mbit`, `512kbit` or `9600bit`: bits per second, above zero.
///
/// # Errors
/// Says what was wrong with `text`.
pub fn read_bit_rate(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a bit rate: write for example 512kbit or 1mbit");
    let number = text.strip_suffix("bit").ok_or_else(wrong)?;
    let units = [("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000)];
    let (number, factor) = units
        .into_iter()
        .find_map(|(unit, factor)| Some((number.strip_suffix(unit)?, factor)))
        .unwrap_or((number, 1));
    let number: u64 = number.parse().map_err(|_not_whole| wrong())?;
    let bits = number.checked_mul(factor).filter(|bits| *bits > 0);
    bits.ok_or_else(wrong)
}

/// Writes bits per second as [`read_bit_rate`] reads them.
#[must_use]
pub fn bit_rate(bits_per_s: u64) -> String {
    for (unit, factor) in [("g", 1_000_000_000), ("m", 1_000_000), ("k", 1_000)] {
        if bits_per_s.is_multiple_of(factor) {
            return format!("{}{unit}bit", bits_per_s / factor);
        }
    }
    format!("{bits_per_s}bit")
}

/// Reads `512mb` or `1gb`: bytes, in powers of 1024, above zero.
///
/// # Errors
/// Says what was wrong with `text`.
pub fn read_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size: write for example 512mb or 1gb");
    let units = [("mb", 1 << 20), ("gb", 1 << 30)];
    let (number, factor) = units
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))
        .ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_not_whole| wrong())?;
    let bytes = number.checked_mul(factor).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(wrong)
}

/// Writes bytes as [`read_bytes`] reads them, rounded down to a whole megabyte.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 30) {
        format!("{}gb", bytes >> 30)
    } else {
        format!("{}mb", bytes >> 20)
    }
}

/// Reads `0.05cpu`: thousandths of a processor, at least 10.
///
/// # Errors
/// Says what was wrong with `text`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked first"
)]
pub fn read_cpus(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("cpu").and_then(|n| n.parse::<f64>().ok());
    match number.map(|cpus| (cpus * 1_000.0).round()) {
        // The engine refuses a quota of less than a hundredth.
        Some(milli) if (10.0..=1_000_000.0).contains(&milli) => Ok(milli as u64),
        _ => Err(format!(
            "`{text}` is not a share of processors: from 0.01cpu, for example 0.05cpu"
        )),
    }
}

/// Writes thousandths of a processor as [`read_cpus`] reads them.
#[must_use]
pub fn cpus(milli_cpus: u64) -> String {
    let whole = format!("{}.{:03}", milli_cpus / 1_000, milli_cpus % 1_000);
    format!("{}cpu", whole.trim_end_matches('0').trim_end_matches('.'))
}

/// Writes a duration as a person would: `340 ms`, `12.3 s`, `4 min 05 s`.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else if seconds < 3_600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3_600)));
        for wrong in ["20", "s", "-1s", "3d", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_are_per_second() {
        assert_eq!(rate("200/s"), Ok(200.0));
        assert_eq!(rate("200"), Ok(200.0));
        assert_eq!(rate("90/m"), Ok(1.5));
        for wrong in ["0", "-3/s", "x/s", "5/h", "inf"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bit_rates_sizes_and_processors_read_back() {
        for text in ["1mbit", "512kbit", "2gbit", "9600bit"] {
            assert_eq!(read_bit_rate(text).map(bit_rate).as_deref(), Ok(text));
        }
        for text in ["512mb", "1gb", "1536mb"] {
            assert_eq!(read_bytes(text).map(bytes).as_deref(), Ok(text));
        }
        for wrong in ["1", "0gb", "1.5gb", "gb", "99999999999gb"] {
            assert!(read_bytes(wrong).is_err(), "{wrong}");
        }
        for text in ["0.05cpu", "0.5cpu", "2cpu", "0.01cpu"] {
            assert_eq!(read_cpus(text).map(cpus).as_deref(), Ok(text));
        }
        for wrong in ["1", "0kbit", "mbit", "1.5mbit", "1mb", "-1kbit"] {
            assert!(read_bit_rate(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0.05", "0cpu", "cpu", "-1cpu", "0.001cpu", "NaNcpu"] {
            assert!(read_cpus(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(human(Duration::from_millis(340)), "340 ms");
        assert_eq!(human(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(human(Duration::from_secs(245)), "4 min 05 s");
        assert_eq!(human(Duration::from_secs(7_500)), "2 h 05 min");
    }
}
