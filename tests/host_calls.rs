//! What an admitted request costs in calls to the host, each worth a thousand instructions or more: the hot path may get
//! cheaper here, but not dearer unnoticed.

mod harness;

use harness::proxy::{Proxy, Request, get};
use harness::tokens::{AUDIENCE, ISSUER, Key, TRUSTED, Token, jwks};
use jiff::Timestamp;
use serde_json::{Value, json};

const PATH: &str = "/v1/models/llama/infer";

/// In the order of the tables below.
const CALLS: [&str; 8] = [
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_current_time_nanoseconds",
    "proxy_call_foreign_function",
    "proxy_set_property",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_increment_metric",
];

fn gate(authorizer: &Value) -> Proxy {
    let setup = Proxy::setup();
    setup.cluster("idp").serves("/keys", jwks(&TRUSTED));
    let mut proxy = setup.with(json!({
        "clusters": { "idp.test": "idp" },
        "endpoints": [{ "name": "infer", "path": PATH, "authorizer": authorizer }],
    }));
    proxy.settle();
    proxy
}

/// The calls that the request needs, from its head to its end.
#[track_caller]
fn calls(proxy: &mut Proxy, request: Request) -> [u64; 8] {
    let before = CALLS.map(|call| proxy.hostcalls(call));
    proxy.send(request).admitted();
    let mut after = CALLS.map(|call| proxy.hostcalls(call));
    for (after, before) in after.iter_mut().zip(before) {
        *after = after.saturating_sub(before);
    }
    after
}

#[test]
fn an_api_key_costs_one_look_at_the_head_and_the_edits() {
    let keys = json!([{ "client_id": "acme-app", "key": "sk-acme", "tenant_id": "acme" }]);
    let mut proxy = gate(&json!({ "type": "api_key", "keys": keys }));
    let spent = calls(&mut proxy, get(PATH).header("x-api-key", "sk-acme"));
    // Six for the access log, and the status that it tells; the key off the request, the tenant off the response.
    assert_eq!(spent, [1, 1, 1, 0, 6, 1, 2, 1]);
}

#[test]
fn a_token_costs_one_question_to_the_hosts_crypto_and_none_when_it_comes_again() {
    let oidc = json!({
        "issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": "https://idp.test/keys", "tenant_claim": "tenant",
        "algorithms": ["RS256", "ES256"],
    });
    let mut proxy = gate(&json!({ "type": "oidc", "oidc": oidc }));
    for key in [Key::R1, Key::E1] {
        let now = Timestamp::try_from(proxy.now()).expect("a time that can be told");
        let token = Token::good().key(key).sign(now);
        let new = calls(&mut proxy, get(PATH).bearer(&token));
        assert_eq!(new, [1, 1, 1, 1, 6, 1, 1, 1], "{key:?}");
        let again = calls(&mut proxy, get(PATH).bearer(&token));
        assert_eq!(again, [1, 1, 1, 0, 6, 1, 1, 1], "{key:?}");
    }
}

/// A module is as able as what it imports: no file, no socket, no clock but the proxy's.
#[test]
fn sup_02_the_module_imports_what_is_listed_and_nothing_else() {
    let module = std::fs::read(harness::module::filter()).expect("the module");
    let engine = wasmtime::Engine::default();
    let module = wasmtime::Module::from_binary(&engine, &module).expect("a module");
    let mut imports: Vec<String> = module
        .imports()
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    imports.sort();
    let listed = include_str!("../scripts/wasm-imports.txt");
    assert_eq!(imports, listed.lines().collect::<Vec<_>>());
    // What WASI would give beyond that, Envoy offers in part, and the filter has no use for.
    let wasi: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("wasi_snapshot_preview1."))
        .collect();
    assert_eq!(
        wasi,
        [
            "environ_get",
            "environ_sizes_get",
            "fd_write",
            "proc_exit",
            "random_get"
        ]
    );
}
