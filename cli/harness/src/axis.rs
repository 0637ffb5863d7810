//! Where values and times stand on a plot, and what is written beside it.

/// The units of a plot that is stretched to whatever room there is.
pub(crate) const WIDTH: f64 = 1000.0;
pub(crate) const HEIGHT: f64 = 100.0;

/// A label and where it stands, 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) label: String,
    /// One that a narrow screen has no room for.
    pub(crate) is_minor: bool,
}

/// From left to right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    from_us: u64,
    to_us: u64,
}

#[allow(
    clippy::cast_precision_loss,
    reason = "microseconds of one run fit a float exactly"
)]
fn float(us: u64) -> f64 {
    us as f64
}

impl Time {
    /// `to_us` is made later where there would be no time between.
    pub(crate) fn new(from_us: u64, to_us: u64) -> Self {
        let to_us = to_us.max(from_us.saturating_add(1));
        Self { from_us, to_us }
    }

    /// 0 to 1; times outside stand at the edge.
    pub(crate) fn share(self, us: u64) -> f64 {
        let us = us.clamp(self.from_us, self.to_us);
        float(us - self.from_us) / float(self.to_us - self.from_us)
    }

    pub(crate) fn x(self, us: u64) -> f64 {
        self.share(us) * WIDTH
    }

    /// Whole steps, every other of them minor.
    pub(crate) fn ticks(self) -> Vec<Tick> {
        const STEPS_S: [u64; 14] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 21_600, 86_400,
        ];
        const TICKS_MAX: u64 = 12;
        let span_s = (self.to_us - self.from_us) / 1_000_000;
        let fits = |step: &u64| span_s / step <= TICKS_MAX;
        let step_s = STEPS_S
            .into_iter()
            .find(fits)
            .unwrap_or(span_s / TICKS_MAX + 1);
        let step_us = step_s * 1_000_000;
        let first = self.from_us.div_ceil(step_us);
        (first..=self.to_us / step_us)
            .map(|n| Tick {
                at: self.share(n * step_us),
                label: if step_s.is_multiple_of(60) {
                    format!("{} min", n * step_s / 60)
                } else {
                    format!("{} s", n * step_s)
                },
                is_minor: n % 2 == 1,
            })
            .collect()
    }
}

/// From bottom to top.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
}

impl Scale {
    /// From 0 to a round number above `most`.
    pub(crate) fn linear(most: f64) -> Self {
        Self {
            low: 0.0,
            high: round_up(most.max(1.0)),
            is_log: false,
        }
    }

    /// Between round numbers around `least` and `most`, at least a decade apart.
    pub(crate) fn log(least: f64, most: f64) -> Self {
        let low = round_down(least.max(0.1));
        let wanted = most.max(low * 10.0);
        let mut high = low;
        while high < wanted * 0.999_999 {
            high = next_round(high);
        }
        Self {
            low,
            high,
            is_log: true,
        }
    }

    /// [`Scale::log`] around all of them; from 1 where there are none.
    pub(crate) fn log_of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let least = values.clone().reduce(f64::min).unwrap_or(1.0);
        Self::log(least, values.fold(0.0, f64::max))
    }

    /// 0 to 1.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        (1.0 - self.share(value)) * HEIGHT
    }

    /// Round numbers with their labels.
    pub(crate) fn ticks(&self, label: impl Fn(f64) -> String) -> Vec<Tick> {
        let values = if self.is_log {
            let all = self.round_numbers();
            if all.len() > 7 {
                all.into_iter().filter(|v| is_decade(*v)).collect()
            } else {
                all
            }
        } else {
            let step = linear_step(self.high);
            let mut values = vec![0.0];
            while values.len() < 12 && values[values.len() - 1] + step <= self.high * 1.0001 {
                values.push(values[values.len() - 1] + step);
            }
            values
        };
        values
            .into_iter()
            .map(|value| Tick {
                at: self.share(value),
                label: label(value),
                is_minor: false,
            })
            .collect()
    }

    /// Every 1, 2 and 5 of each decade in range.
    fn round_numbers(&self) -> Vec<f64> {
        let mut values = vec![self.low];
        while values.len() < 40 && values[values.len() - 1] < self.high * 0.999 {
            values.push(next_round(values[values.len() - 1]));
        }
        values
    }
}

/// The mantissa and the decade of a number above 0.
fn parts(value: f64) -> (f64, f64) {
    let decade = 10_f64.powf(value.log10().floor());
    (value / decade, decade)
}

