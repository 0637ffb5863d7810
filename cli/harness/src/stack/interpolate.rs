//! `${NAME}` and `${NAME:-default}` in a stack file, and nothing more of the shell.

use std::collections::BTreeMap;

/// What stood at which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) line: u64,
    pub(super) message: String,
}

/// Puts the variables' values into the text. Lines keep their numbers; comments stay as they are.
pub(super) fn interpolate(
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<String, Mistake> {
    let mut out = String::with_capacity(text.len());
    for (index, line) in (1..).zip(text.split_inclusive('\n')) {
        if line.trim_start().starts_with('#') {
            out.push_str(line);
        } else {
            of_line(line, variables, &mut out).map_err(|message| Mistake {
                line: index,
                message,
            })?;
        }
    }
    Ok(out)
}

fn of_line(
    line: &str,
    variables: &BTreeMap<String, String>,
    out: &mut String,
) -> Result<(), String> {
    let mut rest = line;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            out.push('$');
            rest = escaped;
        } else if let Some(inner) = after.strip_prefix('{') {
            let end = inner
                .find('}')
                .ok_or_else(|| "`${` without its `}`".to_owned())?;
            out.push_str(&value(&inner[..end], variables)?);
            rest = &inner[end + 1..];
        } else {
            return Err(
                "a lone `$`: write ${NAME}, ${NAME:-default}, or $$ for a dollar".to_owned(),
            );
        }
    }
    out.push_str(rest);
    Ok(())
}

fn value(inner: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err(format!(
            "`${{{inner}}}` is neither ${{NAME}} nor ${{NAME:-default}}"
        ));
    }
    let set = variables.get(name).filter(|value| !value.is_empty());
    let Some(value) = set.map(String::as_str).or(default) else {
        return Err(format!("the variable {name} is not set and has no default"));
    };
    if value.chars().all(is_plain) {
        Ok(value.to_owned())
    } else {
        Err(format!(
            "the value of {name} has characters that mean something in YAML: {value:?}"
        ))
    }
}

/// Values go into the text before it is parsed, so none may change what the text is.
const fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '.' | '_' | '-' | ':' | '/' | '@' | '=' | ',' | '+' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, Mistake> {
        let variables = [("PORT", "8001"), ("EMPTY", ""), ("ODD", "a\nb: c")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        interpolate(text, &variables.into())
    }

    #[test]
    fn values_and_defaults_are_put_in() {
        assert_eq!(
            with("a: ${PORT}\nb: ${NONE:-x/y:1}-${EMPTY:-z}\n").unwrap(),
            "a: 8001\nb: x/y:1-z\n"
        );
        assert_eq!(with("a: $${PORT}").unwrap(), "a: ${PORT}");
        assert_eq!(with("# ${NONE}\n").unwrap(), "# ${NONE}\n");
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, line, part) in [
            ("a: 1\nb: ${NONE}", 2, "NONE is not set"),
            ("a: ${PORT", 1, "without its `}`"),
            ("a: $PORT", 1, "lone `$`"),
            ("a: ${PORT:?no}", 1, "neither"),
            ("a: ${ODD}", 1, "mean something in YAML"),
        ] {
            let mistake = with(text).unwrap_err();
            assert_eq!(mistake.line, line, "{text}");
            assert!(mistake.message.contains(part), "{}", mistake.message);
        }
    }
}
