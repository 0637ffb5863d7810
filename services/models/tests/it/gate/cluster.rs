//! The state of three nodes and of what is between them.

use models::Few;

pub(crate) const NODES: usize = 3;
/// Room for the first epoch's beginning, two entries for each promotion, and the writes.
const LOG: usize = 8;
/// Room for as many epochs.
const EPOCHS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Entry {
    /// A server left recovery: from here on its log is a branch of its own.
    Branch(u8),
    /// The epoch's beginning.
    Begin(u8),
    Write(u8),
}

pub(crate) type Log = Few<Entry, LOG>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Run {
    /// Its PostgreSQL is down. Whether the node answers is a question of who hears it: a container that is gone
    /// is one that nobody hears.
    Down,
    Standby,
    /// Waits for the answer to [`Cluster::asks`]; its PostgreSQL is as before.
    Asking,
    /// It voted for itself with a grant in hand, and receives from nobody.
    Voted,
    /// It left recovery, and the epoch has not begun.
    Promoted,
    Primary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    pub(crate) run: Run,
    pub(crate) epoch: u8,
    /// The epoch as a kill leaves it behind.
    pub(crate) durable_epoch: u8,
    pub(crate) led: u8,
    pub(crate) dirty: bool,
    /// Its data is a standby's, as `standby.signal` says.
    pub(crate) standby_data: bool,
    pub(crate) log: Log,
    /// Whom a standby receives from, or waits to.
    pub(crate) following: Option<u8>,
    /// Writes, a bit each, whose clients wait.
    pub(crate) pending: u8,
}

/// How much history the candidate showed, or which epoch it led.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Claim {
    Promote { epoch: u8, lsn: u8 },
    Resume { led: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// On its way to the peer.
    Sent,
    /// The peer has promised and is about to stop feeding others. It does nothing else meanwhile.
    Promised,
    /// The grant is on its way back.
    Granted,
}

/// A request for a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ask {
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) epoch: u8,
    pub(crate) claim: Claim,
    pub(crate) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cluster {
    pub(crate) nodes: [Node; NODES],
    /// By candidate.
    pub(crate) asks: [Option<Ask>; NODES],
    /// A request whose sender does not wait any more.
    pub(crate) late: Option<Ask>,
    pub(crate) writes: u8,
    /// Acknowledged writes, a bit each.
    pub(crate) acknowledged: u8,
    /// Who led each epoch, by epoch.
    pub(crate) leaders: Few<Reign, EPOCHS>,
    /// Two nodes led one epoch.
    pub(crate) led_by_two: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reign {
    pub(crate) epoch: u8,
    pub(crate) node: u8,
}

impl Node {
    pub(crate) fn position(&self) -> (u8, u8) {
        let begun = self.log.iter().filter_map(|entry| match entry {
            Entry::Begin(epoch) => Some(epoch),
            Entry::Branch(_) | Entry::Write(_) => None,
        });
        let lsn = u8::try_from(self.log.len()).unwrap();
        (begun.max().unwrap_or(0), lsn)
    }

    /// The writes in its log, a bit each.
    pub(crate) fn written(&self) -> u8 {
        self.log.iter().fold(0, |bits, entry| match entry {
            Entry::Write(number) => bits | 1 << number,
            Entry::Branch(_) | Entry::Begin(_) => bits,
        })
    }

    /// Whether its PostgreSQL is up and in recovery.
    pub(crate) fn recovers(&self) -> bool {
        match self.run {
            Run::Standby => true,
            Run::Asking | Run::Voted => self.standby_data,
            Run::Down | Run::Promoted | Run::Primary => false,
        }
    }
}

impl Cluster {
    /// One primary that leads epoch 1, and two standbys that follow it.
    pub(crate) fn new() -> Self {
        let standby = Node {
            run: Run::Standby,
            epoch: 1,
            durable_epoch: 1,
            led: 0,
            dirty: false,
            standby_data: true,
            log: Few::of([Entry::Begin(1)]),
            following: Some(0),
            pending: 0,
        };
        let primary = Node {
            run: Run::Primary,
            led: 1,
            standby_data: false,
            following: None,
            ..standby
        };
        Self {
            nodes: [primary, standby, standby],
            asks: [None; NODES],
            late: None,
            writes: 0,
            acknowledged: 0,
            leaders: Few::of([Reign { epoch: 1, node: 0 }]),
            led_by_two: false,
        }
    }

    pub(crate) fn node(&self, node: u8) -> &Node {
        &self.nodes[usize::from(node)]
    }

    pub(crate) fn node_mut(&mut self, node: u8) -> &mut Node {
        &mut self.nodes[usize::from(node)]
    }

    /// Whether `to` receives from `from`: then `from` may acknowledge what reaches it.
    pub(crate) fn feeds(&self, from: u8, to: u8) -> bool {
        let (source, standby) = (self.node(from), self.node(to));
        source.run == Run::Primary
            && standby.recovers()
            && standby.following == Some(from)
            && standby.log.is_prefix_of(&source.log)
    }

    /// Whether a node is in the middle of a grant.
    pub(crate) fn is_granting(&self, node: u8) -> bool {
        self.requests()
            .any(|ask| ask.to == node && ask.stage == Stage::Promised)
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = Ask> + '_ {
        self.asks.iter().chain([&self.late]).filter_map(|ask| *ask)
    }

    /// The same with the nodes named so that it comes first of all namings.
    pub(crate) fn canonical(&self) -> Self {
        const NAMINGS: [[u8; NODES]; 5] = [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let mut first = *self;
        for naming in &NAMINGS {
            let nodes = self.renamed_nodes(naming);
            // Mostly the nodes alone tell.
            if nodes <= first.nodes {
                first = first.min(self.renamed(naming, nodes));
            }
        }
        first
    }

    /// The nodes with node `n` called `naming[n]`.
    fn renamed_nodes(&self, naming: &[u8; NODES]) -> [Node; NODES] {
        let name = |node: u8| naming[usize::from(node)];
        let mut renamed = self.nodes;
        for (new, old) in naming.iter().zip(self.nodes) {
            let following = old.following.map(name);
            renamed[usize::from(*new)] = Node { following, ..old };
        }
        renamed
    }

    fn renamed(&self, naming: &[u8; NODES], nodes: [Node; NODES]) -> Self {
        let name = |node: u8| naming[usize::from(node)];
        let rename = |ask: Ask| Ask {
            from: name(ask.from),
            to: name(ask.to),
            ..ask
        };
        let reign = |reign: Reign| Reign {
            node: name(reign.node),
            ..reign
        };
        let mut asks = [None; NODES];
        for (new, ask) in naming.iter().zip(self.asks) {
            asks[usize::from(*new)] = ask.map(rename);
        }
        Self {
            nodes,
            asks,
            late: self.late.map(rename),
            leaders: Few::of(self.leaders.iter().map(reign)),
            ..*self
        }
    }
}
