//! Whatever stands in a stack file, reading it ends with a file or with an error that names it.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

const MUTANTS: usize = 600;
const REAL: [&str; 2] = [
    include_str!("../../../../../compose/stack.yml"),
    include_str!("../../../../../compose/stack-small.yml"),
];
/// Pieces that a mutation puts in: what YAML is made of, and what it must not choke on.
const PIECES: [&str; 18] = [
    "{", "}", "[", "]", ":", ": ", "- ", "&a ", "*a", "<<: *a", "\n", "  ", "\t", "\"", "${",
    "${X:-", "!!int ", "\u{0}",
];

/// Variables do not matter here: a file that lacks one is refused as well as any.
fn read(text: &str) -> bool {
    match File::parse("stack.yml", text, &BTreeMap::new()) {
        Ok(_) => true,
        Err(Error::Compose { file, message, .. }) => {
            assert_eq!(file, "stack.yml");
            assert!(!message.is_empty());
            false
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// A place between two characters.
fn place(text: &str, random: &mut StdRng) -> usize {
    let mut at = random.random_range(0..=text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn mutated(real: &str, random: &mut StdRng) -> String {
    let mut text = real.to_owned();
    for _ in 0..random.random_range(1..4) {
        let (a, b) = (place(&text, random), place(&text, random));
        let near = a.max(b).min(a.min(b) + 60);
        let to = (a.min(b)..=near)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        let (from, to) = (a.min(b), to.unwrap_or(a.min(b)));
        match random.random_range(0..5) {
            0 => text.truncate(from),
            1 => drop(text.drain(from..to)),
            2 => text.insert_str(from, PIECES[random.random_range(0..PIECES.len())]),
            3 => {
                let copied = text[from..to].to_owned();
                let into = place(&text, random);
                text.insert_str(into, &copied);
            }
            _ => {
                let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
                if lines.len() > 1 {
                    let (a, b) = (
                        random.random_range(0..lines.len()),
                        random.random_range(0..lines.len()),
                    );
                    lines.swap(a, b);
                }
                text = lines.concat();
            }
        }
    }
    text
}

#[test]
fn mutants_of_the_real_stack_files_are_read_or_refused() {
    let mut random = StdRng::seed_from_u64(1);
    for real in REAL {
        for _ in 0..MUTANTS {
            read(&mutated(real, &mut random));
        }
    }
}

#[test]
fn random_text_is_refused() {
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..4 * MUTANTS {
        let length = random.random_range(1..200);
        let bytes: Vec<u8> = (0..length)
            .map(|_| random.random_range(0..=255_u8))
            .collect();
        assert!(!read(&format!("\u{1}{}", String::from_utf8_lossy(&bytes))));
    }
}
