//! `webshop run`.

use std::collections::BTreeMap;

use anyhow::bail;
use checker::Verdict;
use checker::availability::Recovery;
use checker::verdict::Judgement;
use harness::error::{Error, Kind};
use harness::printable;
use harness::project::Profile;
use harness::recorder::unix_ms;
use harness::report::{Broken, Reported};
use harness::run::{self, verify};
use harness::rundir::RunDir;
use harness::scenario::suite::{self, Entry};
use harness::scenario::{ImagesName, gaps};
use harness::stack::deploy;
use harness::stack::overview::Overview;
use harness::stack::volumes_are_bound;
use harness::stack::{remove, volumes};
use harness::units::human;
use harness::{Cluster, image};

use super::verify::{self as told, verdict::verdict_line};
use super::{chaos, report, up};
use crate::cli::RunArgs;
use crate::exit::Exit;
use crate::session::Session;
use crate::table;

/// Violations that are told whole after each scenario.
const TOLD_MAX: usize = 3;
/// How long a stack may take to come up, and to go.
const STACK_MAX: std::time::Duration = std::time::Duration::from_secs(180);

/// What came of one scenario.
struct Outcome {
    name: String,
    seed: u64,
    verdict: Verdict,
    /// What known gaps have to do with it.
    gaps: Vec<String>,
    /// Or why it never got that far.
    judged: Result<(RunDir, Judgement), String>,
}

/// Runs scenarios; the worst verdict is the exit code.
pub(crate) async fn run(args: RunArgs, session: Session) -> anyhow::Result<Exit> {
    let project = session.project()?;
    let found = suite::find(&project, &args.scenarios)?;
    let entries = suite::select(found, args.tags.as_ref());
    if entries.is_empty() {
        session
            .printer
            .error("no scenario is left to run\n\nhint: `webshop scenario list` shows their tags");
        return Ok(Exit::Usage);
    }
    let cluster = session.cluster().await?;
    let mut left = None;
    let outcomes = match deployment(&session, &cluster, &entries).await? {
        None => run_all(&session, &cluster, &entries, &args).await,
        Some(plan) => {
            // What `down` left there is somebody's.
            let had_data = !volumes(&cluster).await?.is_empty();
            let outcomes = match deploy::up(&cluster, &project, &plan).await {
                Ok(_up) => run_all(&session, &cluster, &entries, &args).await,
                Err(error) => Err(error.into()),
            };
            if !args.keep_up {
                // Also after Ctrl-C: what this command made, it removes.
                let down = remove::down(&cluster.uncancelled(), !had_data, STACK_MAX).await;
                left = down.err();
            }
            outcomes
        }
    }?;
    session.printer.block(&format!("\n{}", summary(&outcomes)));
    let mut reported = Vec::new();
    for outcome in &outcomes {
        match self::reported(outcome) {
            Some(Ok(found)) => reported.push(found),
            Some(Err(error)) => report::warn(&session, &error),
            None => {}
        }
    }
    let broken: Vec<Broken> = outcomes.iter().filter_map(broken).collect();
    report::publish_all(&session, &reported, &broken);
    if let Some(error) = &left {
        session.printer.error(&printable::line(&format!(
            "the stack is still there: {error}"
        )));
    }
    Ok(told::exit(worst(&outcomes, left.as_ref())))
}

/// Of all verdicts; a stack that could not be removed is the harness's failure, and hides no violation.
fn worst(outcomes: &[Outcome], left: Option<&Error>) -> Verdict {
    let begin = left.map_or(Verdict::Pass, |_| Verdict::Harness);
    let worst = |worst: Verdict, outcome: &Outcome| worst.worst(outcome.verdict);
    outcomes.iter().fold(begin, worst)
}

/// What an error makes of a scenario; `None` where the user asked to stop.
fn broke_off(error: &anyhow::Error) -> Option<Verdict> {
    match error.downcast_ref::<Error>() {
        Some(known) if known.kind() == Kind::Interrupted => None,
        Some(split) if split.is_split_brain() => Some(Verdict::Violation),
        Some(Error::SplitBrain { .. }) => Some(Verdict::Unknown),
        Some(_) | None => Some(Verdict::Harness),
    }
}

/// What a stack for all of them is scaled to: for each service the most that one asks for.
fn scale(entries: &[Entry]) -> Vec<(String, u32)> {
    let mut most: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, replicas) in entries.iter().flat_map(|entry| &entry.scenario.stack.scale) {
        let known = most.entry(name).or_default();
        *known = (*known).max(**replicas);
    }
    let owned = |(name, replicas): (&str, u32)| (name.to_owned(), replicas);
    most.into_iter().map(owned).collect()
}

