//! The stack that it ran on: services by kind, with what was hit and who was primary in the end.

use std::collections::BTreeMap;

use checker::evidence::FaultEvidence;
use maud::{Markup, html as markup};
use protocol::db::Role;

use crate::report::{Reported, figures::Fault, quantity::at};

/// Where a service stands, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Services,
    Database(String),
    Kafka,
    Around,
}

impl Kind {
    /// By the names that the stack file gives.
    fn of(service: &str) -> Self {
        if let Some((database, _)) = service.split_once("-db-") {
            Self::Database(database.to_owned())
        } else if service.starts_with("kafka") {
            Self::Kafka
        } else if matches!(service, "order" | "payment" | "stock") {
            Self::Services
        } else {
            Self::Around
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Services => "services".to_owned(),
            Self::Database(database) => format!("{database} database"),
            Self::Kafka => "Kafka".to_owned(),
            Self::Around => "around them".to_owned(),
        }
    }
}

pub(super) fn section(run: &Reported) -> Markup {
    let mut kinds: BTreeMap<Kind, Vec<&str>> = BTreeMap::new();
    for service in run.plan.stack.images.keys() {
        kinds.entry(Kind::of(service)).or_default().push(service);
    }
    let faults = run.faults();
    markup! {
        @if !kinds.is_empty() {
            section #topology {
                h2 { "The stack" }
                p.muted { "Roles are those of the last final read." }
                div.kinds {
                    @for (kind, services) in &kinds {
                        div.kind.around[*kind == Kind::Around] {
                            h3 { (kind.title()) }
                            ul { @for service in services { (node(run, service, &faults)) } }
                        }
                    }
                }
            }
        }
    }
}

fn node(run: &Reported, service: &str, faults: &[Fault<'_>]) -> Markup {
    let hits: Vec<&Fault<'_>> = faults.iter().filter(|f| hit(f.seen, service)).collect();
    let role = role(run, service);
    let is_primary = role
        .as_ref()
        .is_some_and(|(role, _)| *role == Role::Primary);
    markup! {
        li.node.hit[!hits.is_empty()].primary[is_primary] {
            span.mono { (service) }
            @if let Some((_, text)) = role { span.role { (text) } }
            @for fault in hits {
                span.struck {
                    "✗ F" (fault.number) " " (verb(&fault.seen.name))
                    @if let Some(us) = fault.seen.effective_us { " at " (at(us)) }
                }
            }
        }
    }
}

/// Whether a fault's target names the service or one of its tasks, `stock-db-1` or `stock-db-1.1`.
fn hit(fault: &FaultEvidence, service: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut names = fault.target.split(|c| !is_name(c));
    names.any(|name| name == service)
}

/// What was done, of `kill stock-db-primary`.
fn verb(name: &str) -> &str {
    name.split_whitespace().next().unwrap_or(name)
}

fn role(run: &Reported, service: &str) -> Option<(Role, String)> {
    let nodes = run.databases.iter().flat_map(|database| &database.nodes);
    let node = nodes.into_iter().find(|node| node.name == service)?;
    let state = node.state.as_ref()?;
    let name = match state.role {
        Role::Primary => "primary",
        Role::Standby => "standby",
        Role::Promoting => "promoting",
        Role::Starting => "starting",
        Role::Waiting => "waiting",
    };
    Some((state.role, format!("{name}, timeline {}", state.timeline)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn services_are_sorted_by_kind() {
        for (service, kind) in [
            ("order", "services"),
            ("order-db-2", "order database"),
            ("kafka-0", "Kafka"),
            ("order-pool", "around them"),
            ("gateway", "around them"),
        ] {
            assert_eq!(Kind::of(service).title(), kind, "{service}");
        }
    }

    #[test]
    fn a_fault_hits_the_service_of_its_task_and_no_other() {
        let run = testing::pass();
        let mut fault = run.evidence.faults[0].clone();
        for (target, service, expected) in [
            ("stock-db-1.1", "stock-db-1", true),
            ("stock-db-1", "stock-db-1", true),
            ("order.2", "order", true),
            ("order-db-1.1", "order", false),
            ("stock-db-10.1", "stock-db-1", false),
            ("order.1, payment.2", "payment", true),
        ] {
            fault.target = target.to_owned();
            assert_eq!(hit(&fault, service), expected, "{target} {service}");
        }
    }
}
