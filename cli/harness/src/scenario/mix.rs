//! The mix as a map in the file, `{ checkout: 80%, … }`.

use std::fmt;

use serde::{
    Deserializer, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap,
};

use crate::load::Mix;

pub(super) fn serialize<S: Serializer>(mix: &Mix, serializer: S) -> Result<S::Ok, S::Error> {
    let text = mix.to_string();
    let mut map = serializer.serialize_map(None)?;
    for (name, share) in text.split(',').filter_map(|part| part.split_once('=')) {
        map.serialize_entry(name, share)?;
    }
    map.end()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Mix, D::Error> {
    from.deserialize_map(Shares)
}

/// Keeps the order of the file: it decides which operation a random number means.
struct Shares;

impl<'de> Visitor<'de> for Shares {
    type Value = Mix;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shares of operations, such as { checkout: 80%, find_order: 20% }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mix, A::Error> {
        let mut parts = Vec::new();
        while let Some((name, share)) = map.next_entry::<String, String>()? {
            parts.push(format!("{name}={share}"));
        }
        parts.join(",").parse().map_err(A::Error::custom)
    }
}
