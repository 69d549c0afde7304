//! Holds what became of a request against what had to: the client's answer, what the upstream saw, and the line in the
//! access log, each against the same verdict.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::ledger::{Entry, Hit, Line};
use crate::oracle::{Admission, Credential, Verdict};
use crate::shot::{Answer, Manner};
use crate::world::{Edition, Moment, Service, World};

/// A request that is over, and what was true meanwhile.
pub struct Case<'a> {
    pub entry: &'a Entry,
    pub world: &'a World,
    /// Every configuration that was ever tried, by what the filter calls it.
    pub editions: &'a HashMap<String, Arc<Edition>>,
}

/// What became of a request, rightly.
pub struct Outcome {
    pub was_admitted: bool,
}

/// Judges a request.
///
/// # Errors
/// What is wrong about it.
pub fn judge(case: &Case<'_>) -> Result<Outcome, String> {
    let entry = case.entry;
    let (from, to) = (entry.sent, entry.ended.unwrap_or_else(Moment::now));
    let left = matches!(entry.shot.manner, Manner::Leaving(_));
    let line = match entry.logged.as_slice() {
        [] => None,
        [logged] => logged.line.as_ref(),
        several => return Err(format!("{} lines in the access log", several.len())),
    };
    if let (Some(logged), Some(answer)) = (entry.logged.first(), &entry.answer)
        && answer.status.is_some_and(|status| status != logged.status)
    {
        return Err(format!("the log says {} of {answer:?}", logged.status));
    }
    if entry
        .answer
        .as_ref()
        .is_some_and(|answer| answer.names_somebody)
    {
        return Err("the client was told an identity header".to_owned());
    }
    let verdicts: Vec<Verdict> = case
        .editions_in_force(line, from, to)?
        .iter()
        .flat_map(|edition| entry.shot.rule.verdicts(case.world, edition, from, to))
        .collect();

    let mut complaints = Vec::new();
    for verdict in &verdicts {
        match case.agrees(verdict, line, left) {
            Ok(()) => {
                let was_admitted = matches!(verdict, Verdict::Admit(_));
                return Ok(Outcome { was_admitted });
            }
            Err(complaint) if complaints.contains(&complaint) => {}
            Err(complaint) => complaints.push(complaint),
        }
    }
    Err(complaints.join("; or "))
}

