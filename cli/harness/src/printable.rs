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
    without_commands(shown)
}

/// As [`line()`], for text that is meant to have several lines: an error with a log in it. All but the first are indented,
/// so that none of them passes for a line of our own.
#[must_use]
pub fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n  ")
}

/// A whole document, or all that is printed at once: its line breaks and tabs are ours and stay. Whatever parts of unknown
/// origin it has, nothing in it is a control or a command to a CI runner.
#[must_use]
pub fn page(text: &str) -> String {
    defused(text, Colours::Foreign)
}

/// As [`page()`], for text that we coloured ourselves.
#[must_use]
pub fn styled(text: &str) -> String {
    defused(text, Colours::Ours)
}

/// A JSON document with everything that cannot be seen, or that a CI runner obeys, as `\uXXXX`: its values are the same.
#[must_use]
pub fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // A line break or a tab is between values here. Nothing hidden has more than 16 bits.
        if is_hidden(c) && !matches!(c, '\n' | '\t') {
            // Writing to a String cannot fail.
            write!(shown, "\\u{:04x}", u32::from(c)).unwrap_or_default();
        } else {
            shown.push(c);
        }
    }
    ANYWHERE.iter().fold(shown, |shown, command| {
        let name = command.trim_end_matches('[');
        shown.replace(command, &format!("{name}\\u005b"))
    })
}

/// Whose the colours in a text are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colours {
    Ours,
    Foreign,
}

/// What has been seen of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Blanks,
    Colon,
    Text,
}

fn defused(text: &str, colours: Colours) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut seen = Seen::Blanks;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(colour) = colour(rest).filter(|_| colours == Colours::Ours) {
            shown.push_str(colour);
            rest = &rest[colour.len()..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        seen = match (seen, c) {
            (_, '\r') => continue,
            (_, '\n') | (Seen::Blanks, '\t' | ' ') => Seen::Blanks,
            (Seen::Blanks, ':') => Seen::Colon,
            (Seen::Colon, ':') => {
                // GitHub's runner looks for `::` behind whatever blanks a line begins with.
                shown.push(' ');
                Seen::Text
            }
            (Seen::Blanks, c) if c.is_whitespace() && !is_hidden(c) => Seen::Blanks,
            _ => Seen::Text,
        };
        if is_hidden(c) && !matches!(c, '\n' | '\t') {
            escape(&mut shown, c);
        } else {
            shown.push(c);
        }
    }
    without_commands(shown)
}

/// The colour that the text begins with: `ESC [ 31;1 m`.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let length = parameters.find(|c| !matches!(c, '0'..='9' | ';'))?;
    parameters[length..]
        .starts_with('m')
        .then(|| &text[..length + 3])
}

/// What CI runners obey wherever in a line it stands: GitHub's and Azure's, and TeamCity's.
const ANYWHERE: [&str; 3] = ["##[", "##vso[", "##teamcity["];

fn without_commands(text: String) -> String {
    if !text.contains("##") {
        return text;
    }
    ANYWHERE.iter().fold(text, |text, command| {
        text.replace(command, &command.replacen("##", "## ", 1))
    })
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

/// Controls, what ends a line for some, what turns the direction of the text around it, and what is no character.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fffe}'
                | '\u{ffff}'
        )
}

/// Whether a text has something in it that nobody could see.
#[must_use]
pub fn has_hidden(text: &str) -> bool {
    text.contains(is_hidden)
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
    #[case(
        "##vso[task.complete]##teamcity[x]",
        "## vso[task.complete]## teamcity[x]"
    )]
    #[case("\u{1b}[2J\u{7}\u{9b}31m", r"\u{1b}[2J\u{7}\u{9b}31m")]
    #[case("abc\u{202e}fed\u{2028}x", r"abc\u{202e}fed x")]
    fn whatever_it_holds_is_one_line_that_can_be_seen(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(line(text), shown);
    }

    #[test]
    fn a_text_of_several_lines_keeps_them_and_indents_those_that_follow() {
        assert_eq!(lines("a\u{1b}[1m\nb\r\nc"), "a\\u{1b}[1m\n  b\n  c");
    }

    #[rstest]
    #[case("a\n\tb::c :: d", "a\n\tb::c :: d")]
    #[case("::error::x", ": :error::x")]
    #[case("a\n \t\u{a0}::error::x\r\n::y", "a\n \t\u{a0}: :error::x\n: :y")]
    #[case("\u{85}::x\u{2028}::y\u{0}", r"\u{85}::x\u{2028}::y\u{0}")]
    #[case("\u{1b}[31m::x", r"\u{1b}[31m::x")]
    #[case("a\u{202e}b ##[group]", r"a\u{202e}b ## [group]")]
    fn nothing_on_a_page_commands_a_terminal_or_a_runner(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(page(text), shown);
    }

    #[rstest]
    #[case("\u{1b}[31;1mred\u{1b}[0m", "\u{1b}[31;1mred\u{1b}[0m")]
    #[case("\u{1b}[1m\u{1b}[m:\u{1b}[0m:x", "\u{1b}[1m\u{1b}[m:\u{1b}[0m :x")]
    #[case(
        "\u{1b}[2J\u{1b}]0;t\u{7}\u{1b}[3",
        r"\u{1b}[2J\u{1b}]0;t\u{7}\u{1b}[3"
    )]
    fn our_colours_stay_and_hide_no_command(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(styled(text), shown);
    }

    #[test]
    fn json_that_can_be_seen_has_the_same_value() {
        let nasty = "a\u{7f}\u{9b}\u{61c}\u{200e}\u{2028}\u{202e}\u{2069}\u{ffff}##[x]##vso[y] ü\u{1f600}\n::error::z";
        let value = serde_json::json!({ "a": [nasty] });
        let shown = json(&serde_json::to_string_pretty(&value).unwrap());
        let hidden = |c| is_hidden(c) && c != '\n';
        assert!(!shown.contains(hidden), "{shown:?}");
        assert!(
            !shown.contains("##[") && !shown.contains("##vso["),
            "{shown}"
        );
        assert!(shown.contains(r"a\u007f\u009b\u061c"), "{shown}");
        assert!(shown.contains("ü\u{1f600}"), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
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
