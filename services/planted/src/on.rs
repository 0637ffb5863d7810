//! What the test images have.

use std::{collections::BTreeSet, io, sync::OnceLock};

use protocol::failpoint::{FILE, Failpoint, Moment, STEPS};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::Bug;

/// Names the bug. A program that looks for planted code in an executable looks for this as well.
const VARIABLE: &str = "WEBSHOP_PLANTED";

const NAMES: [(&str, Bug); 23] = [
    ("publish-twice", Bug::PublishTwice),
    ("skip-stock-dedup", Bug::SkipStockDedup),
    ("skip-payment-dedup", Bug::SkipPaymentDedup),
    ("publish-before-commit", Bug::PublishBeforeCommit),
    ("acknowledge-before-commit", Bug::AcknowledgeBeforeCommit),
    ("reject-what-happens", Bug::RejectWhatHappens),
    ("compensate-twice", Bug::CompensateTwice),
    ("compensate-nothing", Bug::CompensateNothing),
    ("forget-compensation", Bug::ForgetCompensation),
    ("drop-reply", Bug::DropReply),
    ("lost-update", Bug::LostUpdate),
    ("revert-paid", Bug::RevertPaid),
    ("overspend", Bug::Overspend),
    ("stall-standby", Bug::StallStandby),
    ("two-primaries", Bug::TwoPrimaries),
    ("asynchronous", Bug::Asynchronous),
    ("forget-add-item", Bug::ForgetAddItem),
    ("double-add-item", Bug::DoubleAddItem),
    ("lose-line", Bug::LoseLine),
    ("alter-price", Bug::AlterPrice),
    ("reuse-order-id", Bug::ReuseOrderId),
    ("steal-order", Bug::StealOrder),
    ("deposed-reads", Bug::DeposedReads),
];

static PLANTED: OnceLock<Bug> = OnceLock::new();

/// Whether this bug is in this process.
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(&bug)
}

/// Plants the bug that the environment names, and arms the failpoint that it is told of. Needs a runtime.
///
/// # Errors
/// There is no such bug, or no signal handler can be set.
pub fn start() -> io::Result<()> {
    #[allow(
        clippy::disallowed_methods,
        reason = "no option of the service: release builds must not even know its name"
    )]
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    if !wanted.is_empty() {
        let bug = named(&wanted)?;
        tracing::warn!(?bug, "a bug is planted in this process");
        PLANTED.get_or_init(|| bug);
    }
    let mut told = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while told.recv().await.is_some() {
            if let Err(error) = arm() {
                tracing::error!(error, "cannot arm a failpoint");
            }
        }
    });
    Ok(())
}

fn named(name: &str) -> io::Result<Bug> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, bug)| *bug)
        .ok_or_else(|| io::Error::other(format!("{VARIABLE}: there is no bug `{name}`")))
}

fn arm() -> Result<(), String> {
    let text = std::fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    for point in Failpoint::all() {
        fail::remove(point.to_string());
    }
    if text.trim().is_empty() {
        tracing::warn!("disarmed");
        return Ok(());
    }
    let point: Failpoint = text.trim().parse()?;
    fail::cfg(point.to_string(), "return")?;
    tracing::warn!(%point, "armed");
    Ok(())
}

/// The steps that a transaction takes, for the failpoints around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps(BTreeSet<&'static str>);

impl Steps {
    /// No step of a saga.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// The steps that these messages ask for.
    #[must_use]
    pub fn of<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(messages.into_iter().filter_map(asked_for).collect())
    }

    /// A step that no message asks for.
    #[must_use]
    pub fn named(step: &'static str) -> Self {
        Self(BTreeSet::from([step]))
    }

    /// Crashes the process where it is to crash here.
    pub fn reach(&self, moment: Moment) {
        for step in &self.0 {
            crash_at(&format!("{step}.{}", moment.name()));
        }
    }
}

fn crash_at(point: &str) {
    fail::fail_point!(point, |_| {
        tracing::error!(point, "crashing as told");
        std::process::abort()
    });
}

/// What a command or a reply is called.
fn asked_for(message: &[u8]) -> Option<&'static str> {
    let message: Value = serde_json::from_slice(message).ok()?;
    let name = match &message["step"] {
        Value::String(step) => step,
        _ => message["event"]["type"].as_str()?,
    };
    let step = STEPS.iter().find(|step| step.name == name)?;
    Some(step.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_messages() {
        let messages: [&[u8]; 4] = [
            br#"{"saga_id":1,"order_id":2,"step":"reserve","lines":[]}"#,
            br#"{"saga_id":1,"order_id":2,"event":{"type":"charge_refused","refusal":{}}}"#,
            br#"{"saga_id":1,"order_id":2,"step":"reserve","lines":[]}"#,
            b"not json",
        ];
        let steps = Steps::of(messages);
        assert_eq!(steps.0, BTreeSet::from(["charge_refused", "reserve"]));
    }

    #[test]
    fn a_bug_goes_by_its_name() {
        assert_eq!(named("lost-update").unwrap(), Bug::LostUpdate);
        assert!(named("lost_update").is_err());
    }
}
