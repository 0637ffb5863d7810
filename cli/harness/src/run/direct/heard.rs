//! What the writers beside the database nodes have said, line by line.

use std::collections::{BTreeMap, BTreeSet};

use checker::evidence::{DirectWrite, DirectWrites, GapCause, WriterGap};
use protocol::agent::WriterLine;
use tokio::time::Instant;

use super::coverage::Gap;
use crate::recorder::Clock;

/// Everything that was heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    writes: Vec<DirectWrite>,
    begun: BTreeSet<String>,
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Default)]
struct Node {
    last_at: Option<Instant>,
    /// From when to when lines came that could not be read, and how many.
    unread: Option<(Instant, Instant, u64)>,
}

/// Whose lines they are.
#[derive(Debug, Clone)]
pub(super) struct Speaker {
    pub(super) database: String,
    pub(super) node: String,
    /// Of its host, once it has said so.
    pub(super) boot: Option<String>,
}

impl Heard {
    /// When a node's writer said its last.
    pub(super) fn last_at(&self, node: &str) -> Option<Instant> {
        self.nodes.get(node)?.last_at
    }

    /// Takes a line that came now.
    pub(super) fn take(&mut self, speaker: &mut Speaker, line: &[u8]) {
        let now = Instant::now();
        let node = self.nodes.entry(speaker.node.clone()).or_default();
        match (serde_json::from_slice::<WriterLine>(line), &speaker.boot) {
            (Ok(WriterLine::Begun { boot }), _) => {
                self.begun.insert(speaker.node.clone());
                speaker.boot = Some(boot);
            }
            (Ok(WriterLine::Alive), Some(_)) => {}
            (Ok(WriterLine::Wrote(write)), Some(boot)) => self.writes.push(DirectWrite {
                database: speaker.database.clone(),
                node: speaker.node.clone(),
                timeline: write.timeline,
                sent_us: write.sent_us,
                boot: boot.clone(),
                sent_at_us: write.sent_at_us,
                acked_at_us: write.acked_at_us,
            }),
            // Not a writer's line, or one of a writer whose first line was lost.
            (Ok(WriterLine::Alive | WriterLine::Wrote(_)), None) | (Err(_), _) => {
                let (_, last, count) = node.unread.get_or_insert((now, now, 0));
                (*last, *count) = (now, *count + 1);
                return;
            }
        }
        node.last_at = Some(now);
    }

    /// All of it as evidence, with the gaps that the looks found.
    pub(super) fn evidence(&mut self, found: Vec<(String, Gap)>, clock: &Clock) -> DirectWrites {
        let unread = std::mem::take(&mut self.nodes).into_iter();
        let unread = unread.filter_map(|(name, node)| {
            let (from, until, lines) = node.unread?;
            Some((name, (from, until, GapCause::Unread(lines))))
        });
        let gaps = found.into_iter().chain(unread);
        DirectWrites {
            gaps: gaps
                .map(|(node, (from, until, cause))| WriterGap {
                    node,
                    from_us: clock.at_us(from),
                    until_us: clock.at_us(until),
                    cause,
                })
                .collect(),
            begun: std::mem::take(&mut self.begun).into_iter().collect(),
            writes: std::mem::take(&mut self.writes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> DirectWrites {
        let mut heard = Heard::default();
        let mut speaker = Speaker {
            database: "stock".to_owned(),
            node: "stock-db-1".to_owned(),
            boot: None,
        };
        for line in lines {
            heard.take(&mut speaker, line.as_bytes());
        }
        heard.evidence(Vec::new(), &Clock::start())
    }

    const BEGUN: &str = r#"{"begun":{"boot":"b"}}"#;
    const WROTE: &str = r#"{"wrote":{"timeline":2,"sent_us":9,"sent_at_us":70,"acked_at_us":80}}"#;

    #[test]
    fn what_a_writer_acknowledges_carries_the_boot_of_its_host() {
        let heard = heard(&[BEGUN, "\"alive\"", WROTE]);
        assert_eq!(heard.begun, ["stock-db-1"]);
        assert_eq!(heard.gaps, []);
        let write = &heard.writes[0];
        assert_eq!((write.boot.as_str(), write.sent_at_us), ("b", 70));
    }

    #[test]
    fn lines_that_cannot_be_read_are_a_gap() {
        for lines in [
            [BEGUN, "{\"wrote\":{\"timel", WROTE, "panicked at"],
            ["\"alive\"", WROTE, BEGUN, WROTE],
        ] {
            let heard = heard(&lines);
            assert_eq!(heard.gaps.len(), 1);
            assert_eq!(heard.gaps[0].cause, GapCause::Unread(2));
            assert_eq!(heard.writes.len(), 1);
        }
    }
}
