//! A violation as text: claim, evidence, contradiction, the fault near it, and how to see it again.

use std::fmt::Write as _;

use crate::{
    book::{Addition, OrderFacts},
    check::{Finding, Scene},
    history::Attempt,
    outcome::{Broken, Class},
    snapshot::{PaymentMovement, StockMovement, Subject},
};

/// How many attempts, movements or orders a text lists before it says how many more there are.
const LISTED_MAX: usize = 8;

/// A time of the run, as people read it.
pub(crate) fn seconds(at_us: u64) -> String {
    format!("{}.{:03} s", at_us / 1_000_000, at_us / 1000 % 1000)
}

/// A violation as text, and the fault nearest to it.
pub(crate) struct Explanation {
    pub(crate) text: String,
    pub(crate) fault: Option<String>,
}

/// Explains what a check found, with all its evidence.
pub(crate) fn whole(scene: &Scene<'_>, finding: &Finding) -> Explanation {
    explain(scene, finding, |order| {
        evidence(scene, order) + ". However "
    })
}

/// Says what a check found; the evidence is in the order's story.
pub(crate) fn brief(scene: &Scene<'_>, finding: &Finding) -> Explanation {
    explain(scene, finding, |_| String::new())
}

fn explain(
    scene: &Scene<'_>,
    finding: &Finding,
    evidence: impl Fn(&OrderFacts<'_>) -> String,
) -> Explanation {
    let mut text = finding.label.to_string();
    let mut moment_us = None;
    let mut again = String::new();
    match &finding.subject {
        Subject::Order(order_id) => {
            let order = scene.book.order(*order_id);
            let told = order.as_ref().map_or("unknown", |it| adjective(it.class));
            append(&mut text, format_args!(" ({told}) order {order_id}: "));
            text += &order.as_ref().map_or_else(String::new, evidence);
            moment_us = order.and_then(|order| moment(scene, &order));
            again = format!(" --order {order_id}");
        }
        Subject::User(user) => append(&mut text, format_args!(" user {user}: ")),
        Subject::Item(item) => append(&mut text, format_args!(" item {item}: ")),
        Subject::Database(name) => append(&mut text, format_args!(" {name} database: ")),
        Subject::Lane(name) => append(&mut text, format_args!(" lane {name}: ")),
    }
    text += &finding.contradiction;
    if again.is_empty() && !finding.orders.is_empty() {
        let orders = finding.orders.iter().map(ToString::to_string);
        append(&mut text, format_args!(". Orders: {}", list(orders, ", ")));
    }
    text.push('.');
    let fault = nearest_fault(scene, moment_us);
    if let Some(fault) = &fault {
        append(&mut text, format_args!(" Fault: {fault}."));
    }
    let run = &scene.run.history.header.run;
    append(
        &mut text,
        format_args!(" Again: webshop verify {run} --offline{again}"),
    );
    Explanation { text, fault }
}

/// What is left of a contradiction when its numbers are taken away: the same for defects of one kind.
pub(crate) fn shape(contradiction: &str) -> String {
    let mut clauses: Vec<String> = Vec::new();
    for clause in contradiction.split(", ") {
        let mut shape = String::with_capacity(clause.len());
        let mut in_number = false;
        for character in clause.strip_prefix("and ").unwrap_or(clause).chars() {
            let is_digit = character.is_ascii_digit();
            if !is_digit {
                shape.push(character);
            } else if !in_number {
                shape.push('n');
            }
            in_number = is_digit;
        }
        // So many lines of an order are the same story.
        if !clauses.contains(&shape) {
            clauses.push(shape);
        }
    }
    clauses.join(", ")
}

/// Writing to a string cannot fail.
fn append(text: &mut String, more: std::fmt::Arguments<'_>) {
    if text.write_fmt(more).is_err() {
        debug_assert!(false, "a string takes any text");
    }
}

/// What the client knows of an order, in one word.
fn adjective(class: Option<Class>) -> &'static str {
    match class {
        Some(Class::Ok) => "acked",
        Some(Class::Info) => "unknown",
        Some(Class::Fail) => "rejected",
        None => "never checked out",
    }
}

