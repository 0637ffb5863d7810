//! The faults that `chaos --random` draws from.

use std::time::Duration;

use harness::fault::action::{Sides, Way};
use harness::fault::limit::{BitLimit, CpuLimit};
use harness::scenario::quantity::{BitRate, Cpus, Share, Span, Spans};
use harness::scenario::step::{Bandwidth, Held, Hit, Loss, Partition, Random, Step, Throttle};

/// How long a fault is held: longer than every detection of the stack, so that something has to take over.
const HELD: Span = Span::seconds(8);
/// The load goes on after the last one.
const AFTERWARDS: Duration = Duration::from_secs(20);
const DATABASES: [&str; 3] = ["order", "payment", "stock"];
const BROKERS: [&str; 3] = ["kafka-0", "kafka-1", "kafka-2"];

/// Draws faults for `length`, at most `every` apart.
pub(super) fn timeline(length: Duration, every: Duration) -> Vec<Step> {
    let random = Random {
        length: Span(length),
        every: Spans {
            from: Span(every / 3),
            to: Span(every),
        },
        at_most: 2.into(),
        apart: true,
        faults: faults().into_iter().map(Into::into).collect(),
    };
    let block = Step {
        random: Some(random),
        ..Step::default()
    };
    vec![block, Step::stretch(AFTERWARDS)]
}

fn faults() -> Vec<Step> {
    let mut faults = Vec::new();
    for service in DATABASES {
        let primary = format!("{service}-db-primary");
        let standby = format!("{service}-db-standby");
        for target in [service, &primary, &standby] {
            faults.push(kill(target));
            faults.push(pause(target));
            faults.push(isolate(target));
        }
        faults.push(wipe(&standby));
        faults.push(partition(&primary, &standby));
        faults.push(partition(&primary, service));
        faults.push(loss(&primary));
        faults.push(bandwidth(&primary));
        // A service's second replica idles, so that little is enough for it; a primary always feels it.
        faults.push(throttle(&primary));
        faults.push(kill(&format!("{service}-pool")));
    }
    for broker in BROKERS {
        faults.push(kill(broker));
        faults.push(pause(broker));
        faults.push(isolate(broker));
        faults.push(loss(broker));
    }
    faults.extend([
        // Only the leader is sure to send enough to be held back.
        bandwidth("kafka-leader:stock.commands"),
        kill("redis"),
        pause("redis"),
        isolate("redis"),
        kill("gateway"),
        kill("agent"),
        stop("order"),
        stop("stock-db-primary"),
    ]);
    faults
}

fn hit(target: &str) -> Option<Hit> {
    Some(Hit {
        target: target.to_owned().into(),
        count: None,
    })
}

fn held(target: &str) -> Option<Held> {
    Some(Held {
        target: target.to_owned().into(),
        count: None,
        length: HELD.into(),
    })
}

fn kill(target: &str) -> Step {
    Step {
        kill: hit(target),
        ..Step::default()
    }
}

fn stop(target: &str) -> Step {
    Step {
        stop: hit(target),
        ..Step::default()
    }
}

fn wipe(target: &str) -> Step {
    Step {
        wipe: hit(target),
        ..Step::default()
    }
}

fn pause(target: &str) -> Step {
    Step {
        pause: held(target),
        ..Step::default()
    }
}

fn isolate(target: &str) -> Step {
    Step {
        isolate: held(target),
        ..Step::default()
    }
}

fn partition(from: &str, with: &str) -> Step {
    let between = Sides {
        from: from.to_owned(),
        with: with.to_owned(),
        way: Way::Both,
    };
    Step {
        partition: Some(Partition {
            between: between.into(),
            length: HELD.into(),
        }),
        ..Step::default()
    }
}

fn loss(target: &str) -> Step {
    Step {
        loss: Some(Loss {
            target: target.to_owned().into(),
            count: None,
            share: Share(30.0).into(),
            length: HELD.into(),
        }),
        ..Step::default()
    }
}

fn bandwidth(target: &str) -> Step {
    Step {
        bandwidth: Some(Bandwidth {
            target: target.to_owned().into(),
            count: None,
            to: BitRate(BitLimit::PercentOfNow(25)),
            length: HELD.into(),
        }),
        ..Step::default()
    }
}

fn throttle(target: &str) -> Step {
    Step {
        throttle: Some(Throttle {
            target: target.to_owned().into(),
            count: None,
            to: Cpus(CpuLimit::PercentOfNow(25)),
            length: HELD.into(),
        }),
        ..Step::default()
    }
}