impl Case<'_> {
    /// The one that decided, where the log tells it: it must be one that may have been in force.
    fn editions_in_force(
        &self,
        line: Option<&Line>,
        from: Moment,
        to: Moment,
    ) -> Result<Vec<Arc<Edition>>, String> {
        let possible = self.world.editions.possible(from, to);
        let Some(line) = line else {
            return Ok(possible);
        };
        let decided = self.editions.get(&line.config_id);
        match decided.filter(|edition| possible.contains(edition)) {
            Some(edition) => Ok(vec![Arc::clone(edition)]),
            None => Err(format!(
                "judged by configuration {}, which was not in force",
                line.config_id
            )),
        }
    }

    fn agrees(&self, verdict: &Verdict, line: Option<&Line>, left: bool) -> Result<(), String> {
        match verdict {
            Verdict::Admit(admission) => self.agrees_with_admission(admission, line, left),
            Verdict::Refuse(status, reason) => {
                self.agrees_with_refusal(*status, reason, line, left)
            }
            Verdict::BreakOff(admission) => self.agrees_with_a_break(admission, line),
            Verdict::TurnAway(statuses) => self.agrees_with_no(statuses, line),
            Verdict::Nothing => {
                self.upstream_saw_nothing()?;
                let silent = self.entry.logged.is_empty();
                silent.then_some(()).ok_or("it became a request".to_owned())
            }
        }
    }

    fn agrees_with_admission(
        &self,
        admission: &Admission,
        line: Option<&Line>,
        left: bool,
    ) -> Result<(), String> {
        let entry = self.entry;
        let to = entry.ended.unwrap_or_else(Moment::now);
        let troubled = self
            .world
            .may_be_in_trouble(Service::Upstream, entry.sent, to);
        let mut served = false;
        if let Some(answer) = &entry.answer {
            // What Envoy says itself to a gRPC client has status 200 as well, but no echo.
            served =
                (answer.status, answer.echo) == (Some(200), Some(entry.shot.id)) && answer.is_whole;
            let is_excused = troubled
                && answer.reason.is_empty()
                && matches!(answer.status, Some(200 | 502..=504));
            if !served && !is_excused {
                return Err(format!("had to be served, and was answered {answer:?}"));
            }
        } else if !left {
            return Err("had to be served, and has no answer".to_owned());
        }
        match (line, left) {
            (Some(line), _) => agrees_line(line, "allow", None, admission, left)?,
            (None, true) => {}
            (None, false) => return Err("no line in the access log".to_owned()),
        }
        if let Some((input, output)) = admission.usage.filter(|_| served && !left)
            && let Some(line) = line
            && (line.input_tokens, line.output_tokens) != (Some(input), Some(output))
        {
            return Err(format!(
                "{input} and {output} tokens had to be logged: {line:?}"
            ));
        }
        match entry.hits.as_slice() {
            [] if served && !left => Err("served without the upstream".to_owned()),
            [] => Ok(()),
            [hit] => agrees_hit(hit, admission),
            hits => Err(format!("the upstream was reached {} times", hits.len())),
        }
    }

    fn agrees_with_refusal(
        &self,
        status: u16,
        reason: &str,
        line: Option<&Line>,
        left: bool,
    ) -> Result<(), String> {
        // A body goes by until it names a model that may not be called; its end does not.
        let names_its_model_late = reason == "model_not_allowed";
        if !names_its_model_late || self.entry.hits.iter().any(|hit| hit.is_whole) {
            self.upstream_saw_nothing()?;
        }
        match &self.entry.answer {
            Some(answer) if !left && !is_refusal(answer, status, reason) => {
                return Err(format!(
                    "had to be refused with {status} {reason}, and was answered {answer:?}"
                ));
            }
            None if !left => return Err(format!("no answer instead of {status} {reason}")),
            _ => {}
        }
        match (line, left) {
            (Some(line), _) => {
                let nobody = Admission {
                    tenant: line
                        .tenant_id
                        .clone()
                        .filter(|_| status == 403 || status == 502),
                    user: line
                        .user_id
                        .clone()
                        .filter(|_| status == 403 || status == 502),
                    ..Admission::default()
                };
                agrees_line(line, "deny", Some(reason), &nobody, left)
            }
            (None, true) => Ok(()),
            (None, false) => Err("no line in the access log".to_owned()),
        }
    }

    fn agrees_with_a_break(
        &self,
        admission: &Admission,
        line: Option<&Line>,
    ) -> Result<(), String> {
        let status = self.entry.answer.as_ref().and_then(|answer| answer.status);
        if status.is_some_and(|status| status < 400) {
            return Err(format!("its body is none, and it was answered {status:?}"));
        }
        // Envoy may find the fault before it hands the head on.
        if let Some(line) = line.filter(|line| line.decision.is_some()) {
            agrees_line(line, "allow", None, admission, true)?;
        }
        match self.entry.hits.as_slice() {
            [] => Ok(()),
            [hit] if !hit.is_whole => agrees_hit(hit, admission),
            hits => Err(format!("the upstream saw its end: {hits:?}")),
        }
    }

    fn agrees_with_no(&self, statuses: &[u16], line: Option<&Line>) -> Result<(), String> {
        self.upstream_saw_nothing()?;
        let status = self.entry.answer.as_ref().and_then(|answer| answer.status);
        if status.is_some_and(|status| !statuses.contains(&status)) {
            return Err(format!(
                "had to be turned away, and was answered {status:?}"
            ));
        }
        match line {
            Some(line) if line.decision.as_deref() == Some("allow") || line.tenant_id.is_some() => {
                Err(format!("had to be turned away, and the log says {line:?}"))
            }
            _ => Ok(()),
        }
    }

    fn upstream_saw_nothing(&self) -> Result<(), String> {
        let hits = &self.entry.hits;
        if hits.is_empty() {
            Ok(())
        } else {
            Err(format!("the upstream was reached: {hits:?}"))
        }
    }

    /// All that is known of it, for whoever looks for the fault.
    pub fn shown(&self) -> String {
        let entry = self.entry;
        let to = entry.ended.unwrap_or_else(Moment::now);
        let mut text = String::new();
        let _ = write!(
            text,
            "  request {} from {} to {}, {:?}:\n      {}\n  rule: {:?}\n  answer: {:?}\n  upstream: {:?}\n",
            entry.shot.id,
            entry.sent.0,
            to.0,
            entry.shot.manner,
            entry.shot.shown(),
            entry.shot.rule,
            entry.answer,
            entry.hits,
        );
        for logged in &entry.logged {
            let (status, details) = (logged.status, &logged.details);
            let _ = writeln!(
                text,
                "  log: {status} {details} {} {:?}",
                logged.flags, logged.line
            );
        }
        for edition in self.world.editions.possible(entry.sent, to) {
            let _ = writeln!(text, "  may have been in force: {edition:?}");
        }
        let (key_set, _) = self.world.key_set.newest();
        let (generation, _) = self.world.generation.newest();
        let _ = writeln!(
            text,
            "  newest key set {key_set:?}, signing key {generation}"
        );
        for service in Service::ALL {
            if self.world.may_be_in_trouble(service, entry.sent, to) {
                let _ = writeln!(text, "  in trouble, maybe: the {}", service.name());
            }
        }
        text
    }
}

