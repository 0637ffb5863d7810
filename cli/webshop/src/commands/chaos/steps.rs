//! From the options of `chaos` to the steps of a scenario.

use harness::scenario::quantity::Span;
use harness::scenario::step::{
    Bandwidth, CountOf, Delay, Held, Hit, Loss, Partition, Step, Throttle,
};

use crate::cli::{Amount, ChaosArgs, FaultArgs};

/// A step for each fault.
pub(super) fn of(args: &ChaosArgs) -> Vec<Step> {
    let count = args.count.map(CountOf);
    let length = Span(args.length);
    let mut steps = endings(&args.faults, count);
    steps.extend(holds(&args.faults, count, length));
    steps.extend(measured(&args.faults, count, length));
    steps
}

fn endings(faults: &FaultArgs, count: Option<CountOf>) -> Vec<Step> {
    let hit = |target: &String| {
        Some(Hit {
            target: target.clone().into(),
            count,
        })
    };
    let kills = faults.kill.iter().map(|target| Step {
        kill: hit(target),
        ..Step::default()
    });
    let stops = faults.stop.iter().map(|target| Step {
        stop: hit(target),
        ..Step::default()
    });
    let restarts = faults.restart.iter().map(|target| Step {
        restart: hit(target),
        ..Step::default()
    });
    let wipes = faults.wipe.iter().map(|target| Step {
        wipe: hit(target),
        ..Step::default()
    });
    kills.chain(stops).chain(restarts).chain(wipes).collect()
}

fn holds(faults: &FaultArgs, count: Option<CountOf>, length: Span) -> Vec<Step> {
    let held = |target: &String| {
        Some(Held {
            target: target.clone().into(),
            count,
            length: length.into(),
        })
    };
    let pauses = faults.pause.iter().map(|target| Step {
        pause: held(target),
        ..Step::default()
    });
    let isolations = faults.isolate.iter().map(|target| Step {
        isolate: held(target),
        ..Step::default()
    });
    let resets = faults.reset.iter().map(|target| Step {
        reset: held(target),
        ..Step::default()
    });
    let full = faults.fill_disk.iter().map(|target| Step {
        fill_disk: held(target),
        ..Step::default()
    });
    let partitions = faults.partition.iter().map(|sides| Step {
        partition: Some(Partition {
            between: sides.clone().into(),
            length: length.into(),
        }),
        ..Step::default()
    });
    pauses
        .chain(isolations)
        .chain(resets)
        .chain(full)
        .chain(partitions)
        .collect()
}

fn measured(faults: &FaultArgs, count: Option<CountOf>, length: Span) -> Vec<Step> {
    let losses = faults.loss.iter().map(|Amount { target, amount }| Step {
        loss: Some(Loss {
            target: target.clone().into(),
            count,
            share: (*amount).into(),
            length: length.into(),
        }),
        ..Step::default()
    });
    let bandwidths = faults
        .bandwidth
        .iter()
        .map(|Amount { target, amount }| Step {
            bandwidth: Some(Bandwidth {
                target: target.clone().into(),
                count,
                to: *amount,
                length: length.into(),
            }),
            ..Step::default()
        });
    let delays = faults.delay.iter().map(|Amount { target, amount }| Step {
        delay: Some(Delay {
            target: target.clone().into(),
            count,
            by: (*amount).into(),
            length: length.into(),
        }),
        ..Step::default()
    });
    let throttles = faults
        .throttle
        .iter()
        .map(|Amount { target, amount }| Step {
            throttle: Some(Throttle {
                target: target.clone().into(),
                count,
                to: *amount,
                length: length.into(),
            }),
            ..Step::default()
        });
    losses
        .chain(bandwidths)
        .chain(delays)
        .chain(throttles)
        .collect()
}

/// The faults as they were typed.
pub(super) fn typed(faults: &FaultArgs) -> String {
    let mut options = Vec::new();
    options.extend(faults.random.then(|| "--random".to_owned()));
    for (verb, targets) in [
        ("kill", &faults.kill),
        ("stop", &faults.stop),
        ("restart", &faults.restart),
        ("wipe", &faults.wipe),
        ("pause", &faults.pause),
        ("isolate", &faults.isolate),
        ("reset", &faults.reset),
        ("fill-disk", &faults.fill_disk),
    ] {
        options.extend(targets.iter().map(|target| format!("--{verb} {target}")));
    }
    options.extend(
        faults
            .partition
            .iter()
            .map(|sides| format!("--partition '{sides}'")),
    );
    options.extend(faults.loss.iter().map(|it| amount("loss", it)));
    options.extend(faults.bandwidth.iter().map(|it| amount("bandwidth", it)));
    options.extend(faults.delay.iter().map(|it| amount("delay", it)));
    options.extend(faults.throttle.iter().map(|it| amount("throttle", it)));
    options.join(" ")
}

fn amount<T: std::fmt::Display>(verb: &str, Amount { target, amount }: &Amount<T>) -> String {
    let value = format!("{target}={amount}");
    // As a shell wants it: `25% of now` is one word.
    if value.contains(' ') {
        format!("--{verb} '{value}'")
    } else {
        format!("--{verb} {value}")
    }
}
