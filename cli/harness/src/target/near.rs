//! Names that a mistyped one may have meant.

/// How many are worth showing.
const SHOWN_MAX: usize = 3;

/// The nearest of `known`, best first; only those that a slip of the finger explains.
pub(super) fn names(text: &str, known: &[String]) -> Vec<String> {
    let limit = (text.chars().count() / 4).clamp(1, 3);
    let mut ranked: Vec<(usize, &String)> = known
        .iter()
        .map(|name| (distance(text, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    ranked.sort();
    ranked
        .into_iter()
        .take(SHOWN_MAX)
        .map(|(_, name)| name.clone())
        .collect()
}

/// Levenshtein: how many letters to insert, delete or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_slips() {
        for (a, b, slips) in [
            ("", "", 0),
            ("order", "oder", 1),
            ("kafka", "kakfa", 2),
            ("a", "", 1),
        ] {
            assert_eq!(distance(a, b), slips, "{a} {b}");
        }
    }
}
