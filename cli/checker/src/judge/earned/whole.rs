//! What the tables of a run must be like for anything to be concluded from them: nothing stands in the state before the
//! load twice, and a final read has no movement of before.

use crate::{judge::Run, snapshot::Snapshot};

/// What in the tables cannot be as it is.
pub(super) fn flaws(run: &Run<'_>) -> Vec<String> {
    let initial = run.initial;
    let mut reasons = Vec::new();
    for (what, ids) in [
        (
            "user",
            initial.users.iter().map(|row| row.user_id.0).collect(),
        ),
        (
            "item",
            initial.items.iter().map(|row| row.item_id.0).collect(),
        ),
        (
            "order",
            initial.orders.iter().map(|row| row.order_id.0).collect(),
        ),
    ] {
        if let Some(id) = first_repeated(ids) {
            reasons.push(format!("the state before the load has {what} {id} twice"));
        }
    }
    for (number, read) in (1..).zip(run.snapshots) {
        let old = old_movements(run, read);
        if old > 0 {
            reasons.push(format!(
                "final read {number}: {old} movements are older than the load"
            ));
        }
    }
    reasons
}

fn first_repeated(mut ids: Vec<i64>) -> Option<i64> {
    ids.sort_unstable();
    ids.windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}

/// Movements that the watermarks leave out: none of them is read.
fn old_movements(run: &Run<'_>, read: &Snapshot) -> usize {
    let (stock, payment) = (run.initial.stock_watermark, run.initial.payment_watermark);
    let stock = read
        .stock_movements
        .iter()
        .filter(|row| row.movement_id <= stock);
    let payment = read
        .payment_movements
        .iter()
        .filter(|row| row.movement_id <= payment);
    stock.count() + payment.count()
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Verdict};

    #[test]
    fn tables_that_cannot_be_as_they_are_prove_nothing() {
        for (spoil, reason) in [
            (
                (|case| case.initial.users.push(case.initial.users[1])) as fn(&mut Case),
                "the state before the load has user 1 twice",
            ),
            (
                |case| case.initial.items.push(case.initial.items[1]),
                "the state before the load has item 1 twice",
            ),
            (
                |case| case.initial.orders.push(case.initial.orders[1].clone()),
                "the state before the load has order 1 twice",
            ),
            (
                |case| {
                    for read in &mut case.snapshots {
                        let mut old = read.payment_movements[0];
                        old.movement_id = -5;
                        read.payment_movements.push(old);
                    }
                },
                "final read 1: 1 movements are older than the load",
            ),
        ] {
            let mut case = Case::legal();
            spoil(&mut case);
            let judgement = case.judge();
            let told = judgement.reasons.iter().any(|told| told == reason);
            assert!(told, "{reason}: {:?}", judgement.reasons);
            assert_eq!(judgement.verdict, Verdict::Unknown, "{reason}");
        }
    }
}
