//! Whatever stands in a file, reading it ends with a history or with an error that names a line.

use crate::{
    history::{History, HistoryError, line},
    testing::{Case, Dice},
};

const MUTANTS: u64 = 20_000;

/// A real history of a few dozen lines, with every kind of operation that the load makes.
fn real() -> Vec<u8> {
    let history = Case::legal().history;
    let mut text = line(&history.header).unwrap();
    let mut records = 0;
    for attempt in history.attempts.into_iter().take(40) {
        text += &line(&super::Record::Invoke(attempt.invoke)).unwrap();
        records += 1 + u64::from(attempt.complete.is_some());
        if let Some(complete) = attempt.complete {
            text += &line(&super::Record::Complete(complete)).unwrap();
        }
    }
    text += &line(&super::Record::End { at_us: 1, records }).unwrap();
    text.into_bytes()
}

/// Pieces that a mutation puts in: what JSON is made of, and what it must not choke on.
const PIECES: [&[u8]; 14] = [
    b"{",
    b"}",
    b"[",
    b"\"",
    b",",
    b"\n",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\\u00",
    b"\xff\xfe",
    b"\0",
    b"{\"i\":",
];

fn mutated(real: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut text = real.to_vec();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(text.len().max(1));
        let to = (at + dice.roll(40)).min(text.len());
        match dice.roll(6) {
            0 => text.truncate(at),
            1 => drop(text.drain(at.min(to)..to)),
            2 => {
                let piece = PIECES[dice.roll(PIECES.len())];
                text.splice(at.min(to)..at.min(to), piece.iter().copied());
            }
            3 => {
                if let Some(byte) = text.get_mut(at) {
                    *byte ^= 1 << dice.roll(8);
                }
            }
            4 => {
                let copied = text[at.min(to)..to].to_vec();
                let into = dice.roll(text.len() + 1);
                text.splice(into..into, copied);
            }
            _ => {
                let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
                if lines.len() > 1 {
                    let (a, b) = (dice.roll(lines.len()), dice.roll(lines.len()));
                    lines.swap(a, b);
                }
                text = lines.concat();
            }
        }
    }
    text
}

/// What it came to; the error's text must say where.
fn read(text: &[u8]) -> bool {
    match History::parse(text) {
        Ok(history) => {
            for attempt in &history.attempts {
                let complete = attempt.complete.iter();
                assert!(complete.clone().all(|c| c.at_us >= attempt.invoke.sent_us));
            }
            true
        }
        Err(HistoryError::Empty) => false,
        Err(error) => {
            assert!(error.to_string().starts_with("line "), "{error}");
            false
        }
    }
}

#[test]
fn mutants_of_a_real_history_are_read_or_refused_with_their_line() {
    let real = real();
    assert!(read(&real));
    let mut dice = Dice::new(1);
    let mut whole = 0_u64;
    for _ in 0..MUTANTS {
        whole += u64::from(read(&mutated(&real, &mut dice)));
    }
    // Both ends must be met, or the mutations are too tame or too wild.
    assert!(whole > MUTANTS / 50 && whole < MUTANTS, "{whole}");
}

#[test]
fn random_bytes_are_refused() {
    let mut dice = Dice::new(2);
    for _ in 0..MUTANTS {
        let length = dice.roll(300);
        let text: Vec<u8> = (0..length).map(|_| dice.next().to_le_bytes()[0]).collect();
        assert!(!read(&text));
    }
}
