//! Who called what, with which outcome and at what use of tokens: one request from its arrival to its end, and the line
//! that tells it.
//!
//! Everything a request is told by is gathered here while it goes by, and read once, when its stream ends. This room
//! asks the proxy for nothing, and does not know where the line goes.

mod line;

use jiff::Timestamp;

use crate::denial::Denial;
use crate::endpoint::{Endpoint, EndpointIndex};
use crate::gate::{Decision, Step};
use crate::identity::Identity;
use crate::policy::Policy;
use crate::reach::ModelWatch;
use crate::request::RequestHead;
use crate::upstream::Loan;
use crate::usage::{Interest, Meter, Usage};

/// The longest request id that is told. Envoy's own has 36 characters; a client may have been let to send its own.
const MAX_REQUEST_ID_BYTES: usize = 255;

/// What is known of one request.
#[derive(Default)]
pub struct Account {
    began: Option<Timestamp>,
    request_id: Option<String>,
    endpoint: Option<EndpointIndex>,
    identity: Option<Identity>,
    outcome: Option<Outcome>,
    loan: Option<Loan>,
    watch: Option<ModelWatch>,
    /// The request was let in by its head, and is counted when its body has been judged too.
    is_counted_late: bool,
    meter: Option<Meter>,
    wants: Wants,
    status: Option<u16>,
    /// The response ended by itself.
    is_complete: bool,
}

/// How a request was decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Allowed,
    Denied(&'static str),
}

/// Which bodies are worth a look.
#[derive(Clone, Copy, Debug, Default)]
struct Wants {
    request: bool,
    response: bool,
    /// The first byte of a stream is still to come.
    first_byte: bool,
}

impl Account {
    /// A request has arrived.
    pub fn arrived(&mut self, head: &RequestHead, now: Timestamp) {
        self.began = Some(now);
        self.request_id = head
            .first("x-request-id")
            .filter(|id| (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()))
            .map(|id| String::from_utf8_lossy(id).into_owned());
    }

    /// It was decided about. One that waits is not, yet.
    pub fn decided(&mut self, decision: &mut Decision<'_>, head: &RequestHead) {
        self.outcome = match &decision.step {
            Step::Await(_) => return,
            Step::Forward(_) => Some(Outcome::Allowed),
            Step::Refuse(denial) => Some(Outcome::Denied(denial.reason())),
        };
        self.endpoint = decision.endpoint.map(|endpoint| endpoint.place);
        self.identity.clone_from(&decision.identity);
        self.loan = decision.loan;
        if self.outcome == Some(Outcome::Allowed) {
            self.watch = decision.watch.take();
            self.is_counted_late = self.watch.is_some();
            self.meter = decision.endpoint.and_then(|endpoint| meter(endpoint, head));
        }
        if let Some(meter) = &mut self.meter {
            let interest =
                meter.request_head(head.first("content-type"), head.first("content-encoding"));
            self.wants.request = interest == Interest::Body;
        }
    }

    /// The fetched token that the request went on with, if it did with one: its provider may refuse it.
    pub fn loan(&self) -> Option<Loan> {
        self.loan
    }

    /// Whether more of the request's body matters.
    pub fn wants_request_body(&self) -> bool {
        self.wants.request || self.watch.is_some()
    }

    /// More of the request's body.
    ///
    /// # Errors
    /// These bytes must not go on.
    pub fn request_body(&mut self, bytes: &[u8]) -> Result<(), Denial> {
        if let Some(meter) = &mut self.meter
            && self.wants.request
        {
            self.wants.request = meter.request_body(bytes) == Interest::Body;
        }
        let verdict = self
            .watch
            .as_mut()
            .map_or(Ok(()), |watch| watch.pass(bytes));
        self.judged(verdict)
    }

    /// Whether nothing of the body may go on unseen.
    pub fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// There will be no more of the request's body, or somebody did not wait for it: all of it has come, it cannot be read, or
    /// it has been answered.
    ///
    /// # Errors
    /// What has come of it is not enough.
    pub fn request_ends(&mut self) -> Result<(), Denial> {
        let verdict = self.watch.as_ref().map_or(Ok(()), ModelWatch::settle);
        self.judged(verdict)
    }

