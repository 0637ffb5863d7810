//! `webshop targets`.

use harness::agent::Agent;
use harness::fault;
use harness::printable;
use harness::target::{Target, Victim, World};
use serde::Serialize;

use crate::cli::{Format, TargetsArgs};
use crate::exit::Exit;
use crate::session::Session;
use crate::table;

/// One name, and what it is at this moment.
#[derive(Serialize)]
struct Row {
    target: String,
    tasks: Vec<Victim>,
    /// Why it is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Shows every name that faults understand.
pub(crate) async fn run(args: TargetsArgs, session: Session) -> anyhow::Result<Exit> {
    let cluster = session.cluster().await?;
    harness::stack::overview::Overview::of_deployed(&cluster).await?;
    let agent = Agent::new(&cluster);
    let world = tokio::select! {
        () = cluster.cancel.cancelled() => return Err(harness::Error::Interrupted.into()),
        world = fault::world(&cluster, &agent) => world?,
    };
    let rows: Vec<Row> = world
        .names()
        .into_iter()
        .map(|name| row(&cluster, &world, name))
        .collect();
    match args.format {
        Format::Json => session.printer.json(&rows)?,
        Format::Text => {
            let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
            session
                .printer
                .block(&table::draw(&["TARGET", "IS NOW"], &rows));
        }
    }
    Ok(Exit::Pass)
}

fn row(cluster: &harness::Cluster, world: &World, name: String) -> Row {
    let Ok(target) = name.parse::<Target>();
    match world.resolve(&target, &cluster.stack) {
        Ok(tasks) => Row {
            target: name,
            tasks,
            error: None,
        },
        Err(error) => Row {
            target: name,
            tasks: Vec::new(),
            error: Some(error.to_string()),
        },
    }
}

fn cells(row: &Row) -> Vec<String> {
    let now = match &row.error {
        Some(error) => error.clone(),
        None => row
            .tasks
            .iter()
            .map(describe)
            .collect::<Vec<_>>()
            .join(", "),
    };
    vec![printable::line(&row.target), printable::line(&now)]
}

/// `stock-db-1.1 (primary, timeline 2)`
pub(crate) fn describe(victim: &Victim) -> String {
    match &victim.node {
        Some(node) => format!(
            "{} ({}, timeline {})",
            victim.task.name(),
            format!("{:?}", node.role).to_lowercase(),
            node.timeline
        ),
        None => victim.task.name(),
    }
}
