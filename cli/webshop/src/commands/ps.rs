//! `webshop ps`.

mod inside;

use std::time::Duration;

use harness::agent::Agent;
use harness::inside::Inside;
use harness::printable;
use harness::project::Profile;
use harness::stack::overview::{Overview, ServiceView, TaskView};
use harness::{timestamp, units};
use owo_colors::OwoColorize;
use serde::Serialize;

use crate::cli::{Format, PsArgs};
use crate::exit::Exit;
use crate::session::Session;
use crate::table;

/// What every command says of a stack without failover.
pub(crate) const SMALL: &str = "profile small: one node of everything, nothing fails over, a killed database is away until it restarts";

#[derive(Serialize)]
struct Report<'a> {
    stack: &'a str,
    profile: Option<&'static str>,
    failover: bool,
    url: Option<String>,
    services: &'a [ServiceView],
    inside: &'a Inside,
}

/// Shows the stack from outside and from inside.
pub(crate) async fn run(args: PsArgs, session: Session) -> anyhow::Result<Exit> {
    let cluster = session.cluster().await?;
    let overview = Overview::of_deployed(&cluster).await?;
    let inside = tokio::select! {
        () = cluster.cancel.cancelled() => return Err(harness::Error::Interrupted.into()),
        inside = async { Inside::read(&Agent::new(&cluster)).await } => inside,
    };
    match args.format {
        Format::Json => session.printer.json(&Report {
            stack: cluster.stack.as_str(),
            profile: overview.profile().map(Profile::name),
            failover: overview.profile() != Some(Profile::Small),
            url: overview.url(&cluster),
            services: &overview.services,
            inside: &inside,
        })?,
        Format::Text => {
            session.printer.block(&services_table(&overview));
            for table in inside::tables(&inside) {
                session.printer.block(&format!("\n{table}"));
            }
            if overview.profile() == Some(Profile::Small) {
                session.printer.warning(SMALL);
            }
        }
    }
    Ok(Exit::Pass)
}

/// One line per service, and one more for each task that does not run as it should.
pub(crate) fn services_table(overview: &Overview) -> String {
    let mut rows = Vec::new();
    for service in &overview.services {
        rows.push(service_row(service));
        rows.extend(
            service
                .tasks
                .iter()
                .filter(|task| task.desired == "running" && !task.is_running())
                .map(task_row),
        );
    }
    table::draw(&["SERVICE", "TASKS", "STATE", "SINCE", "IMAGE"], &rows)
}

fn service_row(service: &ServiceView) -> Vec<String> {
    let tasks = format!("{}/{}", service.running, service.wanted);
    let converged = service.is_converged();
    let changed = service
        .running_tasks()
        .map(|task| task.since.as_str())
        .max();
    vec![
        printable::line(&service.name),
        if converged {
            tasks.green().to_string()
        } else {
            tasks.red().to_string()
        },
        if converged { "up" } else { "not converged" }.to_owned(),
        changed.map_or_else(String::new, age),
        printable::line(&service.image),
    ]
}

fn task_row(task: &TaskView) -> Vec<String> {
    vec![
        printable::line(&format!("  {}", task.name)),
        String::new(),
        printable::line(&match &task.error {
            None => task.state.clone(),
            Some(error) => format!("{}: {error}", task.state),
        }),
        age(&task.since),
        String::new(),
    ]
}

/// `24 s ago`; nothing for what has no time.
fn age(since: &str) -> String {
    let Some(age) = timestamp::age(since) else {
        return String::new();
    };
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s ago"),
        seconds => format!("{} ago", units::human(Duration::from_secs(seconds))),
    }
}
