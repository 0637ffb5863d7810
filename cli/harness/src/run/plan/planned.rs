//! What the checker is told of a plan: the parts of the run must agree with it.

use checker::evidence::{Aim, Planned, PlannedFault};

use super::{Plan, StepPlan};
use crate::{fault::action::Count, target::Target};

impl Plan {
    /// What the parts of the run must agree with.
    #[must_use]
    pub fn planned(&self) -> Planned {
        let load = self.load.as_ref();
        Planned {
            run: self.run.clone(),
            seed: load.map(|_| self.seed),
            mix: load.map_or(Vec::new(), |load| load.profile.mix.shares().collect()),
            faults: self.planned_faults(),
            nodes: self.nodes.clone(),
            direct_writes: self.direct_writes,
            stable_ms: self.settle.stable_ms,
        }
    }

    fn planned_faults(&self) -> Vec<PlannedFault> {
        let mut faults = Vec::new();
        let baseline = self.baseline.as_ref();
        let mut after_ms = baseline.map_or(0, |baseline| baseline.length_ms);
        for step in &self.steps {
            match step {
                StepPlan::Load { length_ms } => after_ms = after_ms.saturating_add(*length_ms),
                StepPlan::Wait { .. } => {}
                StepPlan::Fault(fault) => {
                    let targets = self
                        .targets
                        .get(faults.len())
                        .map_or(&[][..], Vec::as_slice);
                    let (target, count) = fault.action.aim();
                    faults.push(PlannedFault {
                        name: fault.name(),
                        held_ms: fault.action.held_ms(),
                        victims: targets.len().max(1),
                        victims_max: victims_max(&target, count),
                        aim: self.aim(&target, count, targets),
                        // Without a load nothing is waited for.
                        after_ms: self
                            .load
                            .as_ref()
                            .map_or(0, |_| after_ms.saturating_add(fault.after_ms)),
                        expected: fault.expected,
                    });
                    after_ms = 0;
                }
            }
        }
        faults
    }

    /// Whom a fault may hit. `found` is what its target was before the run began. Which node has a role, and which task of
    /// several is picked, may be another by its injection.
    fn aim(&self, target: &Target, count: Count, found: &[String]) -> Aim {
        let services = match target {
            Target::Service {
                slot: Some(slot),
                name,
            } => return Aim::Tasks(vec![format!("{name}.{slot}")]),
            // A task may have come since, of the same services.
            Target::Pattern { .. } | Target::Label { .. } if count == Count::All => {
                let service =
                    |task: &String| task.rsplit_once('.').map(|(name, _)| name.to_owned());
                found.iter().filter_map(service).collect()
            }
            Target::Service { name, slot: None } => vec![name.clone()],
            Target::Primary { database } | Target::Standby { database } => {
                self.nodes.get(database).cloned().unwrap_or(Vec::new())
            }
            Target::AllPrimaries => self.nodes.values().flatten().cloned().collect(),
            Target::KafkaLeader { .. } | Target::KafkaController => {
                let services = self.stack.images.keys();
                let brokers = services.filter(|name| name.starts_with("kafka-"));
                brokers.cloned().collect()
            }
            Target::Pattern { .. } | Target::Label { .. } => Vec::new(),
            // A task may move to the node, or away from it.
            Target::On { target, .. } => return self.aim(target, Count::Default, found),
        };
        if services.is_empty() {
            return Aim::Anybody;
        }
        Aim::TasksOf(services)
    }
}

