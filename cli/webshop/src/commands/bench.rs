//! `webshop bench`.

mod table;

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use checker::Verdict;
use harness::Cluster;
use harness::bench::work::Work;
use harness::bench::{Bench, Search, Step, Sustained, plot, search};
use harness::error::Error;
use harness::recorder::unix_ms;
use harness::run::{self, Report, Shape, verify};
use harness::scenario::quantity::{Rate, Span};
use harness::scenario::step::Step as Stretch;
use harness::scenario::{DataShape, Load, Scenario};
use harness::units::human;

use super::{report, verify as told};
use crate::cli::{BenchArgs, Format};
use crate::exit::Exit;
use crate::session::Session;

/// How often a rate that held for a moment is lowered until it holds for long.
const LOWERED_MAX: u32 = 6;

/// Searches, holds, judges and tells.
pub(crate) async fn run(args: BenchArgs, session: Session) -> anyhow::Result<Exit> {
    // First: a file that cannot be read or written is no reason to load a stack for minutes.
    let earlier = args.compare.as_deref().map(read).transpose()?;
    let plot_file = args.plot.as_deref().map(create).transpose()?;
    let cluster = session.cluster().await?;
    let bencher = Bencher {
        session: &session,
        cluster: &cluster,
        args: &args,
        seed: args.seed.unwrap_or_else(unix_ms),
    };
    let mut bench = Bench::new(args.users.into(), args.items.into(), args.p99);
    match args.rate {
        Some(rate) => {
            let (step, report) = bencher.offer(&bench, rate, args.length).await?;
            bench.sustained = Some(bencher.judge(step, report).await?);
        }
        None => bencher.search(&mut bench).await?,
    }
    match args.format {
        Format::Json => session.printer.json(&bench)?,
        Format::Text => session
            .printer
            .block(&table::text(&bench, earlier.as_ref())),
    }
    if let Some((mut file, svg)) = plot_file.zip(plot::svg(&bench)) {
        // What was found stands without its picture.
        if let Err(error) = file.write_all(svg.as_bytes()) {
            session
                .printer
                .warning(&format!("the plot is not written: {error}"));
        }
    }
    let excess = match (work(&bench), args.slack, earlier.as_ref().and_then(work)) {
        (Some(now), Some(slack), Some(earlier)) => now.excess_over(earlier, slack.ratio()),
        _ => Vec::new(),
    };
    for line in &excess {
        session.printer.warning(line);
    }
    Ok(exit(&bench, &excess))
}

/// What the rate that was held took, where that is known.
fn work(bench: &Bench) -> Option<&Work> {
    bench.sustained.as_ref()?.work.as_ref()
}

fn create(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path)
        .map_err(|source| Error::io(format!("write {}", path.display()), source))?;
    Ok(file)
}

fn read(path: &Path) -> harness::Result<Bench> {
    let wrong = |reason: String| Error::Run {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => wrong("there is no such file".to_owned()),
        _ => Error::io(format!("read {}", path.display()), source),
    })?;
    match Bench::parse(&text) {
        Ok(bench) if work(&bench).is_some() => Ok(bench),
        Ok(_) => Err(wrong(
            "it does not say what a rate took, so there is nothing to compare with".to_owned(),
        )),
        Err(reason) => Err(wrong(format!(
            "nothing that `webshop bench --format json` wrote: {reason}"
        ))),
    }
}

struct Bencher<'a> {
    session: &'a Session,
    cluster: &'a Cluster,
    args: &'a BenchArgs,
    seed: u64,
}

impl Bencher<'_> {
    /// Tries rates, and holds the highest.
    async fn search(&self, bench: &mut Bench) -> anyhow::Result<()> {
        let mut search = Search::from(self.args.from);
        while let Some(rate) = search.next() {
            let (step, _report) = self.offer(bench, rate, self.args.step).await?;
            search.saw(rate, step.is_held());
            bench.steps.push(step);
        }
        let mut rate = search.highest();
        for _ in 0..LOWERED_MAX {
            let Some(held) = rate else { break };
            let (step, report) = self.offer(bench, held, self.args.length).await?;
            if step.is_held() {
                bench.sustained = Some(self.judge(step, report).await?);
                return Ok(());
            }
            bench.steps.push(step);
            rate = Some(search::lower(held));
        }
        Ok(())
    }

    /// Offers a rate for so long.
    async fn offer(
        &self,
        bench: &Bench,
        rate: f64,
        length: Duration,
    ) -> anyhow::Result<(Step, Report)> {
        self.session
            .printer
            .note(&format!("\n{rate}/s for {}", human(length)));
        let prepared = run::prepare(self.cluster, self.shape(rate, length)).await?;
        let report = prepared.metered().run(&self.session.runs()).await?;
        for error in &report.evidence.harness_errors {
            self.session.printer.warning(error);
        }
        let step = Step::of(&report, rate, bench.p99_ms_max).context("the load broke off")?;
        self.session.printer.note(&table::told(&step));
        Ok((step, report))
    }

    fn shape(&self, rate: f64, length: Duration) -> Shape {
        let scenario = scenario(self.args, self.seed, rate, length);
        let command = format!("webshop bench --rate {rate}/s --for {}", Span(length));
        scenario.shape(self.seed, &command)
    }

    /// Has the run at a rate judged.
    async fn judge(&self, step: Step, report: Report) -> anyhow::Result<Sustained> {
        let Report { dir, work, .. } = report;
        let settle = dir.plan()?.settle;
        let judged = verify::verify(self.cluster, &dir, settle.into()).await?;
        let verdict = judged.judgement.verdict;
        if verdict != Verdict::Pass {
            self.session
                .printer
                .note(&told::verdict::text(&judged.judgement));
        }
        report::publish(self.session, &dir, judged);
        Ok(Sustained {
            step,
            run: dir.name(),
            verdict,
            work,
        })
    }
}

