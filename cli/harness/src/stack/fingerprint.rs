//! Whether a service is what it should be: a hash of the specification, and a look at what the
//! engine says it runs, because people change services by hand.

use bollard::models::ServiceSpec;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::SPEC_LABEL;

/// A short hash of a specification, the same for the same content.
pub(super) fn of(spec: &ServiceSpec) -> String {
    let text = canonical(spec).to_string();
    Sha256::digest(text)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The value as JSON, without nulls and with its keys in order.
pub(super) fn canonical<T: Serialize>(value: &T) -> Value {
    // A specification is made of strings, numbers, lists and maps with string keys: it is always JSON.
    serde_json::to_value(value).map_or(Value::Null, tidy)
}

fn tidy(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut pairs: Vec<(String, Value)> = object
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, tidy(value)))
                .collect();
            pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
            Value::Object(Map::from_iter(pairs))
        }
        Value::Array(list) => Value::Array(list.into_iter().map(tidy).collect()),
        other => other,
    }
}

/// Whether the engine's specification is the wanted one: the same fingerprint, and everything that
/// is wanted is there. What the engine adds of its own does not count.
pub(super) fn matches(wanted: &ServiceSpec, found: &ServiceSpec) -> bool {
    let print = |spec: &ServiceSpec| {
        spec.labels
            .as_ref()
            .and_then(|labels| labels.get(SPEC_LABEL).cloned())
    };
    print(wanted) == print(found) && includes(&canonical(found), &canonical(wanted))
}

fn includes(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| found.get(key).is_some_and(|found| includes(found, wanted))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found
                    .iter()
                    .zip(wanted)
                    .all(|(found, wanted)| includes(found, wanted))
        }
        (found, wanted) => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_engine_adds_does_not_count() {
        let wanted = json!({"a": {"b": 1}, "list": [{"x": 1}]});
        assert!(includes(
            &json!({"a": {"b": 1, "c": 2}, "list": [{"x": 1, "y": 2}], "more": true}),
            &wanted
        ));
    }

    #[test]
    fn what_was_changed_by_hand_does() {
        let wanted = json!({"a": {"b": 1}, "list": [1, 2]});
        for found in [
            json!({"a": {"b": 2}, "list": [1, 2]}),
            json!({"a": {}, "list": [1, 2]}),
            json!({"a": {"b": 1}, "list": [1]}),
        ] {
            assert!(!includes(&found, &wanted), "{found}");
        }
    }
}
