//! VM-07: what grows by what strangers send has a bound. The memory of a VM never shrinks, so its size tells.

use serde_json::json;

use crate::harness::proxy::post;
use crate::harness::tokens::{Token, base64};
use crate::{API_KEY, CHAT, Gate, IDP};

/// So many of each. Most are refused without a signature that would take time.
const STRANGERS: usize = 1000;
/// Of 64 KiB. What an allocator may still want after the first tenth.
const PAGES: u64 = 4;

#[test]
fn vm_07_strangers_aborted_waits_and_large_bodies_leave_the_memory_as_it_was() {
    let mut gate = Gate::open();
    let forged = gate.sign(&Token::good());
    let forged = forged.split_once('.').unwrap().1;
    let large = vec![b' '; 1 << 20];
    let mut early = 0;
    for n in 0..STRANGERS {
        let header = json!({"alg": "RS256", "kid": format!("kid-{n}"), "typ": "JWT"});
        let token = format!("{}.{forged}", base64(header.to_string().as_bytes()));
        let key = format!("key-{n}");
        // The pause after an unknown key id passes now and then, so that somebody waits for a fetch, and leaves.
        if n % 50 == 0 {
            gate.seconds_pass(31);
            gate.cluster(IDP).hangs();
            let waits = gate.start(post(CHAT).bearer(&token));
            gate.seconds_pass(1);
            assert!(gate.answer(waits).is_pending());
            gate.disconnect(waits);
            gate.cluster(IDP).up();
            gate.seconds_pass(10);
        }
        for request in [post(CHAT).bearer(&token), post("/v1/keyed").bearer(&key)] {
            let answer = gate.send(request);
            answer.refused(401, "invalid_credential");
        }
        if n % 20 == 0 {
            let upload = post("/v1/keyed").bearer(API_KEY);
            let json = upload.header("content-type", "application/json");
            let exchange = json
                .chunks([&large[..]; 2])
                .response_chunks([&large[..]; 2]);
            gate.admits_request("a large one", exchange);
        }
        if n == STRANGERS / 10 {
            early = gate.memory_pages(0);
        }
    }
    let late = gate.memory_pages(0);
    assert!(late <= early + PAGES, "{early} pages, then {late}");
    assert_eq!(gate.live_streams(), 0);
    gate.lives("strangers");
}