fn volume_size(entry: &Entry) -> Option<u64> {
    entry.scenario.stack.volume_size.map(|size| size.0)
}

/// How to bring up the stack that the scenarios need; `None` where it is there.
async fn deployment(
    session: &Session,
    cluster: &Cluster,
    entries: &[Entry],
) -> anyhow::Result<Option<deploy::Plan>> {
    let needs = |entry: &Entry| Profile::from(entry.scenario.stack.profile);
    let profile = needs(&entries[0]);
    if let Some(other) = entries.iter().find(|entry| needs(entry) != profile) {
        bail!(
            "{} needs the {} profile and {} the {} one: run them apart",
            entries[0].path.display(),
            profile.name(),
            other.path.display(),
            needs(other).name()
        );
    }
    let needs_failpoints = entries
        .iter()
        .any(|entry| entry.scenario.stack.images == ImagesName::Test);
    let size = entries.iter().filter_map(volume_size).max();
    match Overview::of_deployed(cluster).await {
        Ok(_) if size.is_some() && !volumes_are_bound(cluster).await? => {
            Err(Error::VolumesUnbound {
                stack: cluster.stack.to_string(),
            }
            .into())
        }
        Ok(overview) => match overview.profile() {
            Some(there) if there != profile => Err(Error::ProfileMismatch {
                stack: cluster.stack.to_string(),
                existing: there.name().to_owned(),
                wanted: profile.name().to_owned(),
            }
            .into()),
            _ if needs_failpoints && !overview.has_failpoints() => Err(Error::NoFailpoints {
                stack: cluster.stack.to_string(),
            }
            .into()),
            _ => Ok(None),
        },
        Err(Error::NoStack { .. }) => {
            let flavour = if needs_failpoints {
                image::Flavour::Test
            } else {
                image::Flavour::Release
            };
            Ok(Some(deploy::Plan {
                profile: Some(profile),
                port: None,
                scale: scale(entries),
                db_route: "direct".to_owned(),
                volume_size: size,
                environment: up::environment(),
                images: image::Options {
                    rebuild: false,
                    ca_bundle: session.global.ca_bundle(),
                    flavour,
                },
                planted: None,
                wait_timeout: STACK_MAX,
            }))
        }
        Err(error) => Err(error.into()),
    }
}

async fn run_all(
    session: &Session,
    cluster: &Cluster,
    entries: &[Entry],
    args: &RunArgs,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let mut round = 1;
    loop {
        for (at, entry) in entries.iter().enumerate() {
            let name = &*entry.scenario.name;
            session
                .printer
                .note(&format!("\nscenario {}/{} {name}", at + 1, entries.len()));
            let outcome = run_one(session, cluster, entry, args.seed).await?;
            let passed = outcome.verdict == Verdict::Pass;
            outcomes.push(outcome);
            if !passed && (args.fail_fast || args.until_fail) {
                return Ok(outcomes);
            }
        }
        if !args.until_fail && round >= args.repeat {
            return Ok(outcomes);
        }
        round += 1;
    }
}

/// Runs one to its verdict. Only an interruption ends the others as well.
async fn run_one(
    session: &Session,
    cluster: &Cluster,
    entry: &Entry,
    seed: Option<u64>,
) -> anyhow::Result<Outcome> {
    let scenario = &entry.scenario;
    let seed = seed.or(scenario.seed).unwrap_or_else(unix_ms);
    let outcome = |verdict, gaps, judged| Outcome {
        name: scenario.name.value.clone(),
        seed,
        verdict,
        gaps,
        judged,
    };
    match try_one(session, cluster, entry, seed).await {
        Ok((verdict, gaps, dir, judgement)) => Ok(outcome(verdict, gaps, Ok((dir, judgement)))),
        Err(error) => {
            let Some(verdict) = broke_off(&error) else {
                return Err(error);
            };
            session
                .printer
                .error(&printable::lines(&format!("{error:#}")));
            Ok(outcome(verdict, Vec::new(), Err(format!("{error:#}"))))
        }
    }
}

