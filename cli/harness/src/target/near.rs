//! Names that a mistyped one may have meant.

/// How many are worth showing.
const SHOWN_MAX: usize = 3;

/// The nearest of `known`, best first; only those that a slip of the finger explains.
pub(crate) fn names(text: &str, known: &[String]) -> Vec<String> {
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

/// What to say of a name that is not there.
pub(crate) fn hint(near: &[String], known: &[String]) -> String {
    match near {
        [] => format!("there are: {}", known.join(", ")),
        near => format!("did you mean {}?", near.join(" or ")),
    }
}

/// How many letters to insert, delete, replace or swap with their neighbour ("optimal string alignment").
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_slips() {
        for (a, b, slips) in [
            ("", "", 0),
            ("order", "oder", 1),
            ("kafka", "kakfa", 1),
            ("a", "", 1),
        ] {
            assert_eq!(distance(a, b), slips, "{a} {b}");
        }
    }
}