/// A rate that is offered, as a scenario.
fn scenario(args: &BenchArgs, seed: u64, rate: f64, length: Duration) -> Scenario {
    let load = Load {
        rate: Rate(rate),
        mix: args.mix.clone(),
        ..Load::default()
    };
    let timeline = vec![Stretch::stretch(length)];
    Scenario {
        data: DataShape {
            users: args.users.into(),
            items: args.items.into(),
        },
        ..Scenario::of("bench".to_owned(), Some(seed), load, timeline)
    }
}

/// A wrong answer is worth nothing, however fast; a right one that nobody could measure is the harness's failure.
fn exit(bench: &Bench, excess: &[String]) -> Exit {
    match &bench.sustained {
        None => Exit::Slo,
        Some(sustained) => match sustained.verdict {
            Verdict::Pass if sustained.work.is_none() => Exit::Harness,
            Verdict::Pass if !sustained.step.is_held() || !excess.is_empty() => Exit::Slo,
            verdict => told::exit(verdict),
        },
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn judged(verdict: Verdict) -> Bench {
        let step = Step {
            rate: 1.0,
            seconds: 1.0,
            ok_per_s: 1.0,
            p50_ms: 1.0,
            p99_ms: 1.0,
            p999_ms: 1.0,
            late_ms: 0.0,
            missed: Vec::new(),
        };
        let mut bench = Bench::new(10, 10, Duration::from_secs(1));
        bench.sustained = Some(Sustained {
            step,
            run: "bench".to_owned(),
            verdict,
            work: Some(Work::default()),
        });
        bench
    }

    #[test]
    fn the_verdict_at_the_rate_is_the_exit_code() {
        for (verdict, wanted) in [
            (Verdict::Pass, Exit::Pass),
            (Verdict::Violation, Exit::Violation),
            (Verdict::Unknown, Exit::Unknown),
            (Verdict::Harness, Exit::Harness),
        ] {
            assert_eq!(exit(&judged(verdict), &[]), wanted);
        }
        assert_eq!(
            exit(&judged(Verdict::Pass), &["more".to_owned()]),
            Exit::Slo
        );
    }

    #[test]
    fn meters_that_could_not_be_read_hide_no_verdict() {
        for (verdict, wanted) in [
            (Verdict::Pass, Exit::Harness),
            (Verdict::Violation, Exit::Violation),
            (Verdict::Unknown, Exit::Unknown),
            (Verdict::Harness, Exit::Harness),
        ] {
            let mut bench = judged(verdict);
            if let Some(sustained) = &mut bench.sustained {
                sustained.work = None;
            }
            assert_eq!(exit(&bench, &[]), wanted);
            let told = table::text(&bench, None);
            assert!(told.contains(&verdict.to_string()), "{told}");
            assert!(told.contains("the meters could not be read"), "{told}");
        }
    }

    #[test]
    fn every_rate_is_repeated_by_its_scenario() {
        for line in [
            "bench",
            "bench --users 1 --items 2 --mix find_order=100%",
            "bench --users 100000 --items 100000 --mix checkout=50%,find_user=50%",
        ] {
            let cli = Cli::try_parse_from(["webshop"].into_iter().chain(line.split(' ')));
            let Command::Bench(args) = cli.unwrap().command else {
                panic!("{line} is no bench");
            };
            let made = scenario(&args, 7, 123.456, Duration::from_secs(90));
            assert_eq!(made.validate_alone(), [], "{line}");
            let again = Scenario::parse(&made.to_yaml().unwrap()).unwrap();
            assert_eq!(made.shape(7, line), again.shape(7, line), "{line}");
        }
    }
}