    /// The stream ends. A request that had not named its model by then was never decided about.
    pub fn ends(&mut self) {
        if self
            .watch
            .as_ref()
            .is_some_and(|watch| watch.settle().is_err())
        {
            self.outcome = None;
        }
    }

    fn judged(&mut self, verdict: Result<(), Denial>) -> Result<(), Denial> {
        if let Err(denial) = &verdict {
            self.outcome = Some(Outcome::Denied(denial.reason()));
            self.watch = None;
        }
        verdict
    }

    /// The response's head: its status, and a way to look a field up by its name in lower case.
    pub fn response_head(&mut self, status: Option<u16>, header: &dyn Fn(&str) -> Option<Vec<u8>>) {
        self.status = status;
        if let (Some(meter), Some(status)) = (&mut self.meter, status) {
            self.wants.response = meter.response_head(status, header) == Interest::Body;
            self.wants.first_byte = self.wants.response && meter.is_stream();
        }
    }

    /// Whether more of the response's body matters.
    pub fn wants_response_body(&self) -> bool {
        self.wants.response
    }

    /// More of the response's body, and how long a stream took to begin, where these are its first bytes. `now` is asked
    /// only then.
    pub fn response_body(
        &mut self,
        bytes: &[u8],
        now: impl FnOnce() -> Timestamp,
    ) -> Option<FirstByte> {
        if let Some(meter) = &mut self.meter {
            meter.response_body(bytes);
        }
        let began = self
            .began
            .filter(|_| self.wants.first_byte && !bytes.is_empty())?;
        self.wants.first_byte = false;
        let took = now().duration_since(began).as_millis();
        Some(FirstByte {
            endpoint: self.endpoint,
            milliseconds: u64::try_from(took).unwrap_or_default(),
        })
    }

    /// The response ended by itself.
    pub fn completed(&mut self) {
        self.is_complete = true;
    }

    /// The end: what is to be told. `otherwise` stands in for what never came by, asked only where that is so.
    pub fn close<'a>(&'a self, policy: &'a Policy, otherwise: &dyn Otherwise) -> Closing<'a> {
        let usage = self
            .meter
            .as_ref()
            .map(|meter| meter.finish(self.is_complete))
            .unwrap_or_default();
        Closing {
            account: self,
            policy,
            endpoint: self.endpoint.and_then(|place| policy.endpoints.get(place)),
            began: self.began.unwrap_or_else(|| otherwise.now()),
            request_id: self
                .request_id
                .clone()
                .unwrap_or_else(|| otherwise.request_id()),
            status: self.status.or_else(|| otherwise.status()),
            usage,
        }
    }
}

/// How long a stream took to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstByte {
    /// The endpoint, by its place.
    pub endpoint: Option<EndpointIndex>,
    /// From the request's arrival.
    pub milliseconds: u64,
}

/// What stands in for what a stream that ended early has not shown.
pub trait Otherwise {
    /// The time.
    fn now(&self) -> Timestamp;
    /// A request id of our own.
    fn request_id(&self) -> String;
    /// The status that the client was sent, as the proxy has it.
    fn status(&self) -> Option<u16>;
}

/// A closed account.
pub struct Closing<'a> {
    account: &'a Account,
    policy: &'a Policy,
    /// The endpoint that was addressed.
    pub endpoint: Option<&'a Endpoint>,
    began: Timestamp,
    request_id: String,
    status: Option<u16>,
    /// What the call used.
    pub usage: Usage,
}

impl Closing<'_> {
    /// Who called, if that is known.
    pub fn identity(&self) -> Option<&Identity> {
        self.account.identity.as_ref()
    }

    /// Whether its body decided about it, so that it has not been counted yet.
    pub fn is_counted_late(&self) -> bool {
        self.account.is_counted_late && self.account.outcome.is_some()
    }

    /// Whether it went on.
    pub fn is_allowed(&self) -> bool {
        self.account.outcome == Some(Outcome::Allowed)
    }

    /// The reason of its refusal, if it was refused.
    pub fn reason(&self) -> Option<&'static str> {
        match self.account.outcome? {
            Outcome::Allowed => None,
            Outcome::Denied(reason) => Some(reason),
        }
    }
}

fn meter(endpoint: &Endpoint, head: &RequestHead) -> Option<Meter> {
    let path = std::str::from_utf8(head.path()?).ok()?;
    endpoint.usage.meter(head.method()?, path)
}

#[cfg(test)]
mod tests;
