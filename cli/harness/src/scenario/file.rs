//! Reading and writing scenario files.

use std::{fmt, path::Path};

use serde_saphyr::options;

use super::{Scenario, place::Place};
use crate::{
    error::{Error, Result},
    target::near,
};

/// Something that is wrong in a file, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub place: Place,
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}",
            self.place.line, self.place.column, self.message
        )?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Scenario {
    /// Reads the text of a file. What it says is not checked for sense yet: [`Scenario::validate`].
    ///
    /// # Errors
    /// The first thing that cannot be read.
    pub fn parse(text: &str) -> std::result::Result<Self, Mistake> {
        let options = options! {
            // Anchors and merge keys would make a file say something else than it seems to.
            merge_keys: serde_saphyr::MergeKeyPolicy::Error,
            strict_booleans: true,
            with_snippet: false,
        };
        if let Some(place) = anchor(text) {
            return Err(Mistake {
                place,
                message: "anchors and aliases are not understood".to_owned(),
                hint: Some("write it out: a scenario is to be read from top to bottom".to_owned()),
            });
        }
        serde_saphyr::from_str_with_options(text, options).map_err(|error| mistake(&error))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Scenario`] for what is wrong in it, or it cannot be read at all.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::io(format!("read {}", path.display()), source))?;
        Self::parse(&text).map_err(|mistake| Error::Scenario {
            file: path.to_owned(),
            mistakes: vec![mistake],
        })
    }

    /// As a file.
    ///
    /// # Errors
    /// Never for a scenario that was read.
    pub fn to_yaml(&self) -> Result<String> {
        serde_saphyr::to_string(self).map_err(|error| Error::Io {
            action: "write the scenario as YAML".to_owned(),
            source: std::io::Error::other(error),
        })
    }
}

/// The parser's words as ours.
fn mistake(error: &serde_saphyr::Error) -> Mistake {
    let place = error.location().map_or(Place::default(), |location| Place {
        line: location.line(),
        column: location.column(),
    });
    let error = error.without_snippet();
    let (message, hint) = match error {
        serde_saphyr::Error::SerdeUnknownField {
            field, expected, ..
        } => {
            let known: Vec<String> = expected.iter().map(ToString::to_string).collect();
            let hint = match near::names(field, &known).as_slice() {
                [] => format!("known here: {}", known.join(", ")),
                near => format!("did you mean {}?", near.join(" or ")),
            };
            (format!("unknown key `{field}`"), Some(hint))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            (format!("the key `{field}` is missing"), None)
        }
        serde_saphyr::Error::Message { msg, .. } => (msg.clone(), None),
        other => (first_line(&other.to_string()), None),
    };
    Mistake {
        place,
        message,
        hint,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Where the first anchor or alias stands: `&name` or `*name` where a value begins.
fn anchor(text: &str) -> Option<Place> {
    for (number, line) in text.lines().enumerate() {
        let (mut quote, mut before) = (None, ' ');
        for (column, c) in line.chars().enumerate() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if starts_value(before) => quote = Some(c),
                (None, '#') if before.is_whitespace() => break,
                (None, '&' | '*') if starts_value(before) && names(line, column) => {
                    return Some(Place {
                        line: number as u64 + 1,
                        column: column as u64 + 1,
                    });
                }
                (None, _) => {}
            }
            before = c;
        }
    }
    None
}

fn starts_value(before: char) -> bool {
    before.is_whitespace() || matches!(before, '[' | '{' | ',')
}

/// Whether a name follows at once: `a && b` is no anchor.
fn names(line: &str, column: usize) -> bool {
    let next = line.chars().nth(column + 1);
    next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}