fn round_up(value: f64) -> f64 {
    let (mantissa, decade) = parts(value);
    let rounds = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0];
    let up = rounds
        .into_iter()
        .find(|round| mantissa <= round * 1.000_001);
    up.unwrap_or(10.0) * decade
}

fn round_down(value: f64) -> f64 {
    let (mantissa, decade) = parts(value);
    let rounds = [5.0, 2.0, 1.0];
    let down = rounds
        .into_iter()
        .find(|round| mantissa >= round * 0.999_999);
    down.unwrap_or(1.0) * decade
}

/// The next of 1, 2, 5, 10, …
fn next_round(value: f64) -> f64 {
    let (mantissa, decade) = parts(value * 1.000_001);
    let next = match mantissa {
        m if m < 1.5 => 2.0,
        m if m < 3.5 => 5.0,
        _ => 10.0,
    };
    next * decade
}

fn is_decade(value: f64) -> bool {
    let (mantissa, _) = parts(value * 1.000_001);
    mantissa < 1.1
}

/// Four to six steps up to a round number.
fn linear_step(high: f64) -> f64 {
    let (mantissa, decade) = parts(high);
    let step = match mantissa {
        m if m <= 1.01 => 0.2,
        m if m <= 1.21 => 0.3,
        m if m <= 2.01 => 0.5,
        m if m <= 2.51 => 0.5,
        m if m <= 5.01 => 1.0,
        _ => 2.0,
    };
    step * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> String {
        let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
        labels.join(" ")
    }

    #[test]
    fn times_are_ticked_in_whole_steps() {
        let seconds =
            |from: u64, to: u64| labels(&Time::new(from * 1_000_000, to * 1_000_000).ticks());
        assert_eq!(seconds(0, 6), "0 s 1 s 2 s 3 s 4 s 5 s 6 s");
        assert_eq!(seconds(0, 40), "0 s 5 s 10 s 15 s 20 s 25 s 30 s 35 s 40 s");
        assert_eq!(
            seconds(7, 31),
            "8 s 10 s 12 s 14 s 16 s 18 s 20 s 22 s 24 s 26 s 28 s 30 s"
        );
        assert_eq!(
            seconds(0, 3600),
            "0 min 5 min 10 min 15 min 20 min 25 min 30 min 35 min 40 min 45 min 50 min 55 min 60 min"
        );
        assert_eq!(Time::new(5, 5).share(5), 0.0);
    }

    #[test]
    fn linear_scales_begin_at_0_and_end_above_the_most() {
        for most in [0.0, 0.3, 1.0, 7.0, 99.0, 100.0, 101.0, 260.0, 1999.0] {
            let scale = Scale::linear(most);
            let ticks = scale.ticks(|value| value.to_string());
            assert!((3..=7).contains(&ticks.len()), "{most}: {ticks:?}");
            assert_eq!(ticks[0].at, 0.0);
            assert!(
                scale.high >= most && scale.high <= most.max(1.0) * 1.4,
                "{most}"
            );
        }
        let ticks = Scale::linear(100.0).ticks(|value| value.to_string());
        assert_eq!(labels(&ticks), "0 20 40 60 80 100");
    }

    #[test]
    fn log_scales_hold_every_value_between_round_numbers() {
        for (least, most) in [(0.0, 0.0), (3.0, 4.0), (167.0, 1412.0), (0.7, 35_000.0)] {
            let scale = Scale::log(least, most);
            assert!(scale.low <= f64::max(least, 0.1) && scale.high >= most);
            let ticks = scale.ticks(|value| format!("{value:.1}"));
            assert!((2..=7).contains(&ticks.len()), "{least} {most}: {ticks:?}");
        }
        let ticks = Scale::log(120.0, 1412.0).ticks(|value| format!("{value:.0}"));
        assert_eq!(labels(&ticks), "100 200 500 1000 2000");
    }

    #[test]
    fn a_tick_stands_where_its_value_does() {
        for most in [12.0, 900.0, 1412.0, 2230.0, 35_000.0] {
            let scale = Scale::log(80.0, most);
            for tick in scale.ticks(|value| value.to_string()) {
                let value: f64 = tick.label.parse().unwrap();
                let share = (value / scale.low).ln() / (scale.high / scale.low).ln();
                assert!((share - tick.at).abs() < 1e-6, "{most}: {tick:?}");
            }
        }
    }
}