async fn try_one(
    session: &Session,
    cluster: &Cluster,
    entry: &Entry,
    seed: u64,
) -> anyhow::Result<(Verdict, Vec<String>, RunDir, Judgement)> {
    let scenario = &entry.scenario;
    let command = format!("webshop run {} --seed {seed}", entry.path.display());
    let shape = scenario.shape(seed, &command);
    let settle = shape.settle;
    let done = run::prepare(cluster, shape)
        .await?
        .run(&session.runs())
        .await?;
    chaos::show(session, &done)?;
    let judged = verify::verify(cluster, &done.dir, settle.into()).await?;
    let judgement = judged.judgement.clone();
    let (verdict, gaps) = gaps::outcome(&judgement, &scenario.known_gaps);
    for violation in judgement.violations.iter().take(TOLD_MAX) {
        let text = printable::line(&violation.text);
        session.printer.block(&format!("\n{text}"));
    }
    for reason in judgement.reasons.iter().chain(&gaps) {
        session
            .printer
            .line(&format!("- {}", printable::line(reason)));
    }
    session.printer.line(&verdict_line(verdict));
    report::publish(session, &done.dir, judged);
    Ok((verdict, gaps, done.dir, judgement))
}

fn reported(outcome: &Outcome) -> Option<harness::Result<Reported>> {
    let (dir, judgement) = outcome.judged.as_ref().ok()?;
    let with_gaps = |reported: Reported| Reported {
        outcome: (outcome.verdict != judgement.verdict)
            .then(|| (outcome.verdict, outcome.gaps.clone())),
        ..reported
    };
    Some(Reported::load(dir).map(with_gaps))
}

fn broken(outcome: &Outcome) -> Option<Broken> {
    let why = outcome.judged.as_ref().err()?;
    Some(Broken {
        name: outcome.name.clone(),
        why: why.clone(),
    })
}

/// One line for each run.
fn summary(outcomes: &[Outcome]) -> String {
    let rows: Vec<Vec<String>> = outcomes.iter().map(row).collect();
    let header = [
        "SCENARIO",
        "VERDICT",
        "FIRST OK",
        "LONGEST GAP",
        "P99",
        "SEED",
        "RUN",
    ];
    table::draw(&header, &rows)
}

fn row(outcome: &Outcome) -> Vec<String> {
    let mut cells = vec![
        printable::line(&outcome.name),
        verdict_line(outcome.verdict),
    ];
    match &outcome.judged {
        Ok((dir, judgement)) => {
            let availability = &judgement.availability;
            cells.push(first_ok(&availability.recoveries));
            cells.push(ms(availability.longest_gap_ms));
            cells.push(format!("{:.0} ms", availability.checkout_latency.p99_ms));
            cells.push(outcome.seed.to_string());
            cells.push(printable::line(&dir.name()));
        }
        Err(_told) => {
            cells.extend(["-", "-", "-", &outcome.seed.to_string(), "-"].map(str::to_owned))
        }
    }
    cells
}

/// The longest of all faults.
fn first_ok(recoveries: &[Recovery]) -> String {
    let took = recoveries
        .iter()
        .map(|recovery| recovery.first_ok_checkout_ms);
    match took.collect::<Option<Vec<u64>>>() {
        Some(took) => took.into_iter().max().map_or_else(|| "-".to_owned(), ms),
        None => "never".to_owned(),
    }
}

fn ms(value: u64) -> String {
    human(std::time::Duration::from_millis(value))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn outcome(verdict: Verdict) -> Outcome {
        Outcome {
            name: "quiet".to_owned(),
            seed: 1,
            verdict,
            gaps: Vec::new(),
            judged: Err("not looked at".to_owned()),
        }
    }

    #[test]
    fn an_error_is_the_harnesss_whatever_pipe_broke() {
        let broken = || std::io::Error::from(ErrorKind::BrokenPipe);
        for error in [
            anyhow::Error::from(broken()),
            Error::io("write evidence.json", broken()).into(),
        ] {
            assert_eq!(broke_off(&error), Some(Verdict::Harness), "{error:#}");
        }
        let split = |looks| Error::SplitBrain {
            database: "stock".to_owned(),
            nodes: Vec::new(),
            looks,
        };
        assert_eq!(broke_off(&split(2).into()), Some(Verdict::Violation));
        assert_eq!(broke_off(&split(1).into()), Some(Verdict::Unknown));
        assert_eq!(broke_off(&Error::Interrupted.into()), None);
    }

    #[test]
    fn a_stack_that_cannot_be_removed_hides_no_violation() {
        let left = Error::io("remove the stack", ErrorKind::BrokenPipe.into());
        for (verdict, with_left) in [
            (Verdict::Violation, Verdict::Violation),
            (Verdict::Pass, Verdict::Harness),
            (Verdict::Unknown, Verdict::Harness),
        ] {
            assert_eq!(worst(&[outcome(verdict)], None), verdict);
            assert_eq!(worst(&[outcome(verdict)], Some(&left)), with_left);
        }
    }
}
