//! Texts in places where some of their characters mean something: connection strings, configuration files.

use std::io;

/// A text that no quoting makes harmless: it has a line break, or another control character.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} has a control character")]
pub struct Unquotable(pub String);

impl From<Unquotable> for io::Error {
    fn from(error: Unquotable) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

fn printable(text: &str) -> Result<&str, Unquotable> {
    if text.chars().any(char::is_control) {
        Err(Unquotable(text.to_owned()))
    } else {
        Ok(text)
    }
}

/// A value of a libpq connection string, quoted where it has to be.
///
/// # Errors
/// It has a control character.
pub fn conninfo_value(text: &str) -> Result<String, Unquotable> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    let text = printable(text)?;
    if !text.is_empty() && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    let escaped = text.replace('\\', r"\\").replace('\'', r"\'");
    Ok(format!("'{escaped}'"))
}

/// A text as the value of a setting in a configuration file, of PostgreSQL or of repmgr.
///
/// # Errors
/// It has a control character: a value ends with its line.
pub fn setting(text: &str) -> Result<String, Unquotable> {
    let escaped = printable(text)?.replace('\\', r"\\").replace('\'', "''");
    Ok(format!("'{escaped}'"))
}

/// A name in `synchronous_standby_names`, as it is.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("stock-db-1", "stock-db-1", "'stock-db-1'")]
    #[case("/run/a b", "'/run/a b'", "'/run/a b'")]
    #[case("", "''", "''")]
    #[case("x user=postgres", "'x user=postgres'", "'x user=postgres'")]
    #[case("x' sslmode='no", r"'x\' sslmode=\'no'", "'x'' sslmode=''no'")]
    #[case(r"x\", r"'x\\'", r"'x\\'")]
    #[case(r"\'", r"'\\\''", r"'\\'''")]
    fn a_value_stays_one_value(
        #[case] text: &str,
        #[case] in_conninfo: &str,
        #[case] in_file: &str,
    ) {
        assert_eq!(conninfo_value(text).unwrap(), in_conninfo);
        assert_eq!(setting(text).unwrap(), in_file);
    }

    #[rstest]
    #[case("x\nrestore_command = 'id'")]
    #[case("x\r")]
    #[case("x\0")]
    #[case("\u{85}")]
    fn a_line_break_is_refused(#[case] text: &str) {
        let refused = Unquotable(text.to_owned());
        assert_eq!(conninfo_value(text), Err(refused.clone()));
        assert_eq!(setting(text), Err(refused));
    }

    #[test]
    fn a_name_in_a_list_stays_one_name() {
        assert_eq!(identifier(r#"a","*"#), r#""a"",""*""#);
    }
}
