//! What was recorded while a run went on, line by line: as far as it goes, for a run may be killed at any moment.

use std::path::Path;

use checker::{
    History,
    history::{Header, HistoryError, Reader},
};

use super::{DOCUMENT_MAX, RunDir, bounded, told, unfit};
use crate::{error::Result, recorder::Happening};

/// No line of a history or of the events is longer, in bytes.
const LINE_MAX: u64 = 1 << 20;
/// No history is larger, in bytes.
const HISTORY_MAX: u64 = 2 << 30;

impl RunDir {
    /// The history as far as it goes: up to its last whole line, and an empty one where the run did not come
    /// that far.
    ///
    /// # Errors
    /// [`crate::error::Error::Run`] with the line that is none of a history's.
    pub fn history(&self) -> Result<History> {
        let path = self.history_path();
        let Some(mut lines) = self.lines(&path, HISTORY_MAX)? else {
            return Ok(History::empty(&self.name()));
        };
        let bytes = lines.file_bytes();
        let bytes = bytes.map_err(|error| unfit(&path, &error.to_string()))?;
        let mut reader = Reader::of_bytes(bytes.min(HISTORY_MAX));
        let read = loop {
            match lines.next() {
                Ok(None) => break reader.finish(),
                Ok(Some(line)) => {
                    if let Err(error) = reader.push(line) {
                        break Err(error);
                    }
                }
                Err(error) => return Err(unfit(&path, &error.to_string())),
            }
        };
        match read {
            Err(HistoryError::Empty) => Ok(History::empty(&self.name())),
            read => read.map_err(|error| unfit(&path, &told(&error))),
        }
    }

    /// The first line of the history; `None` where there is none.
    ///
    /// # Errors
    /// [`crate::error::Error::Run`]: the file cannot be read.
    pub fn header(&self) -> Result<Option<Header>> {
        let path = self.history_path();
        let Some(mut lines) = self.lines(&path, HISTORY_MAX)? else {
            return Ok(None);
        };
        let first = lines.next();
        let first = first.map_err(|error| unfit(&path, &error.to_string()))?;
        // A run that was killed in its first instant has half a line.
        Ok(first.and_then(|line| serde_json::from_slice(line).ok()))
    }

    /// What happened to the stack, as far as it was written; empty where nothing was.
    ///
    /// # Errors
    /// [`crate::error::Error::Run`]: the file cannot be read, or a line is none of this program's.
    pub fn events(&self) -> Result<Vec<Happening>> {
        let path = self.events_path();
        let mut events = Vec::new();
        let Some(mut lines) = self.lines(&path, DOCUMENT_MAX)? else {
            return Ok(events);
        };
        for number in 1.. {
            let line = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => return Err(unfit(&path, &format!("line {number}: {error}"))),
            };
            match serde_json::from_slice(line) {
                Ok(event) => events.push(event),
                // Its writer was killed in the middle of the last line.
                Err(_) if !line.ends_with(b"\n") => {}
                Err(error) => return Err(unfit(&path, &format!("line {number}: {error}"))),
            }
        }
        Ok(events)
    }

    fn lines(&self, path: &Path, file_max: u64) -> Result<Option<bounded::Lines>> {
        let file = bounded::open(path).map_err(|error| unfit(path, &error.to_string()))?;
        Ok(file.map(|file| bounded::Lines::of(file, LINE_MAX, file_max)))
    }
}