/// A gRPC client is refused with status 200 and the reason in a header.
fn is_refusal(answer: &Answer, status: u16, reason: &str) -> bool {
    let for_grpc = answer.status == Some(200) && answer.grpc_status.is_some_and(|code| code != 0);
    (answer.status == Some(status) || for_grpc) && answer.reason == reason && answer.echo.is_none()
}

fn agrees_line(
    line: &Line,
    decision: &str,
    reason: Option<&str>,
    admission: &Admission,
    left: bool,
) -> Result<(), String> {
    // Whoever leaves while keys are fetched, or before the body said enough, was never decided about.
    if left && line.decision.is_none() && line.reason.is_none() {
        return Ok(());
    }
    let is_so = line.decision.as_deref() == Some(decision)
        && line.reason.as_deref() == reason
        && line.tenant_id == admission.tenant
        && line.user_id == admission.user;
    if is_so {
        Ok(())
    } else {
        Err(format!(
            "had to be logged as {decision} {reason:?} {:?} {:?}: {line:?}",
            admission.tenant, admission.user
        ))
    }
}

fn agrees_hit(hit: &Hit, admission: &Admission) -> Result<(), String> {
    let same = |told: &[String], expected: &Option<String>| told.iter().eq(expected.iter());
    if !same(&hit.tenants, &admission.tenant) || !same(&hit.users, &admission.user) {
        return Err(format!("the upstream was told of somebody else: {hit:?}"));
    }
    let shown = hit.authorization.as_deref();
    let is_right = match &admission.credential {
        Credential::None => shown.is_none(),
        Credential::Own(token) => shown == Some(&format!("Bearer {token}")),
        Credential::Provider(secret) => shown == Some(&format!("Bearer {secret}")),
        Credential::Lent => hit.is_lent,
    };
    if !is_right {
        return Err(format!("the upstream saw another credential: {hit:?}"));
    }
    if hit.leaks.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "the upstream saw what it must not: {:?}",
            hit.leaks
        ))
    }
}

#[cfg(test)]
mod tests;