/// What the client saw, what each ledger says, and the paid flag.
fn evidence(scene: &Scene<'_>, order: &OrderFacts<'_>) -> String {
    let mut parts = Vec::new();
    if order.checkouts.is_empty() {
        parts.push("no client asked for a checkout".to_owned());
    } else {
        parts.push(list(order.checkouts.iter().map(|a| saw(a)), ", "));
    }
    let additions = order.claims.iter().flat_map(|claims| claims.additions);
    let additions: Vec<String> = additions.map(added).collect();
    if !additions.is_empty() {
        parts.push(list(additions.into_iter(), ", "));
    }
    if order.paid_before {
        parts.push("paid before the load".to_owned());
    }
    if order.effect.seen.ledgers {
        let payments = order.payments.iter().map(|m| payment(scene, m));
        parts.push(ledger(scene, "payment", payments));
        let stock = order.stock.iter().map(|m| taking(scene, m));
        parts.push(ledger(scene, "stock", stock));
    } else {
        parts.push("ledgers: not read".to_owned());
    }
    let paid = match (order.effect.seen.paid, order.row) {
        (None, _) => "paid: not read",
        (Some(_), None) => "no row",
        (Some(true), Some(_)) => "paid: true",
        (Some(false), Some(_)) => "paid: false",
    };
    parts.push(paid.to_owned());
    parts.join("; ")
}

/// What one attempt told its client.
fn saw(attempt: &Attempt) -> String {
    let number = attempt.invoke.attempt;
    let Some(complete) = &attempt.complete else {
        let sent = seconds(attempt.invoke.sent_us);
        return format!("client sent it at {sent} and never heard back (attempt {number})");
    };
    let at = seconds(complete.at_us);
    let what = match (complete.status, complete.broken) {
        (Some(status), None) => format!("got {status}"),
        (Some(status), Some(_)) => format!("got {status}, cut short,"),
        (None, Some(Broken::NotSent)) => "could not send it".to_owned(),
        (None, Some(Broken::TimedOut)) => "waited in vain until its timeout".to_owned(),
        (None, Some(Broken::Reset)) => "lost the connection".to_owned(),
        (None, Some(Broken::Stopped) | None) => "was stopped".to_owned(),
    };
    format!("client {what} at {at} (attempt {number})")
}

/// What one addition told its client.
fn added(addition: &Addition) -> String {
    let (quantity, item) = (addition.quantity, addition.item);
    match addition.acked_us {
        Some(at) => format!("client added {quantity} of item {item} at {}", seconds(at)),
        None => format!("client may have added {quantity} of item {item}"),
    }
}

/// One ledger's account, with the node that keeps it.
fn ledger(scene: &Scene<'_>, name: &str, rows: impl Iterator<Item = String>) -> String {
    let rows: Vec<String> = rows.collect();
    let place = primary(scene, name);
    if rows.is_empty() {
        return format!("{name} ledger: nothing{place}");
    }
    format!("{name} ledger {}{place}", list(rows.into_iter(), ", "))
}

fn payment(scene: &Scene<'_>, movement: &PaymentMovement) -> String {
    let at = recorded(scene, movement.recorded_at_us);
    let (delta, user) = (signed(movement.delta), movement.user_id);
    format!("{delta} of user {user} at {at}")
}

fn taking(scene: &Scene<'_>, movement: &StockMovement) -> String {
    let at = recorded(scene, movement.recorded_at_us);
    let (delta, item) = (signed(movement.delta), movement.item_id);
    format!("{delta} of item {item} at {at}")
}

pub(crate) fn signed(delta: i64) -> String {
    if delta < 0 {
        format!("−{}", delta.unsigned_abs())
    } else {
        format!("+{delta}")
    }
}

/// Where a ledger was read: the node that was primary at the final read.
pub(crate) fn primary(scene: &Scene<'_>, database: &str) -> String {
    scene
        .last
        .databases
        .iter()
        .find(|view| view.name == database)
        .and_then(|view| view.primaries().into_iter().next())
        .and_then(|node| node.state.as_ref())
        .map(|state| format!(" on {} (timeline {})", state.name, state.timeline))
        .unwrap_or_default()
}

/// A database's time on the run's clock.
fn recorded(scene: &Scene<'_>, recorded_at_us: i64) -> String {
    match since_start(scene, recorded_at_us) {
        Some(at_us) => seconds(at_us),
        None => "a time before the run".to_owned(),
    }
}

fn since_start(scene: &Scene<'_>, recorded_at_us: i64) -> Option<u64> {
    let started_us = scene.run.history.header.started_at_ms.checked_mul(1000)?;
    u64::try_from(recorded_at_us).ok()?.checked_sub(started_us)
}

