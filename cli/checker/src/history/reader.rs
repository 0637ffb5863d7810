use std::collections::{HashMap, HashSet};

use thiserror::Error;

use super::{
    Attempt, Complete, FORMAT, Header, History, Invoke, Miscount, Op, Record, SPAN_MAX_US,
    STARTED_AT_MS_MAX, VERSION,
};
use crate::outcome::{Class, may_be_said};

/// Why a text is not a history.
#[derive(Debug, Error)]
pub enum HistoryError {
    #[error("the history is empty")]
    Empty,
    #[error("line 1: this is not a webshop history")]
    Foreign,
    #[error("line 1: the history has version {found}, and this program reads version {VERSION}")]
    Version { found: u32 },
    #[error("line {line}: malformed record")]
    Malformed {
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("line {line}: attempt {attempt} of operation {id} {problem}")]
    Contradiction {
        line: usize,
        id: u64,
        attempt: u32,
        problem: &'static str,
    },
    #[error("line {line}: a time of {at_us} us, and a history lasts at most {SPAN_MAX_US} us")]
    Span { line: usize, at_us: u64 },
    #[error(
        "line 1: the history began at {started_at_ms} ms, which is in no year that has four digits"
    )]
    Began { started_at_ms: u64 },
    #[error("line {line}: a record after the end")]
    AfterEnd { line: usize },
    #[error("line {line}: a history has at most {most} attempts")]
    TooMany { line: usize, most: usize },
}

/// How many attempts a history may have: each takes some hundred bytes of memory.
#[derive(Debug)]
struct AttemptsMax(usize);

impl Default for AttemptsMax {
    fn default() -> Self {
        Self(16_000_000)
    }
}

/// Reads a history line by line, so that a large file need not be in memory.
#[derive(Debug, Default)]
pub struct Reader {
    line: usize,
    header: Option<Header>,
    attempts: Vec<Attempt>,
    most: AttemptsMax,
    /// Where in `attempts` those stand that have not completed: few at a time.
    open: HashMap<(u64, u32), usize>,
    sent: Sent,
    ended_at_us: Option<u64>,
    /// Of whole records, but for the end.
    records: u64,
    miscount: Option<Miscount>,
    /// The line of each attempt that is not the first at its operation, and its place in `attempts`: few.
    again: Vec<(usize, usize)>,
    /// A line that stops in the middle: forgiven if no line follows.
    bad: Option<(usize, serde_json::Error)>,
}

/// No attempt takes fewer bytes in a history, its completion with it.
const ATTEMPT_BYTES_MIN: u64 = 112;

impl Reader {
    /// Has room for the attempts of a history of so many bytes: a list that grew would be there twice while it is
    /// moved.
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Self {
        let attempts = usize::try_from(bytes / ATTEMPT_BYTES_MIN).unwrap_or(0);
        let most = AttemptsMax::default();
        Self {
            attempts: Vec::with_capacity(attempts.min(most.0)),
            most,
            ..Self::default()
        }
    }

    /// Takes the next line, with or without its newline. Empty lines are skipped.
    ///
    /// # Errors
    /// Says what is wrong with this line, or with the one before if that could not be read.
    pub fn push(&mut self, line: &[u8]) -> Result<(), HistoryError> {
        self.line += 1;
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        if let Some((line, source)) = self.bad.take() {
            return Err(HistoryError::Malformed { line, source });
        }
        if self.header.is_none() {
            match read_header(line) {
                Ok(header) => self.header = Some(header),
                Err(HistoryError::Malformed { line, source }) if source.is_eof() => {
                    self.bad = Some((line, source));
                }
                Err(error) => return Err(error),
            }
            return Ok(());
        }
        if self.ended_at_us.is_some() {
            return Err(HistoryError::AfterEnd { line: self.line });
        }
        match serde_json::from_slice(line) {
            Ok(Record::Invoke(invoke)) => self.invoke(invoke),
            Ok(Record::Complete(complete)) => self.complete(complete),
            Ok(Record::End { at_us, records }) => self.end(at_us, records),
            // Only a line that just stops can be what a killed writer left.
            Err(error) if error.is_eof() => {
                self.bad = Some((self.line, error));
                Ok(())
            }
            Err(source) => Err(HistoryError::Malformed {
                line: self.line,
                source,
            }),
        }
    }

    fn end(&mut self, at_us: u64, told: u64) -> Result<(), HistoryError> {
        self.within_span(at_us)?;
        self.ended_at_us = Some(at_us);
        let read = self.records;
        self.miscount = (told != read).then_some(Miscount { told, read });
        Ok(())
    }

    fn within_span(&self, at_us: u64) -> Result<(), HistoryError> {
        if at_us <= SPAN_MAX_US {
            return Ok(());
        }
        Err(HistoryError::Span {
            line: self.line,
            at_us,
        })
    }

    fn invoke(&mut self, invoke: Invoke) -> Result<(), HistoryError> {
        self.within_span(invoke.due_us.max(invoke.sent_us))?;
        self.records += 1;
        if self.attempts.len() >= self.most.0 {
            return Err(HistoryError::TooMany {
                line: self.line,
                most: self.most.0,
            });
        }
        let key = (invoke.id, invoke.attempt);
        if !self.sent.insert(key) {
            return Err(self.contradiction(key, "was sent twice"));
        }
        if !invoke.op.has_sound_amount() {
            return Err(self.contradiction(key, "asks for a negative amount"));
        }
        if invoke.due_us > invoke.sent_us {
            return Err(self.contradiction(key, "was sent before it was due"));
        }
        if invoke.attempt != 1 {
            self.again.push((self.line, self.attempts.len()));
        }
        self.open.insert(key, self.attempts.len());
        self.attempts.push(Attempt {
            invoke,
            complete: None,
        });
        Ok(())
    }

