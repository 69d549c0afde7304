//! Metrics by the ids that the proxy has for their names.
//!
//! The proxy makes a new id at each definition, so each is defined once a VM and kept, whatever configurations come and go.
//! There are as many as these give rise to, and no request can add one.

use std::cell::RefCell;
use std::collections::HashMap;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::endpoint::Endpoint;
use crate::metrics::Metric;

thread_local! {
    static IDS: RefCell<HashMap<String, u32>> = RefCell::new(HashMap::new());
}

/// The metrics of one configuration.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Requests by reason, for each endpoint by its place; the first are those that addressed none. The one metric that
    /// every request has to find, so it is found without its name, of which there are a few to an endpoint.
    requests: Vec<Vec<(Option<&'static str>, u32)>>,
}

impl Metrics {
    /// Counts a request that was decided about.
    pub fn request(&mut self, endpoint: Option<&Endpoint>, reason: Option<&'static str>) {
        let place = endpoint.map_or(0, |endpoint| endpoint.place.saturating_add(1));
        if self.requests.len() <= place {
            self.requests.resize(place.saturating_add(1), Vec::new());
        }
        let Some(counters) = self.requests.get_mut(place) else {
            return;
        };
        let known = counters.iter().find(|(known, _)| *known == reason);
        let id = known.map(|(_, id)| *id).or_else(|| {
            let endpoint = endpoint.map(|endpoint| endpoint.name.as_str());
            let id = id(MetricType::Counter, Metric::Requests { endpoint, reason })?;
            counters.push((reason, id));
            Some(id)
        });
        add(id, 1);
    }
}

/// Counts more of something.
pub(super) fn count(metric: Metric<'_>, more: u64) {
    if more == 0 {
        return;
    }
    let id = id(MetricType::Counter, metric);
    add(id, more);
}

/// Says how much of something there is.
pub(super) fn measure(metric: Metric<'_>, value: u64) {
    if let Some(id) = id(MetricType::Gauge, metric) {
        let _ = hostcalls::record_metric(id, value);
    }
}

/// Adds one to what was observed of something.
pub(super) fn observe(metric: Metric<'_>, value: u64) {
    if let Some(id) = id(MetricType::Histogram, metric) {
        let _ = hostcalls::record_metric(id, value);
    }
}

/// Says how much of something there has been at most.
pub(super) fn raise(metric: Metric<'_>, value: u64) {
    if let Some(id) = id(MetricType::Gauge, metric)
        && hostcalls::get_metric(id).is_ok_and(|known| known < value)
    {
        let _ = hostcalls::record_metric(id, value);
    }
}

fn id(kind: MetricType, metric: Metric<'_>) -> Option<u32> {
    let name = metric.to_string();
    IDS.with_borrow_mut(|ids| {
        if let Some(id) = ids.get(&name) {
            return Some(*id);
        }
        let id = hostcalls::define_metric(kind, &name).ok()?;
        ids.insert(name, id);
        Some(id)
    })
}

fn add(id: Option<u32>, more: u64) {
    // The proxy takes no nought, and no negative numbers.
    if let (Some(id), Ok(more @ 1..)) = (id, i64::try_from(more)) {
        let _ = hostcalls::increment_metric(id, more);
    }
}
