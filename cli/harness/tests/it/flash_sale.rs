//! The nine shops that a checker of totals judges wrong, loaded with the real generator and recorded by the
//! real recorder: the right verdict and labels for each, no false pass, no false alarm.

use std::{sync::Arc, time::Duration};

use checker::{
    Budgets, Evidence, Initial, Judgement, Run, Snapshot,
    evidence::Settle,
    judge,
    verdict::{Label, Verdict},
};
use harness::{
    load::{Client, Data, Generator, Mix, Profile, Sizes, Stats, workload::Workload},
    recorder::Recorder,
    run::{
        Shape,
        plan::{LoadPlan, Plan, SettlePlan, StackMark},
        recorded::{self, Recorded},
    },
    rundir::RunDir,
    scenario::Scenario,
    wait::{self, Limit, Look},
};
use rstest::rstest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::mock_shop::{self, CartBug, MockShop, ORDERS, Planted};

/// Nine in ten operations are checkouts, so that all thousand orders come up.
const RATE: f64 = 1000.0;
const LENGTH: Duration = Duration::from_millis(1200);

/// A loaded shop, and the run's directory.
struct Sale {
    shop: MockShop,
    dir: RunDir,
    runs: tempfile::TempDir,
}

/// Only what was prepared, or every operation of the API.
const PREPARED: &str = "checkout=90%,find_order=4%,find_item=3%,find_user=3%";
/// A debit that comes after its acknowledgement is only a matter of settling as long as nobody looks: a read would be STALE.
const NO_CREDIT_READ: &str = "checkout=90%,find_order=5%,find_item=5%";
const CARTS: &str = "checkout=30%,create_order=12%,add_item=30%,find_order=8%,find_item=4%,find_user=4%,\
    add_funds=2%,add_stock=2%,pay=2%,subtract_stock=2%,create_user=2%,create_item=2%";

/// What a sale is meant to be: a load without faults.
fn plan(dir: &RunDir, profile: &Profile) -> Plan {
    let stack = StackMark {
        name: "mock".to_owned(),
        id: "mock".to_owned(),
        images: std::collections::BTreeMap::new(),
    };
    let shape = Shape {
        name: "sale".to_owned(),
        command: "webshop load".to_owned(),
        seed: profile.seed,
        load: Some(LoadPlan {
            profile: profile.clone(),
            data: Data::for_load(profile, LENGTH),
            length_ms: u64::try_from(LENGTH.as_millis()).unwrap(),
        }),
        direct_writes: false,
        baseline: None,
        steps: Vec::new(),
        settle: SettlePlan {
            stable_ms: 1_000,
            ..SettlePlan::default()
        },
        budgets: checker::Budgets::default(),
        scenario: Scenario::of(
            "sale".to_owned(),
            Some(7),
            harness::scenario::Load::default(),
            Vec::new(),
        ),
    };
    let mut plan = Plan::new(shape, stack);
    plan.run = dir.name();
    plan.nodes = mock_shop::nodes();
    plan
}

async fn load(planted: Planted) -> Sale {
    let (shop, url) = MockShop::open(planted).await;
    let mix = match planted {
        Planted::Carts(_) => CARTS,
        Planted::SlowDebit(_) => NO_CREDIT_READ,
        _ => PREPARED,
    };
    let profile = Profile {
        rate: RATE,
        mix: mix.parse::<Mix>().unwrap(),
        seed: 7,
        request_timeout_ms: 5_000,
        retries: 0,
    };
    let runs = tempfile::tempdir().unwrap();
    let dir = RunDir::create(runs.path(), "sale", 0).unwrap();
    dir.write_plan(&plan(&dir, &profile)).unwrap();
    let initial = Initial {
        run: dir.name(),
        ..shop.initial()
    };
    dir.write_initial(&initial).unwrap();
    let (recorder, writing) = Recorder::start(
        &dir.history_path(),
        &dir.events_path(),
        &dir.name(),
        Some(7),
    )
    .unwrap();
    let sizes = Sizes {
        orders: ORDERS,
        users: ORDERS,
        items: 1,
    };
    let generator = Generator {
        workload: Workload::new(profile.seed, profile.mix.clone(), sizes),
        client: Client::new(&url, profile.request_timeout()).unwrap(),
        profile,
        recorder: recorder.clone(),
        stats: Arc::new(Stats::default()),
        run: dir.name(),
    };
    let (_sender, end) = watch::channel(LENGTH);
    generator.run(end, CancellationToken::new()).await;
    recorder.end().await;
    drop(recorder);
    writing.finish().await.unwrap();
    Sale { shop, dir, runs }
}

impl Sale {
    async fn settle(&self) {
        let limit = Limit::new(Duration::from_secs(20), Duration::from_millis(10));
        let look = async || {
            Ok(if self.shop.is_quiescent() {
                Look::Done(())
            } else {
                Look::NotYet("debits to come".to_owned())
            })
        };
        let cancel = CancellationToken::new();
        wait::until("the last debit", limit, &cancel, look)
            .await
            .unwrap();
    }

    /// Reads everything twice and writes down what was seen.
    fn read(&self) {
        let quiescent = self.shop.is_quiescent();
        let mut snapshots = [self.shop.snapshot(), self.shop.snapshot()].map(|snapshot| Snapshot {
            run: self.dir.name(),
            ..snapshot
        });
        // As if somebody had waited: nothing moves in a shop at rest.
        snapshots[1].taken_at_us += 1_000_000;
        self.dir.write_snapshots(&snapshots).unwrap();
        let evidence = Evidence {
            run: self.dir.name(),
            settle: Settle {
                load_stopped: true,
                faults_healed: true,
                converged: true,
                quiescent,
                waited_ms: 1,
                deadline_ms: 60_000,
                missing: Vec::new(),
            },
            ..Evidence::default()
        };
        self.dir.write_evidence(&evidence).unwrap();
    }

