//! What a thousand edits leave behind in memory.

use serde_json::json;

use crate::harness::envoy::Edit;
use crate::harness::{Envoy, Setup};
use crate::{answered_by_envoy, chat};

/// Enough to see what grows. `EDITS` in the environment asks for more.
const EDITS: usize = 200;
/// Until then, what is made once has been made, and the allocator has what it needs.
const WARM: usize = 100;
/// How much more the process may take at the end: well below a worker's VM, of which each edit makes one for a moment.
const MOST_KIB: u64 = 6 * 1024;

#[test]
fn vm_06_and_07_memory_stays_flat_however_many_edits_come() {
    let edits = std::env::var("EDITS").map_or(EDITS, |text| text.parse().expect("a number"));
    let configuration = |number: usize| {
        let mut endpoints = vec![chat(&["steady-key", &format!("key-{number}")])];
        for other in 0..20 {
            let mut endpoint = chat(&["steady-key"]);
            endpoint["name"] = json!(format!("other-{other}-{number}"));
            endpoint["path"] = json!(format!("/other/{other}/{number}"));
            endpoints.push(endpoint);
        }
        json!({ "endpoints": endpoints })
    };
    let setup = Setup::with(configuration(0))
        .virtual_hosts(answered_by_envoy())
        .workers(2)
        .live();
    let mut envoy = Envoy::start(setup);
    let (mut warm, mut figures) = (0, Vec::new());
    for number in 1..=edits {
        assert_eq!(envoy.apply(configuration(number)), Edit::Applied);
        envoy.get("/chat").bearer("steady-key").send().admitted();
        if number == WARM {
            warm = envoy.resident_kib();
        }
        if number % 100 == 0 || number == 1 {
            let vm = envoy.admin("/stats?filter=vm_memory_bytes");
            figures.push((number, envoy.resident_kib(), vm.trim().to_owned()));
        }
    }
    for (number, resident, vm) in &figures {
        println!("after {number} edits: {resident} KiB resident, {vm}");
    }
    let end = envoy.resident_kib();
    assert!(
        end <= warm + MOST_KIB,
        "{warm} KiB, then {end} KiB: {figures:?}"
    );
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
}
