//! One order's story: everything that anybody knows of it, in the order of time.

use std::fmt;

use protocol::OrderId;
use serde::Serialize;

use crate::{
    book::OrderFacts,
    check::Scene,
    contents::Digest,
    evidence::FaultEvidence,
    explain::{primary, seconds, signed},
    history::{Attempt, Complete, Op, Value},
    judge::{Run, judge_scene, with_scene},
    outcome::{Broken, Class},
    snapshot::{OrderRow, Subject},
    verdict::Verdict,
};

/// A fault this near to an order's own time is a part of its story; where none is, the nearest one.
const NEAR_US: i64 = 30_000_000;

/// Who tells a part of a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    BeforeTheLoad,
    Fault,
    Client,
    StockLedger,
    PaymentLedger,
    FinalRead,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeTheLoad => "before the load",
            Self::Fault => "fault",
            Self::Client => "client",
            Self::StockLedger => "stock ledger",
            Self::PaymentLedger => "payment ledger",
            Self::FinalRead => "final read",
        })
    }
}

/// One thing that happened, or that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Microseconds since the run began; `None`: before it.
    pub at_us: Option<i64>,
    pub witness: Witness,
    pub text: String,
}

/// All that is known of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Story {
    pub run: String,
    pub order: OrderId,
    /// What all checkouts of it together told; `None`: there were none.
    pub told: Option<Class>,
    /// In the order of time.
    pub moments: Vec<Moment>,
    /// What is wrong with it, or with a balance that it moved.
    pub violations: Vec<String>,
    /// The verdict of the whole run.
    pub verdict: Verdict,
}

/// Tells an order's story; `None`: nobody has heard of it.
#[must_use]
pub fn story(run: &Run<'_>, order_id: OrderId) -> Option<Story> {
    with_scene(run, |scene| story_of(scene, order_id))
}

fn story_of(scene: &Scene<'_>, order_id: OrderId) -> Option<Story> {
    let order = scene.book.order(order_id)?;
    let mut moments = before(&order);
    moments.extend(clients(scene, order_id));
    moments.extend(ledgers(scene, &order));
    let faults = faults(scene, &moments);
    moments.extend(faults);
    moments.extend(final_reads(scene, order_id));
    moments.sort_by_key(|moment| (moment.at_us, moment.witness));
    let told = order.class;
    drop(order);
    let judgement = judge_scene(scene);
    let fits = |subject: &Subject| !matches!(subject, Subject::Order(id) if *id != order_id);
    Some(Story {
        run: scene.run.history.header.run.clone(),
        order: order_id,
        told,
        moments,
        violations: judgement
            .violations
            .into_iter()
            .filter(|found| fits(&found.subject) && found.orders.contains(&order_id))
            .map(|found| found.text)
            .collect(),
        verdict: judgement.verdict,
    })
}

fn before(order: &OrderFacts<'_>) -> Vec<Moment> {
    let mut texts: Vec<String> = order.known.map(describe).into_iter().collect();
    if order.known.is_none() && order.paid_before {
        texts.push("it was paid".to_owned());
    }
    let moment = |text| Moment {
        at_us: None,
        witness: Witness::BeforeTheLoad,
        text,
    };
    texts.into_iter().map(moment).collect()
}

/// `user 3, item 1 × 2 at 5, costs 10, not paid`
fn describe(row: &OrderRow) -> String {
    let mut text = format!("user {}", row.user_id);
    for line in &row.lines {
        text += &format!(
            ", item {} × {} at {}",
            line.item_id, line.quantity, line.price
        );
    }
    let paid = if row.paid { "paid" } else { "not paid" };
    format!("{text}, costs {}, {paid}", row.total_cost)
}

/// What the clients asked for, and what they were told.
fn clients(scene: &Scene<'_>, order_id: OrderId) -> Vec<Moment> {
    let mut rows = scene.last.orders.iter();
    let at_end = rows.find(|row| row.order_id == order_id);
    let at_end = at_end.map(OrderRow::contents);
    let mut moments = Vec::new();
    for attempt in &scene.run.history.attempts {
        let is_about = match attempt.invoke.op {
            Op::Checkout { order } | Op::FindOrder { order } | Op::AddItem { order, .. } => {
                order == order_id
            }
            Op::CreateOrder { .. } => attempt.value() == Some(Value::Created(order_id.0)),
            _ => false,
        };
        if !is_about {
            continue;
        }
        let (name, invoke) = (asked(attempt.invoke.op), &attempt.invoke);
        let which = format!(
            "{name}, attempt {} of operation {}",
            invoke.attempt, invoke.id
        );
        let mut tell = |at_us: u64, what: &str| {
            moments.push(Moment {
                at_us: i64::try_from(at_us).ok(),
                witness: Witness::Client,
                text: format!("{which}: {what}"),
            });
        };
        tell(invoke.sent_us, "sent");
        if let Some(complete) = &attempt.complete {
            tell(complete.at_us, &answer(attempt, complete, at_end));
        } else {
            tell(invoke.sent_us, "never heard back");
        }
    }
    moments
}

/// What was asked for, with what its name leaves out.
fn asked(op: Op) -> String {
    match op {
        Op::CreateOrder { user } => format!("create_order for user {user}"),
        Op::AddItem { item, quantity, .. } => format!("add_item of {} of item {item}", quantity.0),
        other => other.name().to_owned(),
    }
}

