//! Two nodes that cannot come from one history of writes.

use crate::snapshot::NodeView;

/// Why it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fork {
    /// They are two different databases.
    Identity,
    /// The standby is already on a later timeline.
    Timeline,
}

impl Fork {
    /// A node that does not serve says nothing by its account: it may be about to become something else.
    pub(super) fn between(primary: &NodeView, standby: &NodeView) -> Option<Self> {
        if !primary.serves() || !standby.serves() {
            return None;
        }
        let (ours, theirs) = (primary.state.as_ref()?, standby.state.as_ref()?);
        if ours.system_id != theirs.system_id {
            return Some(Self::Identity);
        }
        (theirs.timeline > ours.timeline).then_some(Self::Timeline)
    }

    pub(super) fn describe(self, primary: &NodeView, standby: &NodeView) -> String {
        let of = |node: &NodeView| {
            let state = node.state.as_ref();
            state.map_or((String::new(), 0), |state| {
                (state.system_id.clone(), state.timeline)
            })
        };
        let ((our_id, our_timeline), (their_id, their_timeline)) = (of(primary), of(standby));
        match self {
            Self::Identity => format!(
                "{} and {} are two different databases (system identifiers {our_id} and {their_id})",
                primary.name, standby.name
            ),
            Self::Timeline => format!(
                "{} is primary on timeline {our_timeline}, and {} is already on timeline {their_timeline}",
                primary.name, standby.name
            ),
        }
    }
}
