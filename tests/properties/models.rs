//! The model that a body names: whenever one is read, every server that could be behind us reads the same.

use proptest::prelude::*;
use proptest::sample::select;
use tenantgate::usage::{Named, NamedModel};

use crate::cases;
use crate::reference::model::servers;

/// What is read here, of a body that comes in these two pieces.
fn read(body: &[u8], cut: usize) -> Option<String> {
    let (one, other) = body.split_at(cut.min(body.len()));
    let mut named = NamedModel::of(Some(b"application/json"), None);
    named.push(one);
    named.push(other);
    match named.named() {
        Named::Model(model) => Some(model.as_str().to_owned()),
        Named::NotYet | Named::Unclear => None,
    }
}

/// A member of an object, as somebody writes it who wants to be read differently.
fn member() -> impl Strategy<Value = String> {
    let name = select(vec![
        "model",
        "Model",
        "MODEL",
        "models",
        "mod\\u0065l",
        "\\u004dodel",
        "model ",
        "mode",
        "messages",
        "x",
    ]);
    let value = select(vec![
        "\"a\"",
        "\"b\"",
        "\"\\u0061\"",
        "null",
        "1",
        "[\"a\"]",
        "{\"model\":\"b\"}",
        "\"\"",
        "[{\"model\":\"a\"},2]",
    ]);
    let blank = select(vec!["", " ", "\n", "\t\r\n"]);
    (name, value, blank)
        .prop_map(|(name, value, blank)| format!("{blank}\"{name}\"{blank}:{blank}{value}{blank}"))
}

fn body() -> impl Strategy<Value = String> {
    let object = || {
        prop::collection::vec(member(), 0..4)
            .prop_map(|members| format!("{{{}}}", members.join(",")))
    };
    let after = prop_oneof![4 => Just(String::new()), 1 => Just("\n".to_owned()), 1 => object(), 1 => Just(" x".to_owned())];
    (object(), after).prop_map(|(object, after)| object + &after)
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn every_server_reads_the_model_that_is_read_here(body in body(), cut in 0_usize..80) {
        let whole = read(body.as_bytes(), 0);
        prop_assert_eq!(&read(body.as_bytes(), cut), &whole, "cut at {}", cut);
        if whole.is_some() {
            for server in servers(body.as_bytes()) {
                prop_assert_eq!(&server, &whole, "{}", body);
            }
        }
    }

    #[test]
    fn an_object_that_names_one_model_plainly_is_read(model in "[a-z0-9./:-]{1,20}", before in prop::collection::vec("[a-l]{1,8}", 0..3)) {
        let mut members: Vec<_> = before.iter().map(|name| format!("\"{name}\":[1,{{\"model\":\"x\"}}]")).collect();
        members.push(format!("\"model\":\"{model}\""));
        prop_assert_eq!(read(format!("{{{}}}", members.join(",")).as_bytes(), 0), Some(model));
    }

    #[test]
    fn no_bytes_are_a_model_by_accident(body in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
        prop_assert_eq!(read(&body, cut), read(&body, 0));
    }
}
