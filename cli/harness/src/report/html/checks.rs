//! The checks and what became of them.

use checker::verdict::{Check, CheckReport, Status};
use maud::{Markup, html as markup};

use super::{cell, number};
use crate::report::{Reported, quantity::count};

pub(super) fn section(run: &Reported) -> Markup {
    let checks = &run.judgement.checks;
    let held = checks.iter().filter(|check| check.status == Status::Held);
    markup! {
        section #checks {
            h2 { "Checks" }
            p { b { (held.count()) " of " (checks.len()) } " held." }
            table.cards.brief {
                thead {
                    tr { th { "check" } th { "status" } th.num { "looked at" } th.num { "wrong" } th { "must hold" } }
                }
                tbody { @for check in checks { (row(check)) } }
            }
        }
    }
}

fn row(check: &CheckReport) -> Markup {
    let status = markup! {
        span.status.(class(check.status)) { (sign(check.status)) " " (check.status) }
    };
    markup! {
        tr {
            td.wide data-label="check" { b { (check.name) } }
            (cell("status", status))
            (number("looked at", count(check.counted)))
            (number("wrong", count(check.violations)))
            td.muted data-label="must hold" { (claim(check.name)) }
        }
    }
}

fn class(status: Status) -> &'static str {
    match status {
        Status::Held => "held",
        Status::Violated => "violated",
        Status::Suspected | Status::Undecided => "open",
    }
}

fn sign(status: Status) -> &'static str {
    match status {
        Status::Held => "✓",
        Status::Violated => "✗",
        Status::Suspected | Status::Undecided => "?",
    }
}

fn claim(check: Check) -> &'static str {
    match check {
        Check::Compensation => "nothing was given back that had not been taken",
        Check::Double => "no order was charged or taken twice, however often it was retried",
        Check::Atomicity => "an order is charged, taken and paid as a whole or not at all",
        Check::Acknowledged => "every order that a client was told is paid is there, whole",
        Check::Phantom => "an order that failed, or that nobody checked out, left no trace",
        Check::Contents => {
            "each order, user and item holds what was prepared, acknowledged or may have been"
        }
        Check::Credit => "each user’s credit is what it was, less the orders that count",
        Check::Stock => "each item’s stock is what it was, less the orders that count",
        Check::NonNegative => "no read ever saw less than nothing",
        Check::Monotone => "an order that was once seen paid stays paid",
        Check::Fresh => "no read missed what had been acknowledged before it began",
        Check::Replicas => "one primary a database; standbys and the API agree with it",
        Check::Settled => "every saga came to its end",
    }
}