/// When the interesting thing happened to an order: the last that its client or a ledger heard of it.
fn moment(scene: &Scene<'_>, order: &OrderFacts<'_>) -> Option<u64> {
    let told = order.checkouts.iter().map(|attempt| {
        attempt
            .complete
            .as_ref()
            .map_or(attempt.invoke.sent_us, |complete| complete.at_us)
    });
    let payments = order.payments.iter().map(|m| m.recorded_at_us);
    let stock = order.stock.iter().map(|m| m.recorded_at_us);
    let recorded = payments
        .chain(stock)
        .filter_map(|at| since_start(scene, at));
    told.chain(recorded).max()
}

/// The fault whose effect was nearest to a moment; without one, the first.
fn nearest_fault(scene: &Scene<'_>, moment_us: Option<u64>) -> Option<String> {
    scene
        .run
        .evidence
        .faults
        .iter()
        .filter_map(|fault| Some((fault.effective_us?, fault)))
        .min_by_key(|(at, _)| moment_us.map_or(*at, |moment| at.abs_diff(moment)))
        .map(|(at, fault)| format!("{} ({}) at {}", fault.name, fault.target, seconds(at)))
}

/// Joins the first few, and says how many more there are.
pub(crate) fn list(items: impl Iterator<Item = String>, separator: &str) -> String {
    let mut listed: Vec<String> = items.collect();
    let more = listed.len().saturating_sub(LISTED_MAX);
    listed.truncate(LISTED_MAX);
    let mut text = listed.join(separator);
    if more > 0 {
        append(&mut text, format_args!("{separator}and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing::Case, verdict::Label};

    #[test]
    fn defects_of_one_kind_have_one_shape() {
        let one = shape("it took 0 of item 17 instead of 1, and it took 0 of item 3 instead of 20");
        assert_eq!(one, "it took n of item n instead of n");
        assert_eq!(shape("10.250 s -7 +12"), "n.n s -n +n");
    }

    #[test]
    fn a_time_is_printed_to_the_millisecond() {
        assert_eq!(seconds(31_204_999), "31.204 s");
        assert_eq!(seconds(7_000), "0.007 s");
    }

    #[test]
    fn a_torn_order_explains_itself() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.lose_taking(paid);
        insta::assert_snapshot!(case.judge().violations[0].text, @"TORN (acked) order 0: client got 200 at 0.003 s (attempt 1); payment ledger −15 of user 0 at 0.002 s on payment-db-0 (timeline 1); stock ledger −2 of item 1 at 0.002 s on stock-db-0 (timeline 1); paid: true. However it took 0 of item 0 instead of 1. Fault: kill stock-db-primary (stock-db-0) at 10.000 s. Again: webshop verify 20250101-120000-kill --offline --order 0");
    }

    #[test]
    fn a_lost_ack_explains_itself() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.undo(paid);
        insta::assert_snapshot!(case.judge().violations[0].text, @"LOST_ACK (acked) order 0: client got 200 at 0.003 s (attempt 1); payment ledger: nothing on payment-db-0 (timeline 1); stock ledger: nothing on stock-db-0 (timeline 1); paid: false. However nothing of it is left: it was not charged, nothing was taken, and it is not paid. Fault: kill stock-db-primary (stock-db-0) at 10.000 s. Again: webshop verify 20250101-120000-kill --offline --order 0");
    }

    #[test]
    fn a_leak_by_a_torn_order_says_which() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.set_paid(paid, false);
        let judgement = case.judge();
        let leak = judgement
            .violations
            .iter()
            .find(|v| v.label == Label::CreditLeak);
        let text = &leak.unwrap().text;
        assert!(
            text.contains("; TORN by themselves: 0. Orders: 0, 4,"),
            "{text}"
        );
    }

    #[test]
    fn a_leak_names_the_orders_and_the_witness_that_is_off() {
        let mut case = Case::legal();
        let user = case.user_of(case.paid());
        case.alter_credit(user, -7);
        insta::assert_snapshot!(case.judge().violations[0].text, @"CREDIT_LEAK user 0: the credit is 999318: it was 1000000, 0 was added outside orders, and its paid orders come to 675, so -7 is unexplained; the ledger agrees with the orders: the balance alone is off. Orders: 0, 4, 8, 12, 16, 20, 24, 28, and 67 more. Fault: kill stock-db-primary (stock-db-0) at 10.000 s. Again: webshop verify 20250101-120000-kill --offline");
    }
}