    /// Judges by a budget that a shop which is down does not keep.
    fn judge(&self) -> Judgement {
        let recorded = Recorded::load(&self.dir).unwrap();
        assert_eq!(recorded.history.header.run, self.dir.name());
        judge(&Run {
            planned: &recorded.plan.planned(),
            history: &recorded.history,
            initial: recorded.initial.as_ref().unwrap(),
            snapshots: &recorded.snapshots,
            evidence: &recorded.evidence,
            budgets: &Budgets {
                served_ratio_min: Some(0.95),
                ..Budgets::default()
            },
        })
    }
}

/// How many orders have each of the labels that an order can have; a leak stands beside its order.
fn labels(judgement: &Judgement) -> Vec<(Label, usize)> {
    let count = |label| {
        let violations = judgement.violations.iter();
        violations.filter(|found| found.label == label).count()
    };
    [
        Label::PhantomRefund,
        Label::Double,
        Label::Torn,
        Label::LostAck,
        Label::Phantom,
        Label::Altered,
        Label::LostLine,
        Label::DoubleLine,
        Label::DuplicateId,
    ]
    .map(|label| (label, count(label)))
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .collect()
}

#[rstest]
#[case::correct(Planted::Nothing, Verdict::Pass, &[])]
#[case::acknowledged_dropped_and_rejected_applied(
    Planted::LostAndPhantom(46), Verdict::Violation, &[(Label::LostAck, 46), (Label::Phantom, 46)]
)]
#[case::charged_twice_and_for_free(
    Planted::DoubleAndFree(50), Verdict::Violation, &[(Label::Double, 50), (Label::Torn, 50)]
)]
#[case::every_effect_one_sided(Planted::OneSided(100), Verdict::Violation, &[(Label::Torn, 200)])]
#[case::down_after_a_while(Planted::Down { after: 300, status: 503 }, Verdict::Slo, &[])]
#[case::down_all_the_time(Planted::Down { after: 0, status: 500 }, Verdict::Unknown, &[])]
#[case::honestly_closed_after_a_while(Planted::Closed { after: 60 }, Verdict::Pass, &[])]
#[case::debits_that_come_late(
    Planted::SlowDebit(Duration::from_millis(700)), Verdict::Pass, &[]
)]
#[case::one_connection_reset(Planted::OneReset, Verdict::Pass, &[])]
#[case::every_operation_of_the_api(Planted::Carts(CartBug::Nothing), Verdict::Pass, &[])]
#[tokio::test(flavor = "multi_thread")]
async fn a_flash_sale_is_judged_right(
    #[case] planted: Planted,
    #[case] verdict: Verdict,
    #[case] expected: &[(Label, usize)],
) {
    let sale = load(planted).await;
    sale.settle().await;
    sale.read();
    let judgement = sale.judge();
    assert_eq!(labels(&judgement), expected, "{:?}", judgement.reasons);
    assert_eq!(judgement.verdict, verdict, "{:?}", judgement.reasons);
    assert!(
        judgement.totals.orders_ok + judgement.totals.orders_fail > 0
            || verdict == Verdict::Unknown
    );
    if verdict != Verdict::Violation {
        assert_eq!(judgement.violations, []);
    }

    // Judged from the directory it is the same to the byte, in another place as well.
    recorded::offline(&sale.dir).unwrap();
    let result = sale.dir.path().join("result.json");
    let first = std::fs::read(&result).unwrap();
    recorded::offline(&sale.dir).unwrap();
    assert_eq!(std::fs::read(&result).unwrap(), first);
    drop(sale.runs);
}

/// Of the orders that are made during the sale.
#[rstest]
#[case::a_line_is_forgotten(CartBug::ForgetLine, Label::LostLine)]
#[case::a_line_is_doubled(CartBug::DoubleLine, Label::DoubleLine)]
#[case::lines_are_lost_after_payment(CartBug::LoseLines, Label::LostLine)]
#[case::an_order_is_stolen(CartBug::Steal, Label::Altered)]
#[case::an_item_becomes_dearer(CartBug::RaisePrice, Label::Altered)]
#[case::an_id_is_given_twice(CartBug::ReuseId, Label::DuplicateId)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_cart_has_its_own_name(#[case] bug: CartBug, #[case] label: Label) {
    let sale = load(Planted::Carts(bug)).await;
    sale.settle().await;
    sale.read();
    let judgement = sale.judge();
    assert_eq!(judgement.verdict, Verdict::Violation);
    let labels = labels(&judgement);
    assert!(
        labels.iter().any(|(found, _)| *found == label),
        "{labels:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_has_not_settled_is_no_false_alarm() {
    let sale = load(Planted::SlowDebit(Duration::from_secs(8))).await;
    assert!(!sale.shop.is_quiescent());
    sale.read();
    let judgement = sale.judge();
    assert_eq!(
        judgement.verdict,
        Verdict::Unknown,
        "{:?}",
        judgement.reasons
    );
    assert_ne!(judgement.violations, []);
    assert!(judgement.violations.iter().all(|found| found.suspected));
}
