//! Text of unknown origin, made fit for a line of a terminal, a CI log or a report: whatever it holds, it stays where
//! it was put, and nothing in it is a command to whoever shows it. What begins a line of output is always our own.

use std::fmt::Write as _;

/// The text on one line. A line break is a blank, and what else cannot be seen is written as an escape: `\u{1b}`.
#[must_use]
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' => {}
            '\n' | '\t' | '\u{2028}' | '\u{2029}' => shown.push(' '),
            c if is_hidden(c) => escape(&mut shown, c),
            c => shown.push(c),
        }
    }
    // GitHub's runner finds `##[error]` anywhere in a line, `::error::` only at its beginning.
    shown.replace("##[", "## [")
}

/// As [`line()`], for text that is meant to have several lines: an error with a log in it.
#[must_use]
pub fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n")
}

/// The lines of a log without their colours: control sequences go, whatever they would have done; a tab stays.
#[must_use]
pub fn log(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    text.split('\n').map(without_sequences).collect()
}

fn without_sequences(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                match chars.next_if(|next| matches!(next, '[' | ']' | 'P' | 'X' | '^' | '_')) {
                    Some('[') => skip_parameters(&mut chars),
                    Some(_) => skip_string(&mut chars),
                    None => {
                        while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
                        chars.next_if(|c| !c.is_control());
                    }
                }
            }
            '\u{9b}' => skip_parameters(&mut chars),
            '\t' => shown.push('\t'),
            c if is_hidden(c) => {}
            c => shown.push(c),
        }
    }
    shown
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// `31;1m`: parameters up to and with the letter that ends them.
fn skip_parameters(chars: &mut Chars<'_>) {
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    // What is no end of a sequence is text again.
    chars.next_if(|c| matches!(c, '@'..='~'));
}

/// A title or the like, up to a bell or `ESC \`; to the end of the line where it has neither.
fn skip_string(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next() {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// Controls, and what turns the direction of the text around it.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn escape(shown: &mut String, c: char) {
    // Writing to a String cannot fail.
    write!(shown, "{}", c.escape_unicode()).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("plain, ü and 漢", "plain, ü and 漢")]
    #[case("a\n::error::b\r\n\tc", "a ::error::b  c")]
    #[case("a ##[error]b", "a ## [error]b")]
    #[case("\u{1b}[2J\u{7}\u{9b}31m", r"\u{1b}[2J\u{7}\u{9b}31m")]
    #[case("abc\u{202e}fed\u{2028}x", r"abc\u{202e}fed x")]
    fn whatever_it_holds_is_one_line_that_can_be_seen(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(line(text), shown);
    }

    #[test]
    fn a_text_of_several_lines_keeps_them() {
        assert_eq!(lines("a\u{1b}[1m\nb\r\nc"), "a\\u{1b}[1m\nb\nc");
    }

    #[rstest]
    #[case("\u{1b}[31;1mred\u{1b}[0m\n", &["red"])]
    #[case("a\tb\u{7}\u{8}\n", &["a\tb"])]
    #[case("\u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\y", &["xy"])]
    #[case("\u{1b}cgone\u{1b}(B\u{9b}2Jz", &["gonez"])]
    #[case("one\ntwo\r\n", &["one", "two"])]
    #[case("\u{1b}", &[""])]
    #[case("", &[""])]
    fn a_log_has_no_sequences_that_a_terminal_would_obey(
        #[case] raw: &str,
        #[case] shown: &[&str],
    ) {
        assert_eq!(log(raw.as_bytes()), shown);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        assert_eq!(log(b"a\xff\x9bb\n"), ["a\u{fffd}\u{fffd}b"]);
    }
}
