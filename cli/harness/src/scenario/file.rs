//! Reading and writing scenario files.

use std::{fmt, path::Path};

use serde_saphyr::options;

use super::{Scenario, place::Place};
use crate::{
    error::{Error, Result},
    printable,
    rundir::bounded,
    target::near,
};

/// No scenario is larger, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Something that is wrong in a file, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub place: Place,
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was not read from a file has no place in one.
        if self.place != Place::default() {
            write!(f, "{}:{}: ", self.place.line, self.place.column)?;
        }
        f.write_str(&self.message)?;
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
        let failed = |source| Error::io(format!("read {}", path.display()), source);
        let unfit = |message: String| Error::Scenario {
            file: path.to_owned(),
            mistakes: vec![Mistake {
                place: Place::default(),
                message,
                hint: None,
            }],
        };
        let bytes = bounded::read_named(path, FILE_MAX).map_err(|source| match source.kind() {
            // Too large, or no regular file: the file that was given is wrong, not this machine.
            std::io::ErrorKind::InvalidData => unfit(source.to_string()),
            _ => failed(source),
        })?;
        let bytes = bytes.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let text =
            String::from_utf8(bytes).map_err(|error| failed(std::io::Error::other(error)))?;
        Self::parse(&text).map_err(|mistake| Error::Scenario {
            file: path.to_owned(),
            mistakes: vec![mistake],
        })
    }

    /// As a file, which reads back as this very scenario.
    ///
    /// # Errors
    /// Some text in it has no form in YAML that is read back as it is.
    pub fn to_yaml(&self) -> Result<String> {
        let failed = |reason: String| {
            Error::io(
                "write the scenario as YAML",
                std::io::Error::other(printable::line(&reason)),
            )
        };
        let written = |options| serde_saphyr::to_string_with_options(self, options);
        let mut last = String::new();
        // Quotes around everything are hard on the eye: only where it does not do without.
        for quote_all in [false, true] {
            let options = serde_saphyr::ser_options! {
                prefer_block_scalars: false,
                quote_all: quote_all,
            };
            let text = written(options).map_err(|error| failed(error.to_string()))?;
            match Self::parse(&text) {
                Ok(again) if again == *self => return Ok(text),
                Ok(_) => last = "it would be read back as another one".to_owned(),
                Err(mistake) => last = mistake.to_string(),
            }
        }
        Err(failed(last))
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
        let (mut quote, mut is_begin, mut before) = (None, true, ' ');
        let mut chars = line.chars().enumerate().peekable();
        while let Some((column, c)) = chars.next() {
            match (quote, c) {
                // What is escaped ends nothing.
                (Some('"'), '\\') => drop(chars.next()),
                (Some('\''), '\'') if chars.next_if(|(_, next)| *next == '\'').is_some() => {}
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if is_begin => quote = Some(c),
                // A tag may stand before an anchor.
                (None, '!') if is_begin => {
                    while chars.next_if(|(_, c)| !c.is_whitespace()).is_some() {}
                    continue;
                }
                (None, '#') if before.is_whitespace() => break,
                (None, '&' | '*') if is_begin && names(line, column) => {
                    return Some(Place {
                        line: number as u64 + 1,
                        column: column as u64 + 1,
                    });
                }
                (None, _) => {}
            }
            // A value begins at the beginning, and after what comes before values; blanks change nothing.
            is_begin =
                matches!(c, '[' | '{' | ',' | ':' | '-' | '?') || c.is_whitespace() && is_begin;
            before = c;
        }
    }
    None
}

/// Whether a name follows at once: `a && b` is no anchor.
fn names(line: &str, column: usize) -> bool {
    let next = line.chars().nth(column + 1);
    next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_scenario_that_is_too_large_is_the_users_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large.yaml");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(FILE_MAX + 1).unwrap();
        let error = Scenario::read(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{error}");
        let told = error.to_string();
        assert!(
            told.contains("large.yaml: the file is larger than 4 MiB"),
            "{told}"
        );
    }
}
