use std::collections::{HashMap, HashSet};

use thiserror::Error;

use super::{Attempt, Complete, FORMAT, Header, History, Invoke, Record, VERSION};

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
    #[error("line {line}: a record after the end")]
    AfterEnd { line: usize },
}

/// Reads a history line by line, so that a large file need not be in memory.
#[derive(Debug, Default)]
pub struct Reader {
    line: usize,
    header: Option<Header>,
    attempts: Vec<Attempt>,
    /// Where in `attempts` those stand that have not completed: few at a time.
    open: HashMap<(u64, u32), usize>,
    sent: Sent,
    ended_at_us: Option<u64>,
    /// A line that stops in the middle: forgiven if no line follows.
    bad: Option<(usize, serde_json::Error)>,
}

impl Reader {
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
            Ok(Record::End { at_us }) => {
                self.ended_at_us = Some(at_us);
                Ok(())
            }
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

    fn invoke(&mut self, invoke: Invoke) -> Result<(), HistoryError> {
        let key = (invoke.id, invoke.attempt);
        if !self.sent.insert(key) {
            return Err(self.contradiction(key, "was sent twice"));
        }
        self.open.insert(key, self.attempts.len());
        self.attempts.push(Attempt {
            invoke,
            complete: None,
        });
        Ok(())
    }

    fn complete(&mut self, complete: Complete) -> Result<(), HistoryError> {
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

    /// Ends the reading.
    ///
    /// # Errors
    /// There was no header.
    pub fn finish(self) -> Result<History, HistoryError> {
        Ok(History {
            header: self.header.ok_or(HistoryError::Empty)?,
            attempts: self.attempts,
            ended_at_us: self.ended_at_us,
            truncated_line: self.bad.map(|(line, _)| line),
        })
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
    serde_json::from_slice(line).map_err(|source| HistoryError::Malformed { line: 1, source })
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use protocol::OrderId;

    use super::*;
    use crate::{
        history::{Op, line},
        outcome::Class,
    };

    fn invoke(id: u64) -> Record {
        Record::Invoke(Invoke {
            id,
            attempt: 1,
            process: 0,
            due_us: 10,
            sent_us: 12,
            op: Op::Checkout { order: OrderId(7) },
        })
    }

    fn complete(id: u64) -> Record {
        Record::Complete(Complete {
            id,
            attempt: 1,
            at_us: 99,
            class: Class::Ok,
            status: Some(200),
            broken: None,
            refusal: None,
            value: None,
        })
    }

    fn text(records: &[Record]) -> String {
        let mut text = line(&Header::new("quiet", 1_700_000_000_000, Some(42))).unwrap();
        for record in records {
            text += &line(record).unwrap();
        }
        text
    }

    fn error(text: &str) -> String {
        History::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_history_reads_back_as_written() {
        let text = text(&[
            invoke(1),
            invoke(2),
            complete(1),
            Record::End { at_us: 100 },
        ]);
        insta::assert_snapshot!(text, @r#"
        {"format":"webshop-history","version":1,"run":"quiet","started_at_ms":1700000000000,"seed":42}
        {"i":{"id":1,"n":1,"p":0,"d":10,"t":12,"op":{"checkout":{"order":7}}}}
        {"i":{"id":2,"n":1,"p":0,"d":10,"t":12,"op":{"checkout":{"order":7}}}}
        {"c":{"id":1,"n":1,"t":99,"o":"ok","s":200}}
        {"end":{"t":100}}
        "#);
        let history = History::parse(text.as_bytes()).unwrap();
        assert!(history.is_complete());
        assert_eq!(history.attempts[0].class(), Class::Ok);
        assert_eq!(history.attempts[1].class(), Class::Info);
    }

    #[test]
    fn a_line_cut_off_at_any_byte_is_reported_and_tolerated() {
        let whole = text(&[invoke(1), complete(1)]);
        let tail_begins = text(&[invoke(1)]).len();
        for cut in tail_begins + 1..whole.len() - 1 {
            let history = History::parse(&whole.as_bytes()[..cut]).unwrap();
            assert_eq!(history.truncated_line, Some(3), "cut at {cut}");
            assert_eq!(history.attempts[0].class(), Class::Info);
            assert!(!history.is_complete());
        }
        let history = History::parse(&whole.as_bytes()[..whole.len() - 1]).unwrap();
        assert_eq!(history.truncated_line, None);
    }

    #[test]
    fn a_malformed_line_in_the_middle_is_an_error_with_its_number() {
        let mut text = text(&[invoke(1)]);
        text += "{\"i\":{\"id\":2\n";
        text += &line(&complete(1)).unwrap();
        assert_eq!(error(&text), "line 3: malformed record");
    }

    #[test]
    fn a_first_line_that_was_cut_off_leaves_nothing() {
        let whole = text(&[]);
        for cut in 1..whole.len() - 1 {
            let error = History::parse(&whole.as_bytes()[..cut]).unwrap_err();
            assert!(
                matches!(error, HistoryError::Empty),
                "cut at {cut}: {error}"
            );
        }
    }

    #[test]
    fn retries_and_far_numbers_are_told_apart() {
        let far = |id, attempt| {
            let Record::Invoke(mut record) = invoke(id) else {
                unreachable!()
            };
            record.attempt = attempt;
            Record::Invoke(record)
        };
        let last = u64::MAX;
        let records = [far(3, 1), far(3, 2), far(last, 1), far(last, 2)];
        let read = History::parse(text(&records).as_bytes()).unwrap();
        assert_eq!(read.attempts.len(), 4);
        let mut again = records.to_vec();
        again.push(far(last, 1));
        assert!(error(&text(&again)).ends_with("was sent twice"));
    }

    #[test]
    fn contradicting_records_are_errors() {
        for (records, message) in [
            (
                vec![complete(5)],
                "line 2: attempt 1 of operation 5 was never sent",
            ),
            (
                vec![invoke(1), invoke(1)],
                "line 3: attempt 1 of operation 1 was sent twice",
            ),
            (
                vec![invoke(1), complete(1), complete(1)],
                "line 4: attempt 1 of operation 1 completed twice",
            ),
            (
                vec![Record::End { at_us: 1 }, invoke(1)],
                "line 3: a record after the end",
            ),
        ] {
            assert_eq!(error(&text(&records)), message);
        }
    }

    #[test]
    fn a_foreign_or_newer_or_empty_file_is_refused() {
        assert_eq!(error(""), "the history is empty");
        assert_eq!(error("hello\n"), "line 1: this is not a webshop history");
        assert_eq!(
            error("{\"format\":\"other\",\"version\":1}\n"),
            "line 1: this is not a webshop history"
        );
        assert_eq!(
            error("{\"format\":\"webshop-history\",\"version\":9,\"more\":[]}\n"),
            "line 1: the history has version 9, and this program reads version 1"
        );
    }
}
