//! PRO: other shapes of a request.

use crate::harness::wire::lines;
use crate::{Case, heads, keyed, row};

const BARE: &str = "401 missing_credential";
const BAD: &str = "401 invalid_credential";

pub fn rows() -> Vec<Case> {
    let key = keyed();
    let wrong = "x-api-key: wrong";
    let upgrade = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
    ];
    let preflight = [
        "Origin: https://a.test",
        "Access-Control-Request-Method: POST",
    ];
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let offered = lines("POST /v1/chat", &[wrong, "Content-Length: 100000"]);
    [
        heads("PRO-01", BARE, &[("GET /v1/chat", &upgrade)]),
        row(
            "PRO-02",
            "4",
            [(
                "CONNECT",
                b"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n".to_vec(),
            )],
        ),
        heads(
            "PRO-03",
            "404 unknown_endpoint",
            &[
                ("OPTIONS /v1/upload", &preflight),
                ("OPTIONS /v1/browser", &preflight[..1]),
            ],
        ),
        heads("PRO-03", "nobody", &[("OPTIONS /v1/browser", &preflight)]),
        row(
            "PRO-04",
            "426",
            [(
                "HTTP/1.0",
                b"GET /v1/chat HTTP/1.0\r\nHost: api.test\r\n\r\n".to_vec(),
            )],
        ),
        heads(
            "PRO-05",
            BAD,
            &[(
                "POST /v1/chat",
                &[
                    wrong,
                    "Expect: 100-continue",
                    "Content-Length: 10000000",
                    "Connection: close",
                ],
            )],
        ),
        heads(
            "PRO-07",
            "grpc 16",
            &[(
                "POST /v1/chat",
                &["Content-Type: application/grpc", "Content-Length: 0", wrong],
            )],
        ),
        heads(
            "PRO-07",
            "grpc 7",
            &[(
                "POST /v1/private",
                &["Content-Type: application/grpc", "Content-Length: 0", &key],
            )],
        ),
        heads(
            "PRO-09",
            "400",
            &[(
                "POST /v1/chat",
                &[&key, "Content-Length: 5", "Transfer-Encoding: chunked"],
            )],
        ),
        // Envoy makes one line of it.
        heads(
            "PRO-09",
            "t2",
            &[("GET /v1/chat", &[&key, "X-A: 1\r\n folded"])],
        ),
        row(
            "PRO-10",
            "t2",
            [
                (
                    "an empty body",
                    lines("POST /v1/chat", &[&key, "Content-Length: 0"]),
                ),
                (
                    "no chunks",
                    [
                        lines("POST /v1/chat", &[&key, "Transfer-Encoding: chunked"]),
                        b"0\r\n\r\n".to_vec(),
                    ]
                    .concat(),
                ),
            ],
        ),
        row(
            "PRO-11",
            "left",
            [
                ("in the head", cut(&lines("GET /v1/chat", &[&key]))),
                ("in the body", offered),
            ],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}