fn answer(attempt: &Attempt, complete: &Complete, at_end: Option<Digest>) -> String {
    let mut text = match (complete.status, complete.broken) {
        (Some(status), None) => format!("got {status}"),
        (Some(status), Some(_)) => format!("got {status}, cut short"),
        (None, Some(Broken::NotSent)) => "could not be sent".to_owned(),
        (None, Some(Broken::TimedOut)) => "no answer in time".to_owned(),
        (None, Some(Broken::Reset)) => "lost the connection".to_owned(),
        (None, Some(Broken::Stopped) | None) => "was stopped".to_owned(),
    };
    if let Some(code) = complete.refusal {
        text += &format!(" ({code:?})");
    }
    match attempt.value() {
        Some(Value::Order { paid, contents }) => {
            text += if paid {
                ", saw it paid"
            } else {
                ", saw it not paid"
            };
            if at_end.is_some_and(|at_end| at_end != contents) {
                text += ", and not what it holds at the end";
            }
        }
        Some(Value::Created(id)) => text += &format!(", made {id}"),
        Some(Value::Credit(_) | Value::Stock(_)) | None => {}
    }
    let class = match complete.class {
        Class::Ok => "ok",
        Class::Fail => "failed",
        Class::Info => "unknown",
    };
    format!("{text}: {class}")
}

fn ledgers(scene: &Scene<'_>, order: &OrderFacts<'_>) -> Vec<Moment> {
    let payments = order.payments.iter().map(|movement| Moment {
        at_us: since_start(scene, movement.recorded_at_us),
        witness: Witness::PaymentLedger,
        text: format!(
            "{} of user {} by saga {}{}",
            signed(movement.delta),
            movement.user_id,
            movement.saga_id,
            primary(scene, "payment")
        ),
    });
    let stock = order.stock.iter().map(|movement| Moment {
        at_us: since_start(scene, movement.recorded_at_us),
        witness: Witness::StockLedger,
        text: format!(
            "{} of item {} by saga {}{}",
            signed(movement.delta),
            movement.item_id,
            movement.saga_id,
            primary(scene, "stock")
        ),
    });
    stock.chain(payments).collect()
}

/// What each final read found of it.
fn final_reads(scene: &Scene<'_>, order_id: OrderId) -> Vec<Moment> {
    let mut moments = Vec::new();
    for (number, snapshot) in (1..).zip(scene.run.snapshots) {
        let mut tell = |text: String| {
            moments.push(Moment {
                at_us: since_start(scene, snapshot.taken_at_us),
                witness: Witness::FinalRead,
                text: format!("{number}: {text}"),
            });
        };
        let row = snapshot.orders.iter().find(|row| row.order_id == order_id);
        match row {
            _ if !snapshot.witnesses.have_balances() => tell("rows were not read".to_owned()),
            Some(row) => tell(describe(row)),
            None => tell("no row".to_owned()),
        }
        let mut sagas = snapshot.sagas.iter();
        if let Some(saga) = sagas.find(|saga| saga.order_id == order_id) {
            tell(format!("saga {} is still {}", saga.saga_id, saga.state));
        }
        let mut answers = snapshot.api.orders.iter();
        if let Some(answer) = answers.find(|answer| answer.order_id == order_id) {
            let paid = if answer.paid { "paid" } else { "not paid" };
            let cost = answer.total_cost;
            tell(format!("the API answers {paid}, costs {cost}"));
        }
        if snapshot.api.absent.contains(&Subject::Order(order_id)) {
            tell("the API says that there is no such order".to_owned());
        }
    }
    moments
}

/// The faults near to what the order's clients and ledgers told.
fn faults(scene: &Scene<'_>, own: &[Moment]) -> Vec<Moment> {
    let times = || own.iter().filter_map(|moment| moment.at_us);
    let (Some(from), Some(to)) = (times().min(), times().max()) else {
        return Vec::new();
    };
    let faults = &scene.run.evidence.faults;
    let distances: Vec<i64> = faults
        .iter()
        .map(|fault| {
            let times = steps(fault).map(|(at_us, _)| at_us);
            let distance = |at_us: i64| (from - at_us).max(at_us - to).max(0);
            times.map(distance).min().unwrap_or(i64::MAX)
        })
        .collect();
    let nearest = distances.iter().copied().min().unwrap_or(i64::MAX);
    faults
        .iter()
        .zip(&distances)
        .filter(|(_, distance)| **distance <= NEAR_US.max(nearest) && **distance < i64::MAX)
        .flat_map(|(fault, _)| {
            steps(fault).map(|(at_us, what)| Moment {
                at_us: Some(at_us),
                witness: Witness::Fault,
                text: format!("{} ({}): {what}", fault.name, fault.target),
            })
        })
        .collect()
}

/// What became of a fault, with its times.
fn steps(fault: &FaultEvidence) -> impl Iterator<Item = (i64, String)> {
    let seen = match fault.seen.join(", ") {
        seen if seen.is_empty() => "took effect".to_owned(),
        seen => format!("took effect: {seen}"),
    };
    [
        (fault.injected_us, "injected".to_owned()),
        (fault.effective_us, seen),
        (fault.writable_us, "writable again".to_owned()),
        (fault.healed_us, "healed".to_owned()),
    ]
    .into_iter()
    .filter_map(|(at_us, what)| Some((i64::try_from(at_us?).ok()?, what)))
}

/// A database's time on the run's clock, which may be before its beginning.
fn since_start(scene: &Scene<'_>, unix_us: i64) -> Option<i64> {
    let started_ms = i64::try_from(scene.run.history.header.started_at_ms).ok()?;
    unix_us.checked_sub(started_ms.checked_mul(1000)?)
}

impl Moment {
    /// When, as people read it.
    #[must_use]
    pub fn time(&self) -> String {
        match self.at_us {
            None => "-".to_owned(),
            Some(at_us) if at_us < 0 => format!("−{}", seconds(at_us.unsigned_abs())),
            Some(at_us) => seconds(at_us.unsigned_abs()),
        }
    }
}

#[cfg(test)]
mod tests;