/// How many tasks it hits at most, where that does not hang on how many there are.
fn victims_max(target: &Target, count: Count) -> Option<usize> {
    match count {
        Count::Default => (!target.means_all()).then_some(1),
        Count::Exactly(count) => Some(count),
        Count::Percent(_) | Count::Majority | Count::All => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn plan(fault: &str, targets: &[&str]) -> Plan {
        let mut plan: Plan =
            serde_json::from_str(include_str!("../../../tests/plan.json")).unwrap();
        let rest = r#""after_ms":7,"when":null,"within_ms":9,"seed":1"#;
        plan.steps =
            vec![serde_json::from_str(&format!(r#"{{"fault":{{{fault},{rest}}}}}"#)).unwrap()];
        plan.targets = vec![targets.iter().map(|name| (*name).to_owned()).collect()];
        plan
    }

    #[test]
    fn what_is_planned_says_how_long_how_many_and_how_late() {
        let mut plan: Plan =
            serde_json::from_str(include_str!("../../../tests/plan.json")).unwrap();
        let hold = r#"{"fault":{"hold":"pause","target":"redis","count":"all","for_ms":8000,"after_ms":7,"when":null,"within_ms":9,"seed":1}}"#;
        let hold: StepPlan = serde_json::from_str(hold).unwrap();
        plan.steps = vec![hold.clone(), StepPlan::Load { length_ms: 40 }, hold];
        plan.targets = vec![vec!["redis.1".to_owned(), "redis.2".to_owned()]];
        plan.baseline = None;
        let planned = plan.planned().faults;
        let told = planned.iter();
        let told: Vec<_> = told
            .map(|fault| (fault.held_ms, fault.victims, fault.after_ms))
            .collect();
        assert_eq!(told, [(Some(8_000), 2, 7), (Some(8_000), 1, 47)]);
    }

    #[test]
    fn what_is_planned_says_what_the_load_is_drawn_from() {
        let mut plan = plan(r#""kill":"redis","count":"default""#, &["redis.1"]);
        let planned = plan.planned();
        assert_eq!(planned.seed, Some(42));
        let shares = planned.mix.iter().map(|share| share.percent);
        assert_eq!(shares.sum::<u32>(), 100);
        assert_eq!(
            (planned.mix[0].kind, planned.mix[0].percent),
            ("checkout", 68)
        );
        plan.load = None;
        let planned = plan.planned();
        assert_eq!((planned.seed, planned.mix), (None, Vec::new()));
    }

    #[rstest]
    #[case::slot(r#""kill":"order.2","count":"default""#, &["order.2"], tasks(&["order.2"]), Some(1))]
    #[case::picked(r#""kill":"order","count":"default""#, &["order.2"], of(&["order"]), Some(1))]
    #[case::all(r#""kill":"order","count":"all""#, &["order.1", "order.2"], of(&["order"]), None)]
    #[case::restart(r#""restart":"order","count":"default""#, &["order.1", "order.2"], of(&["order"]), None)]
    #[case::crash(r#""crash":"reserve.before-commit""#, &["stock.1", "stock.2"], of(&["stock"]), None)]
    #[case::several(
        r#""hold":"pause","target":"stock-db-standby","count":{"exactly":2},"for_ms":9"#,
        &["stock-db-1.1", "stock-db-2.1"],
        of(&["stock-db-0", "stock-db-1", "stock-db-2"]),
        Some(2)
    )]
    #[case::primary(
        r#""hold":{"partition":{"with":"stock","way":"both"}},"target":"stock-db-primary","count":"default","for_ms":9"#,
        &["stock-db-0.1"],
        of(&["stock-db-0", "stock-db-1", "stock-db-2"]),
        Some(1)
    )]
    #[case::leader(r#""kill":"kafka-leader:stock.commands","count":"default""#, &["kafka-1.1"], of(&["kafka-0", "kafka-1", "kafka-2"]), Some(1))]
    #[case::on_a_node(r#""kill":"order@alpha","count":"all""#, &["order.1"], of(&["order"]), None)]
    #[case::pattern(r#""kill":"re:order|stock","count":"default""#, &["order.1"], Aim::Anybody, Some(1))]
    #[case::whole_pattern(r#""kill":"re:order|stock","count":"all""#, &["order.1", "stock.1"], of(&["order", "stock"]), None)]
    #[case::label(r#""kill":"label:a=b","count":"majority""#, &["order.1"], Aim::Anybody, None)]
    fn a_fault_is_aimed_at_what_its_plan_can_know(
        #[case] fault: &str,
        #[case] targets: &[&str],
        #[case] aim: Aim,
        #[case] victims_max: Option<usize>,
    ) {
        let planned = &plan(fault, targets).planned().faults[0];
        assert_eq!((&planned.aim, planned.victims_max), (&aim, victims_max));
        assert!(targets.iter().all(|target| aim.may_hit(target)));
    }

    #[test]
    fn all_primaries_are_as_many_as_there_are() {
        let plan = plan(r#""kill":"all-db-primaries","count":"default""#, &[]);
        let planned = &plan.planned().faults[0];
        assert_eq!(planned.victims_max, None);
        assert!(planned.aim.may_hit("payment-db-2.1") && !planned.aim.may_hit("redis.1"));
    }

    fn tasks(names: &[&str]) -> Aim {
        Aim::Tasks(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn of(services: &[&str]) -> Aim {
        Aim::TasksOf(services.iter().map(|name| (*name).to_owned()).collect())
    }
}
