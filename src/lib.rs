//! tenantgate stands in front of model-serving endpoints, inside Envoy. It decides who may call which endpoint, and
//! tells everything downstream which tenant is calling.
//!
//! # The way of a request
//!
//! [`Policy::decide`](policy::Policy::decide) in [`gate`] is the whole of it, one paragraph a step. Each step asks one
//! room:
//!
//! 1. [`endpoint`]: which configured endpoint is addressed? None: 404, unless such requests pass. Not for certain: 400.
//! 2. [`source`]: may this address call it?
//! 3. [`credential`]: what did the client present? Nothing: 401. Two things: 400.
//! 4. [`authorizer`]: does it hold? An API key is looked up, a JSON Web Token verified. What a key may [`reach`], by its
//!    own limits, is seen right after.
//! 5. [`identity`]: which tenant, user and client is that?
//! 6. [`upstream`]: what goes on? The identity headers set, the client's own copies and its credential removed, the
//!    provider's credential put in.
//!
//! Where keys or a token have to be fetched first, the decision is to wait for them. [`fetch`] has them by then, most of
//! the time: it fetches before anybody asks, once for all workers of a process, and keeps the last good ones.
//! [`denial`] turns a refusal into an answer.
//!
//! While the request and its response stream by, [`usage`] reads which model was asked for and how many tokens went in
//! and came out; when the stream ends, [`account`] makes one line of all that for Envoy's access log.
//!
//! # The rest of the house
//!
//! [`config`] makes a [`policy`] of what the operator wrote, or says everything that is wrong with it. [`request`] is a
//! head as the proxy shows it, [`json`] the one parser of whole JSON from outside, [`secret`] text that does not print,
//! [`lookalike`] what is one field name to somebody behind us. [`host`] is what the fetcher may ask of the proxy,
//! [`metrics`] what is counted. `wasm` carries all this out in Envoy, and `cli` is the command.
//!
//! # What always holds
//!
//! - The core never calls the proxy: it is handed a request and the time, and answers with a value. Only `wasm` names
//!   the proxy's SDK, and cargo gives it to no native build but a fuzzer's, which brings the proxy along.
//! - Nothing invalid can be said in a [`policy::Policy`], so nothing downstream checks again.
//! - What is unknown, unreachable, too big, malformed or ambiguous is refused, each with a reason of its own.
//! - Nothing panics on what comes from outside: a trap costs every request on that worker.
//! - A tenant is named only by an API key that matched or by [`authorizer::jwt::VerifiedClaims`], which only a verified
//!   signature makes.
//! - A credential for the provider leaves with a request that was let in, and never on a second way through the gate.
//! - Nothing grows by what an unauthenticated caller sends, and no body is held, changed or waited for.

pub mod account;
pub mod authorizer;
#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
pub mod config;
pub mod credential;
pub mod denial;
pub mod endpoint;
pub mod fetch;
pub mod gate;
pub mod host;
pub mod identity;
pub mod json;
pub mod lookalike;
pub mod metrics;
pub mod policy;
pub mod reach;
pub mod request;
pub mod secret;
pub mod source;
pub mod upstream;
pub mod usage;
#[cfg(any(target_arch = "wasm32", fuzzing))]
pub mod wasm;
