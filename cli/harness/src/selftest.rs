//! The judge is judged: builds with a planted bug are brought up one at a time, and each bug must be found
//! under its right name. A healthy build must pass.

mod early;
mod mutants;
mod planted_code;
mod unread;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    time::{Duration, Instant},
};

use futures_util::future::LocalBoxFuture;

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    event::Event,
    image,
    project::Project,
    run::{self, verify},
    rundir::RunDir,
    stack::{deploy, remove},
};

use mutants::Twist;

pub use mutants::{Expected, MUTANTS, Mutant, Outcome, QUICK};
pub use planted_code::require_only_in_test_images;
pub use unread::Unread;

/// How long a stack may take to come up, and to go.
const STACK_MAX: Duration = Duration::from_secs(180);
/// A checkout that never ends is answered after this long, in seconds.
const CHECKOUT_DEADLINE: &str = "10";

/// What came of one build.
#[derive(Debug)]
pub struct Tried {
    pub outcome: Outcome,
    pub dir: RunDir,
}

/// Brings one build up, loads it, judges it, and removes it, whatever comes between.
///
/// `cluster` names the stack that is made for it: whatever stack of that name there is, it is removed first.
///
/// # Errors
/// The stack could not do what was asked: nothing is known of the judge then.
pub fn try_one<'a>(
    cluster: &'a Cluster,
    project: &'a Project,
    runs: &'a Path,
    mutant: &'a Mutant,
    images: &'a image::Options,
) -> LocalBoxFuture<'a, Result<Tried>> {
    Box::pin(try_alone(cluster, project, runs, mutant, images))
}

async fn try_alone(
    cluster: &Cluster,
    project: &Project,
    runs: &Path,
    mutant: &Mutant,
    images: &image::Options,
) -> Result<Tried> {
    let start = Instant::now();
    cluster.events.emit(Event::Phase {
        name: format!("selftest {}", mutant.name),
    });
    remove::down(cluster, true, STACK_MAX).await?;
    let tried = judge(cluster, project, runs, mutant, images, start).await;
    // Also after Ctrl-C, which has cancelled everything else.
    let removed = remove::down(&cluster.uncancelled(), true, STACK_MAX).await;
    let tried = tried?;
    removed?;
    Ok(tried)
}

async fn judge(
    cluster: &Cluster,
    project: &Project,
    runs: &Path,
    mutant: &Mutant,
    images: &image::Options,
    start: Instant,
) -> Result<Tried> {
    let plan = deploy::Plan {
        profile: Some(mutant.profile),
        port: Some(free_port()?),
        scale: Vec::new(),
        db_route: "direct".to_owned(),
        volume_size: None,
        environment: BTreeMap::from([(
            "WEBSHOP_CHECKOUT_DEADLINE".to_owned(),
            CHECKOUT_DEADLINE.to_owned(),
        )]),
        images: images.clone(),
        planted: mutant.bug.map(str::to_owned),
        wait_timeout: STACK_MAX,
    };
    deploy::up(cluster, project, &plan).await?;
    let command = format!("webshop selftest {}", mutant.name);
    let shape = mutant.scenario().shape(mutant.seed(), &command);
    let settle = shape.settle;
    let run = run::prepare(cluster, shape).await?.run(runs);
    let report = match mutant.twist {
        Twist::LiftsEarly => early::lift_beside(cluster, run).await?,
        Twist::None | Twist::ClosesStdout => run.await?,
    };
    let judged = verify::verify(cluster, &report.dir, settle.into()).await?;
    let mut outcome = Outcome::of(mutant.expected, &judged.judgement, start.elapsed());
    if mutant.twist == Twist::ClosesStdout {
        let code = judged.judgement.exit_code;
        let unread = unread::judge(cluster, project, report.dir.path(), code).await?;
        outcome = unread.into_iter().fold(outcome, Outcome::unread);
    }
    Ok(Tried {
        outcome,
        dir: report.dir,
    })
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16> {
    let failed = |source| Error::io("find a free port", source);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    Ok(listener.local_addr().map_err(failed)?.port())
}
