//! Small runs of a shop, legal ones and such with one planted defect.

use protocol::{ItemId, OrderId, UserId};

use crate::{
    evidence::{Evidence, Planned},
    history::History,
    judge::{Run, judge},
    snapshot::{Initial, Snapshot, Subject},
    story::{Story, story},
    verdict::{Budgets, Judgement, Label},
};

mod carts;
mod defects;
mod dice;
mod load;
mod simulate;

pub(crate) use carts::Told;
pub(crate) use dice::Dice;
pub(crate) use load::Load;
pub(crate) use simulate::{Fate, Plan, Surroundings};

/// A run and all that is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) planned: Planned,
    pub(crate) history: History,
    pub(crate) initial: Initial,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) evidence: Evidence,
    pub(crate) budgets: Budgets,
    plans: Vec<Plan>,
}

impl Case {
    /// A run of 300 orders with every legal fate among them, and a kill in its middle.
    pub(crate) fn legal() -> Self {
        let fates = [
            Fate::Paid,
            Fate::PaidAtSecondAttempt,
            Fate::Paid,
            Fate::PaidAfterRejection,
            Fate::Paid,
            Fate::Rejected,
            Fate::Compensated,
            Fate::UnknownDone,
            Fate::UnknownUndone,
            Fate::Idle,
        ];
        let plans = (0..300).map(|n| Plan {
            user: n % 4,
            lines: vec![(n % 5, 1), (n % 5 + 1, 2)],
            fate: fates[n % fates.len()],
        });
        Self::simulate(plans.collect())
    }

    fn run(&self) -> Run<'_> {
        Run {
            planned: &self.planned,
            history: &self.history,
            initial: &self.initial,
            snapshots: &self.snapshots,
            evidence: &self.evidence,
            budgets: &self.budgets,
        }
    }

    pub(crate) fn judge(&self) -> Judgement {
        judge(&self.run())
    }

    pub(crate) fn story(&self, order: OrderId) -> Option<Story> {
        story(&self.run(), order)
    }

    /// The labels of everything that is certainly wrong, each once.
    pub(crate) fn labels(&self) -> Vec<Label> {
        let mut labels: Vec<Label> = self
            .judge()
            .violations
            .iter()
            .filter(|violation| !violation.suspected)
            .map(|violation| violation.label)
            .collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    /// The labels of orders by the six checks that give an order one.
    pub(crate) fn order_labels(&self) -> Vec<(OrderId, Label)> {
        self.judge()
            .violations
            .iter()
            .filter(|violation| !violation.suspected && violation.label <= Label::DoubleLine)
            .filter(|violation| matches!(violation.subject, Subject::Order(_)))
            .map(|violation| (violation.orders[0], violation.label))
            .collect()
    }

    fn with_fate(&self, fate: Fate) -> OrderId {
        let at = self
            .plans
            .iter()
            .position(|plan| plan.fate == fate)
            .unwrap();
        OrderId(at.try_into().unwrap())
    }

    pub(crate) fn paid(&self) -> OrderId {
        self.with_fate(Fate::Paid)
    }

    pub(crate) fn rejected(&self) -> OrderId {
        self.with_fate(Fate::Rejected)
    }

    /// An order that nobody asked to check out.
    pub(crate) fn idle(&self) -> OrderId {
        self.with_fate(Fate::Idle)
    }

    /// One whose outcome the client does not know and that is done, and one that is not.
    pub(crate) fn unknown(&self) -> [OrderId; 2] {
        [Fate::UnknownDone, Fate::UnknownUndone].map(|fate| self.with_fate(fate))
    }

    pub(crate) fn is_paid(&self, order: OrderId) -> bool {
        let rows = &self.snapshots[0].orders;
        rows.iter().any(|row| row.order_id == order && row.paid)
    }

    fn row(&self, order: OrderId) -> &crate::snapshot::OrderRow {
        let rows = &self.initial.orders;
        rows.iter().find(|row| row.order_id == order).unwrap()
    }

    pub(crate) fn cost(&self, order: OrderId) -> i64 {
        self.row(order).total_cost
    }

    pub(crate) fn user_of(&self, order: OrderId) -> UserId {
        self.row(order).user_id
    }

    /// The first item of an order.
    pub(crate) fn item_of(&self, order: OrderId) -> ItemId {
        self.row(order).lines[0].item_id
    }
}
