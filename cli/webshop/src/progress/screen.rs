//! One calm screen for a run: its phase, the databases' roles, the load, and the faults.

use std::collections::VecDeque;
use std::time::Duration;

use harness::Event;
use harness::printable;
use harness::units::human;
use owo_colors::OwoColorize;

/// How far back rates look.
const RATE_OVER: Duration = Duration::from_secs(2);

/// What is known of the run.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    phase: String,
    databases: Vec<String>,
    /// By name and target, in the order of injection.
    faults: Vec<(String, String)>,
    load: Option<Load>,
    /// Time and ok, fail, info counts of late.
    counts: VecDeque<(Duration, [u64; 3])>,
}

#[derive(Debug, Clone, Copy)]
struct Load {
    elapsed: Duration,
    planned: Duration,
    counts: [u64; 3],
    in_flight: u64,
    p99_ms: f64,
}

impl Screen {
    /// Takes in what an event says.
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Phase { name } => {
                if name == "preparation" {
                    *self = Self::default();
                }
                self.phase = printable::line(name);
                if name == "settle" {
                    self.load = None;
                }
            }
            Event::Roles { databases } => {
                self.databases = databases.iter().map(|line| printable::line(line)).collect();
            }
            Event::Fault {
                name,
                target,
                elapsed,
                healed,
                ..
            } => {
                let key = printable::line(&format!("{name} ({target})"));
                let state = if *healed {
                    format!("{} after {}", "recovered".green(), human(*elapsed))
                } else {
                    format!("{} for {}", "in effect".yellow(), human(*elapsed))
                };
                match self.faults.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, known)) => *known = state,
                    None => self.faults.push((key, state)),
                }
            }
            Event::Load {
                elapsed,
                planned,
                ok,
                fail,
                info,
                in_flight,
                p99_ms,
            } => self.load(Load {
                elapsed: *elapsed,
                planned: *planned,
                counts: [*ok, *fail, *info],
                in_flight: *in_flight,
                p99_ms: *p99_ms,
            }),
            Event::Note { .. }
            | Event::Warning { .. }
            | Event::Build { .. }
            | Event::Service { .. }
            | Event::Waiting { .. }
            | Event::Reached { .. } => {}
        }
    }

    fn load(&mut self, load: Load) {
        self.counts.push_back((load.elapsed, load.counts));
        let oldest = load.elapsed.saturating_sub(RATE_OVER);
        while self.counts.len() > 2 && self.counts[1].0 <= oldest {
            self.counts.pop_front();
        }
        self.load = Some(load);
    }

    /// Ok, failed and unknown a second, of late.
    fn rates(&self) -> [f64; 3] {
        let (Some((from, before)), Some((to, now))) = (self.counts.front(), self.counts.back())
        else {
            return [0.0; 3];
        };
        let seconds = to.saturating_sub(*from).as_secs_f64();
        if seconds <= 0.0 {
            return [0.0; 3];
        }
        #[allow(clippy::cast_precision_loss, reason = "counts of two seconds")]
        let rate = |at: usize| now[at].saturating_sub(before[at]) as f64 / seconds;
        [rate(0), rate(1), rate(2)]
    }

    /// The screen as lines.
    pub(crate) fn text(&self) -> String {
        let mut lines = Vec::new();
        let time = self.load.map_or(String::new(), |load| {
            format!("  {} of {}", human(load.elapsed), human(load.planned))
        });
        lines.push(format!("{}{time}", self.phase.bold()));
        lines.extend(self.databases.iter().map(|line| format!("  {line}")));
        if let Some(load) = &self.load {
            let [ok, fail, info] = self.rates();
            lines.push(format!(
                "  load  {ok:.0}/s ok, {fail:.0}/s failed, {info:.0}/s unknown, {} in flight, p99 {:.0} ms",
                load.in_flight, load.p99_ms
            ));
        }
        let fault = |(name, state): &(String, String)| format!("  {name}  {state}");
        lines.extend(self.faults.iter().map(fault));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(elapsed_ms: u64, ok: u64) -> Event {
        Event::Load {
            elapsed: Duration::from_millis(elapsed_ms),
            planned: Duration::from_secs(30),
            ok,
            fail: 0,
            info: 0,
            in_flight: 7,
            p99_ms: 81.0,
        }
    }

    fn fault(healed: bool) -> Event {
        Event::Fault {
            name: "kill redis".to_owned(),
            target: "redis.1".to_owned(),
            elapsed: Duration::from_millis(700),
            seen: Vec::new(),
            healed,
        }
    }

    fn plain(screen: &Screen) -> String {
        anstream::adapter::strip_str(&screen.text()).to_string()
    }

    #[test]
    fn a_screen_shows_the_run_as_it_is_now() {
        let mut screen = Screen::default();
        let phase = |name: &str| Event::Phase {
            name: name.to_owned(),
        };
        screen.take(&phase("timeline"));
        for (at, ok) in [(0, 0), (1000, 100), (2000, 300), (3000, 500)] {
            screen.take(&load(at, ok));
        }
        screen.take(&Event::Roles {
            databases: vec![
                "stock: stock-db-1 primary on timeline 2; stock-db-0 standby".to_owned(),
            ],
        });
        screen.take(&fault(false));
        insta::assert_snapshot!(plain(&screen), @r"
        timeline  3.0 s of 30.0 s
          stock: stock-db-1 primary on timeline 2; stock-db-0 standby
          load  200/s ok, 0/s failed, 0/s unknown, 7 in flight, p99 81 ms
          kill redis (redis.1)  in effect for 700 ms
        ");
        screen.take(&fault(true));
        assert!(plain(&screen).ends_with("kill redis (redis.1)  recovered after 700 ms"));
        screen.take(&phase("preparation"));
        assert_eq!(plain(&screen), "preparation");
    }
}
