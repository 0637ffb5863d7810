//! Quantities as people write them: `500ms`, `20s`, `5m`, `200/s`.

use std::time::Duration;

/// Reads `500ms`, `20s`, `1.5m` or `1h`.
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
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("`{text}`: {error}"))
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
    fn durations_read_well() {
        assert_eq!(human(Duration::from_millis(340)), "340 ms");
        assert_eq!(human(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(human(Duration::from_secs(245)), "4 min 05 s");
        assert_eq!(human(Duration::from_secs(7_500)), "2 h 05 min");
    }
}
