//! What a run would hit, without a run.

use futures_util::future::LocalBoxFuture;

use super::{
    Shape,
    plan::{FaultPlan, StepPlan},
};
use crate::{
    agent::Agent, cluster::Cluster, error::Result, fault, stack::overview::Overview, target::Victim,
};

/// A fault of a plan, and what it would hit if it were injected now.
#[derive(Debug)]
pub struct Preview {
    pub fault: FaultPlan,
    pub victims: Vec<Victim>,
}

/// What each fault of a run would hit, in the order of its steps. Nothing is started, tried or changed: whether the
/// kernel can do a fault ([`fault::is_probed`]) is not known after this.
///
/// # Errors
/// [`crate::Error::NoStack`], or a target that cannot be resolved.
pub fn preview<'a>(
    cluster: &'a Cluster,
    shape: &'a Shape,
) -> LocalBoxFuture<'a, Result<Vec<Preview>>> {
    Box::pin(async move {
        Overview::of_deployed(cluster).await?;
        let agent = Agent::new(cluster);
        let mut previews = Vec::new();
        for fault in shape.steps.iter().filter_map(StepPlan::fault) {
            let hits = fault::resolve(cluster, &agent, fault).await?;
            previews.push(Preview {
                fault: fault.clone(),
                victims: hits.victims,
            });
        }
        Ok(previews)
    })
}

#[cfg(test)]
mod tests {
    use crate::fault::{
        action::{Action, Count, End, Hold},
        is_probed,
        limit::CpuLimit,
    };

    #[test]
    fn only_what_is_done_in_a_network_is_tried_on_the_kernel_first() {
        let kill = Action::End {
            end: End::Kill("redis".to_owned()),
            count: Count::All,
        };
        assert!(!is_probed(&kill));
        let held = |hold| Action::Hold {
            hold,
            target: "redis".to_owned(),
            count: Count::All,
            for_ms: 1,
        };
        for (hold, probed) in [
            (Hold::Pause, false),
            (
                Hold::Throttle {
                    to: CpuLimit::MilliCpus(50),
                },
                false,
            ),
            (Hold::FillDisk, false),
            (Hold::Isolate, true),
            (Hold::Loss { per_mille: 10 }, true),
            (Hold::Delay { ms: 10 }, true),
        ] {
            let name = format!("{hold:?}");
            assert_eq!(is_probed(&held(hold)), probed, "{name}");
        }
    }
}
