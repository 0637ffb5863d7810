//! Columns of text, aligned, without borders: easy on the eye and on `awk`.

use std::fmt::Write as _;

use harness::printable;

/// Draws rows under a header. Cells may hold ANSI colours: only what is seen counts for the width. Whatever else a cell
/// holds, a row is one line.
pub(crate) fn draw(header: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |cell: &String| printable::styled(&cell.replace('\n', " "));
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect();
    let mut widths: Vec<usize> = header.iter().map(|cell| width(cell)).collect();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            if let Some(known) = widths.get_mut(column) {
                *known = (*known).max(width(cell));
            }
        }
    }
    let header: Vec<String> = header.iter().map(|&cell| cell.to_owned()).collect();
    std::iter::once(&header)
        .chain(&rows)
        .map(|row| line(row, &widths))
        .collect::<Vec<_>>()
        .join("\n")
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, &column) in row.iter().zip(widths) {
        let gap = column.saturating_sub(width(cell)) + 2;
        // Writing to a String cannot fail.
        write!(text, "{cell}{:gap$}", "").unwrap_or_default();
    }
    text.truncate(text.trim_end().len());
    text
}

fn width(cell: &str) -> usize {
    anstream::adapter::strip_str(cell)
        .to_string()
        .chars()
        .count()
}

/// As much of a text as a line has room for, on one line.
pub(crate) fn short(text: &str) -> String {
    const CHARS_MAX: usize = 72;
    let text = printable::line(text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    let mut start: String = text.chars().take(CHARS_MAX - 1).collect();
    start.push('…');
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour() {
        let rows = vec![
            vec![
                "order".to_owned(),
                "\u{1b}[32m2/2\u{1b}[0m".to_owned(),
                "up".to_owned(),
            ],
            vec!["stock-db-0".to_owned(), "1/1".to_owned(), String::new()],
        ];
        assert_eq!(
            anstream::adapter::strip_str(&draw(&["SERVICE", "TASKS", "AGE"], &rows)).to_string(),
            "SERVICE     TASKS  AGE\norder       2/2    up\nstock-db-0  1/1"
        );
    }
}
