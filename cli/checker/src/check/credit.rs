//! Each user's credit is what it was, plus top-ups, less the cost of the orders that are paid.

use super::{
    Looked, Scene,
    balances::{self, Kind},
};
use crate::{snapshot::Subject, verdict::Label};

pub(super) fn check(scene: &Scene<'_>) -> Looked {
    balances::check(
        &scene.book.users,
        scene.last.witnesses,
        &Kind {
            label: Label::CreditLeak,
            subject: Subject::User,
            noun: "credit",
        },
    )
}

#[cfg(test)]
mod tests {
    use protocol::UserId;

    use crate::{
        testing::Case,
        verdict::{Label, Verdict},
    };

    #[test]
    fn a_balance_altered_by_hand_is_a_leak_that_names_the_users_orders() {
        let mut case = Case::legal();
        let paid = case.paid();
        let user = case.user_of(paid);
        case.alter_credit(user, -7);
        let judgement = case.judge();
        assert_eq!(judgement.verdict, Verdict::Violation);
        let [leak] = &judgement.violations[..] else {
            panic!("{:?}", judgement.violations)
        };
        assert_eq!(leak.label, Label::CreditLeak);
        assert!(leak.orders.contains(&paid));
    }

    #[test]
    fn a_top_up_counts_and_an_unknown_one_may_count() {
        let mut case = Case::legal();
        let user = case.user_of(case.paid());
        case.add_funds(user, 50);
        assert_eq!(case.labels(), [Label::CreditLeak], "the top-up is lost");
        case.alter_credit(user, 50);
        assert_eq!(case.labels(), []);
        case.add_funds_unknown(user, 30);
        assert_eq!(case.labels(), []);
        case.alter_credit(user, 30);
        assert_eq!(case.labels(), []);
        case.alter_credit(user, -1);
        assert_eq!(case.labels(), [Label::CreditLeak]);
    }

    #[test]
    fn a_user_whose_row_is_gone_is_a_leak() {
        let mut case = Case::legal();
        let user = case.user_of(case.paid());
        case.lose_user(user);
        assert_eq!(case.labels(), [Label::CreditLeak]);
    }

    #[test]
    fn an_uncertain_top_up_does_not_make_a_user_exist() {
        let mut case = Case::legal();
        case.add_funds_unknown(UserId(4711), 5);
        assert_eq!(case.labels(), []);
    }

    #[test]
    fn both_witnesses_need_one_and_the_same_uncertain_top_up() {
        let mut case = Case::legal();
        let paid = case.paid();
        let (user, cost) = (case.user_of(paid), case.cost(paid));
        case.add_funds_unknown(user, cost);
        case.lose_charge(paid);
        assert!(case.labels().contains(&Label::CreditLeak));
    }
}