    fn complete(&mut self, complete: Complete) -> Result<(), HistoryError> {
        self.within_span(complete.at_us)?;
        self.records += 1;
        let key = (complete.id, complete.attempt);
        let Some(at) = self.open.remove(&key) else {
            let problem = if self.sent.contains(key) {
                "completed twice"
            } else {
                "was never sent"
            };
            return Err(self.contradiction(key, problem));
        };
        if complete.at_us < self.attempts[at].invoke.sent_us {
            return Err(self.contradiction(key, "completed before it was sent"));
        }
        let seen = (complete.status, complete.broken);
        let op = self.attempts[at].invoke.op;
        if !may_be_said(complete.class, seen, op.kind()) {
            return Err(self.contradiction(key, "has an outcome that its answer does not have"));
        }
        if let Some(problem) = untold(&complete, op) {
            return Err(self.contradiction(key, problem));
        }
        self.attempts[at].complete = Some(complete);
        Ok(())
    }

    fn contradiction(&self, (id, attempt): (u64, u32), problem: &'static str) -> HistoryError {
        HistoryError::Contradiction {
            line: self.line,
            id,
            attempt,
            problem,
        }
    }

    /// Attempts at one operation ask for the same, and are numbered from 1 without gaps.
    fn check_again(&self) -> Result<(), HistoryError> {
        let places = self.again.iter();
        let mut latest: HashMap<u64, Option<(u32, Op)>> = places
            .map(|(_, place)| (self.attempts[*place].invoke.id, None))
            .collect();
        if latest.is_empty() {
            return Ok(());
        }
        let mut lines = self.again.iter();
        for Attempt { invoke, .. } in &self.attempts {
            let Some(latest) = latest.get_mut(&invoke.id) else {
                continue;
            };
            let line = if invoke.attempt == 1 {
                0
            } else {
                lines.next().map_or(0, |(line, _)| *line)
            };
            let problem = match *latest {
                None if invoke.attempt != 1 => "has none before it",
                Some((number, _)) if number.checked_add(1) != Some(invoke.attempt) => {
                    "does not follow the one before it"
                }
                Some((_, op)) if op != invoke.op => "asks for something else than the one before",
                _ => {
                    *latest = Some((invoke.attempt, invoke.op));
                    continue;
                }
            };
            return Err(HistoryError::Contradiction {
                line,
                id: invoke.id,
                attempt: invoke.attempt,
                problem,
            });
        }
        Ok(())
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// There was no header, or the attempts at one operation do not fit to one another.
    pub fn finish(self) -> Result<History, HistoryError> {
        if self.header.is_some() {
            self.check_again()?;
        }
        Ok(History {
            header: self.header.ok_or(HistoryError::Empty)?,
            attempts: self.attempts,
            ended_at_us: self.ended_at_us,
            truncated_line: self.bad.map(|(line, _)| line),
            miscount: self.miscount,
        })
    }
}

/// What no writer says of an answer: a value or a refusal that does not fit to its outcome.
fn untold(complete: &Complete, op: Op) -> Option<&'static str> {
    let is_ok = complete.class == Class::Ok;
    if complete.lacks_its_id(op) {
        Some("is ok and does not say what it made")
    } else if !is_ok && complete.value.is_some() {
        Some("is not ok and carries a value")
    } else if is_ok && complete.refusal.is_some() {
        Some("is ok and carries a refusal")
    } else {
        None
    }
}

/// The attempts that were sent. Nearly all are first attempts at operations that are numbered from 0: a bit
/// is enough for each of those.
#[derive(Debug, Default)]
struct Sent {
    first: Vec<u64>,
    others: HashSet<(u64, u32)>,
}

impl Sent {
    /// Eight mebibytes of bits.
    const DENSE_MAX: u64 = 1 << 26;

    /// Whether it is new.
    fn insert(&mut self, key: (u64, u32)) -> bool {
        let Some((word, bit)) = Self::place(key) else {
            return self.others.insert(key);
        };
        if self.first.len() <= word {
            self.first.resize(word + 1, 0);
        }
        let is_new = self.first[word] & bit == 0;
        self.first[word] |= bit;
        is_new
    }

    fn contains(&self, key: (u64, u32)) -> bool {
        match Self::place(key) {
            None => self.others.contains(&key),
            Some((word, bit)) => self.first.get(word).is_some_and(|word| word & bit != 0),
        }
    }

    fn place((id, attempt): (u64, u32)) -> Option<(usize, u64)> {
        let is_dense = attempt == 1 && id < Self::DENSE_MAX;
        let word = usize::try_from(id / 64).ok().filter(|_| is_dense)?;
        Some((word, 1 << (id % 64)))
    }
}

/// The first line decides whether the file is ours before its other fields may differ by version.
fn read_header(line: &[u8]) -> Result<Header, HistoryError> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        format: String,
        version: u32,
    }
    let envelope = match serde_json::from_slice::<Envelope>(line) {
        Ok(envelope) => envelope,
        // A killed writer may leave the first line cut as well.
        Err(source) if source.is_eof() => return Err(HistoryError::Malformed { line: 1, source }),
        Err(_) => return Err(HistoryError::Foreign),
    };
    if envelope.format != FORMAT {
        return Err(HistoryError::Foreign);
    }
    if envelope.version != VERSION {
        return Err(HistoryError::Version {
            found: envelope.version,
        });
    }
    let malformed = |source| HistoryError::Malformed { line: 1, source };
    let header: Header = serde_json::from_slice(line).map_err(malformed)?;
    if header.started_at_ms > STARTED_AT_MS_MAX {
        return Err(HistoryError::Began {
            started_at_ms: header.started_at_ms,
        });
    }
    Ok(header)
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests;
