//! Which scenarios `--tags` selects: `ci`, `db,broker` (one of them), `db+ci` (both), `!nightly`.

use std::str::FromStr;

/// Alternatives, each of tags that a scenario must have or must not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags(Vec<Vec<(bool, String)>>);

impl Tags {
    /// Whether a scenario with these tags is selected.
    #[must_use]
    pub fn select(&self, tags: &[String]) -> bool {
        self.0.iter().any(|all| {
            all.iter()
                .all(|(wanted, tag)| tags.contains(tag) == *wanted)
        })
    }
}

impl FromStr for Tags {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tag = |text: &str| {
            let text = text.trim();
            let (wanted, name) = match text.strip_prefix('!') {
                Some(name) => (false, name),
                None => (true, text),
            };
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(format!(
                    "`{text}` is not a tag: write for example `ci`, `db,broker` (one of them), \
                     `db+ci` (both) or `!nightly`"
                ));
            }
            Ok((wanted, name.to_owned()))
        };
        text.split(',')
            .map(|all| all.split('+').map(tag).collect())
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ci", true)]
    #[case("saga", false)]
    #[case("saga,db", true)]
    #[case("db+ci", true)]
    #[case("db+saga", false)]
    #[case("!nightly", true)]
    #[case("db+!ci", false)]
    fn tags_select(#[case] expression: &str, #[case] selected: bool) {
        let tags = ["db".to_owned(), "ci".to_owned()];
        assert_eq!(expression.parse::<Tags>().unwrap().select(&tags), selected);
    }

    #[test]
    fn a_wrong_expression_is_refused() {
        for wrong in ["", "a,,b", "a b", "!", "+"] {
            assert!(wrong.parse::<Tags>().is_err(), "{wrong}");
        }
    }
}
