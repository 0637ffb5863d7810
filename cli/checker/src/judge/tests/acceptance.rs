//! The nine shops that totals over everything judge wrong: 1000 users with a credit of 1 each, one item
//! at the price of 1 with 100 pieces, 1000 checkouts.

use rstest::rstest;

use crate::verdict::{Label, Verdict};

mod flash_sale;

use flash_sale::Sale;

/// How many orders a label must name, and the verdict. A leak is named beside the order that caused it.
#[rstest]
#[case::correct(Sale::correct(), Verdict::Pass, &[])]
#[case::acknowledged_dropped_and_rejected_applied(
    Sale::drop_and_apply(46), Verdict::Violation, &[(Label::LostAck, 46), (Label::Phantom, 46)]
)]
#[case::charged_twice_and_orders_for_free(
    Sale::charge_twice_and_free(50), Verdict::Violation, &[(Label::Double, 50), (Label::Torn, 50)]
)]
#[case::every_effect_one_sided(
    Sale::one_sided(100), Verdict::Violation, &[(Label::Torn, 200)]
)]
#[case::unavailable_after_a_while(Sale::down_after(60, 503), Verdict::Slo, &[])]
#[case::never_available(Sale::down_after(0, 500), Verdict::Unknown, &[])]
#[case::honest_rejections_after_a_while(Sale::closed_after(60), Verdict::Pass, &[])]
#[case::debits_that_come_late(Sale::late_debits(), Verdict::Pass, &[])]
#[case::one_connection_reset(Sale::one_reset(), Verdict::Pass, &[])]
fn a_flash_sale_is_judged_right(
    #[case] sale: Sale,
    #[case] verdict: Verdict,
    #[case] labels: &[(Label, usize)],
) {
    let judgement = sale.judge();
    assert_eq!(judgement.verdict, verdict, "{:?}", judgement.reasons);
    for (label, count) in labels {
        let found = judgement.violations.iter().filter(|v| v.label == *label);
        assert_eq!(found.count(), *count, "{label}");
    }
    let others = judgement.violations.iter().map(|v| v.label).find(|label| {
        *label <= Label::DoubleLine && !labels.iter().any(|(expected, _)| expected == label)
    });
    assert_eq!(others, None);
}

#[test]
fn a_shop_that_is_down_is_never_in_violation_even_before_it_is_quiet() {
    for mut sale in [Sale::down_after(60, 503), Sale::late_debits_seen_early()] {
        sale.evidence.settle.quiescent = false;
        let judgement = sale.judge();
        assert_eq!(
            judgement.verdict,
            Verdict::Unknown,
            "{:?}",
            judgement.reasons
        );
        assert!(judgement.violations.iter().all(|found| found.suspected));
    }
}
