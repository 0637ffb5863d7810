use rstest::rstest;

use super::*;

#[rstest]
#[case("500ms")]
#[case("20s")]
#[case("5m")]
#[case("90s")]
fn a_span_is_written_as_it_was_read(#[case] text: &str) {
    assert_eq!(Span::read(text).unwrap().to_string(), text);
}

#[rstest]
#[case("25% of now")]
#[case("512kbit")]
fn a_bit_rate_is_fixed_or_a_part_of_now(#[case] text: &str) {
    assert_eq!(BitRate::read(text).unwrap().to_string(), text);
}

#[rstest]
#[case("25% of now")]
#[case("0.05cpu")]
fn a_share_of_processors_is_fixed_or_a_part_of_now(#[case] text: &str) {
    assert_eq!(Cpus::read(text).unwrap().to_string(), text);
}

#[test]
fn a_part_of_now_that_limits_nothing_is_refused() {
    for wrong in ["0% of now", "100% of now", "25 of now", "25%", "-1% of now"] {
        assert!(BitRate::read(wrong).is_err(), "{wrong}");
        assert!(Cpus::read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn quantities_without_a_unit_are_refused() {
    assert!(Span::read("20").unwrap_err().contains("no unit"));
    assert!(Rate::read("150").unwrap_err().contains("no unit"));
    assert!(Share::read("99").unwrap_err().contains("no unit"));
    assert!(Spans::read("60s..20s").unwrap_err().contains("before"));
    assert!(
        AtMost::<Span>::read("8s")
            .unwrap_err()
            .contains("\"<= 20s\"")
    );
    assert_eq!(
        AtLeast::<Share>::read(">= 99%").unwrap().to_string(),
        ">= 99%"
    );
    assert_eq!(AtMost::<Span>::read("<=8s").unwrap().to_string(), "<= 8s");
}
