//! The model that servers of different kinds would read in a body.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// An object's members in order, none of them lost.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// What servers of different kinds read: the last member of that name, the first one, the last in any case; and, where they
/// stop at the end of the first document, whatever follows it. None at all reads what is no JSON.
pub fn servers(body: &[u8]) -> Vec<Option<String>> {
    let mut documents = serde_json::Deserializer::from_slice(body).into_iter::<Members>();
    let Some(Ok(Members(members))) = documents.next() else {
        return Vec::new();
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let exact = || members.iter().filter(|(name, _)| name == "model");
    let folded = |(name, _): &&(String, Value)| name.eq_ignore_ascii_case("model");
    vec![
        exact().next_back().and_then(|(_, value)| text(value)),
        exact().next().and_then(|(_, value)| text(value)),
        members
            .iter()
            .rev()
            .find(folded)
            .and_then(|(_, value)| text(value)),
    ]
}
