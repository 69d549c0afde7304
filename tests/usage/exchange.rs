//! One call of a model API, and what the meter makes of it.

use tenantgate::usage::{Format, Interest, Meter, ModelName, Usage};

#[derive(Clone, Debug)]
pub struct Exchange {
    pub path: String,
    pub told: Option<Format>,
    pub request_type: Option<String>,
    pub request: Vec<u8>,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub response: Vec<u8>,
    /// The response ended by itself.
    pub complete: bool,
}

impl Exchange {
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            told: None,
            request_type: Some("application/json".to_owned()),
            request: Vec::new(),
            status: 200,
            headers: Vec::new(),
            response: Vec::new(),
            complete: true,
        }
    }

    pub fn asks(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request = body.into();
        self
    }

    pub fn answers(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut answered = self.header("content-type", content_type);
        answered.response = body.into();
        answered
    }

    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.answers("application/json", body)
    }

    pub fn events(self, body: impl Into<Vec<u8>>) -> Self {
        self.answers("text/event-stream", body)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn cut_short(mut self) -> Self {
        self.complete = false;
        self
    }

    /// What the meter says where both bodies come in pieces that end at the cuts.
    pub fn cut(&self, cuts: &[usize]) -> Usage {
        let mut meter = Meter::new("POST", &self.path, self.told).expect("a path that is read");
        let request_type = self.request_type.as_deref().map(str::as_bytes);
        let mut interest = meter.request_head(request_type, None);
        for piece in pieces(&self.request, cuts) {
            if interest == Interest::Body {
                interest = meter.request_body(piece);
            }
        }
        let interest = meter.response_head(self.status, &|name| {
            self.headers
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_bytes().to_vec())
        });
        if interest == Interest::Body {
            for piece in pieces(&self.response, cuts) {
                meter.response_body(piece);
            }
        }
        meter.finish(self.complete)
    }

    pub fn whole(&self) -> Usage {
        self.cut(&[])
    }

    /// The same, if it is the same wherever the bodies are cut, and if they come byte by byte.
    pub fn however_cut(&self) -> Usage {
        let whole = self.whole();
        let longest = self.request.len().max(self.response.len());
        for cut in 0..=longest {
            assert_eq!(self.cut(&[cut]), whole, "cut at {cut}: {self:?}");
        }
        let everywhere: Vec<usize> = (0..longest).collect();
        assert_eq!(self.cut(&everywhere), whole, "byte by byte: {self:?}");
        whole
    }
}

fn pieces<'b>(body: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| *cut.min(&body.len())).collect();
    ends.push(body.len());
    ends.sort_unstable();
    let mut from = 0;
    ends.into_iter()
        .map(|to| &body[std::mem::replace(&mut from, to)..to])
        .collect()
}

/// Input and output.
pub fn tokens(usage: &Usage) -> (Option<u64>, Option<u64>) {
    (usage.input_tokens, usage.output_tokens)
}

pub fn model(usage: &Usage) -> Option<&str> {
    usage.model.as_ref().map(ModelName::as_str)
}

pub fn served(usage: &Usage) -> Option<&str> {
    usage.served_model.as_ref().map(ModelName::as_str)
}
