//! Tenants as labels: so many of a process, by the names that came first, and one label for all others.

use std::collections::HashSet;

use crate::host::{Host, Shared};
use crate::identity::Identifier;

/// Those who are not counted by themselves.
const OTHERS: &str = "other";
/// Set apart from what other plugins share, as in `fetch`.
const SHARED_KEY: &str = "tenantgate/1/metered-tenants";
/// How often a write is tried that another worker comes in between of.
const WRITES: usize = 3;

/// Which tenants are counted each by itself. A worker learns a name when it first meets it, and shares it with the
/// others, so that they agree and all of them together make no more labels than the operator allows.
#[derive(Debug, Default)]
pub struct TenantLabels {
    most: usize,
    named: HashSet<String>,
    /// There is room for no more, in this process.
    is_full: bool,
}

impl TenantLabels {
    /// For at most that many tenants.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            named: HashSet::new(),
            is_full: most == 0,
        }
    }

    /// The label of a tenant; `None` where tenants are not counted at all.
    pub fn label<'a>(&mut self, tenant: &'a Identifier, host: &mut impl Host) -> Option<&'a str> {
        if self.most == 0 {
            return None;
        }
        let name = tenant.as_str();
        let is_named =
            self.named.contains(name) || (!self.is_full && fits(name) && self.learn(name, host));
        Some(if is_named { name } else { OTHERS })
    }

    /// Whether the tenant is among those that the process counts, or there was room to add it.
    fn learn(&mut self, name: &str, host: &mut impl Host) -> bool {
        for _ in 0..WRITES {
            let seen = host.shared(SHARED_KEY);
            self.take_over(seen.as_ref());
            if self.named.contains(name) {
                return true;
            }
            if self.named.len() >= self.most {
                self.is_full = true;
                return false;
            }
            let mut names: Vec<&str> = self.named.iter().map(String::as_str).collect();
            names.push(name);
            if host
                .share(SHARED_KEY, names.join("\n").as_bytes(), seen.as_ref())
                .is_ok()
            {
                self.named.insert(name.to_owned());
                return true;
            }
        }
        // Next time, perhaps.
        false
    }

    /// Untrusted, as all shared data: no more names than are allowed, and none that would not have been shared.
    fn take_over(&mut self, seen: Option<&Shared>) {
        let text = seen.and_then(|seen| std::str::from_utf8(&seen.bytes).ok());
        for name in text.unwrap_or_default().split('\n') {
            if self.named.len() >= self.most {
                break;
            }
            if fits(name) {
                self.named.insert(name.to_owned());
            }
        }
    }
}

/// Whether the name can stand in a metric's name and come out of Envoy's label rules as it is.
fn fits(name: &str) -> bool {
    const MOST_BYTES: usize = 128;
    (1..=MOST_BYTES).contains(&name.len())
        && name != OTHERS
        && name.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'/' | b'@' | b'|')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn label(labels: &mut TenantLabels, tenant: &str, host: &mut FakeHost) -> Option<String> {
        let tenant = Identifier::try_from(tenant.to_owned()).unwrap();
        labels.label(&tenant, host).map(str::to_owned)
    }

    #[test]
    fn the_first_tenants_have_labels_of_their_own_and_the_others_share_one() {
        let (mut labels, mut host) = (TenantLabels::new(2), FakeHost::default());
        for (tenant, expected) in [
            ("acme", "acme"),
            ("globex", "globex"),
            ("initech", "other"),
            ("acme", "acme"),
            ("globex", "globex"),
        ] {
            let label = label(&mut labels, tenant, &mut host);
            assert_eq!(label.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_tenant_that_cannot_be_shared_is_one_of_the_others_until_it_can() {
        let (mut labels, mut host) = (TenantLabels::new(2), FakeHost::default());
        for (contended, expected) in [(true, "other"), (true, "other"), (false, "acme")] {
            host.contended = contended;
            let label = label(&mut labels, "acme", &mut host);
            assert_eq!(label.as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_workers_of_a_process_agree_and_keep_the_bound_together() {
        let mut one_host = FakeHost::default();
        let mut other_host = one_host.sibling();
        let (mut one, mut other) = (TenantLabels::new(2), TenantLabels::new(2));
        assert_eq!(
            label(&mut one, "acme", &mut one_host).as_deref(),
            Some("acme")
        );
        assert_eq!(
            label(&mut other, "globex", &mut other_host).as_deref(),
            Some("globex")
        );
        assert_eq!(
            label(&mut one, "initech", &mut one_host).as_deref(),
            Some("other")
        );
        assert_eq!(
            label(&mut other, "initech", &mut other_host).as_deref(),
            Some("other")
        );
        assert_eq!(
            label(&mut one, "globex", &mut one_host).as_deref(),
            Some("globex")
        );
        assert_eq!(
            label(&mut other, "acme", &mut other_host).as_deref(),
            Some("acme")
        );
    }

    #[test]
    fn a_name_that_would_not_stay_whole_in_a_label_counts_among_the_others() {
        let (mut labels, mut host) = (TenantLabels::new(9), FakeHost::default());
        for tenant in ["a b", "a=b", "a\"b", "other", &"a".repeat(129)] {
            assert_eq!(
                label(&mut labels, tenant, &mut host).as_deref(),
                Some("other")
            );
        }
        assert_eq!(
            label(&mut labels, "https://idp.test/t|1@x", &mut host).as_deref(),
            Some("https://idp.test/t|1@x")
        );
    }

    #[test]
    fn what_another_plugin_puts_in_the_shared_list_makes_no_more_labels_than_allowed() {
        let (mut labels, mut host) = (TenantLabels::new(3), FakeHost::default());
        let planted: Vec<String> = (0..100).map(|n| format!("planted-{n}")).collect();
        host.share(SHARED_KEY, planted.join("\n").as_bytes(), None)
            .unwrap();
        assert_eq!(
            label(&mut labels, "acme", &mut host).as_deref(),
            Some("other")
        );
        assert_eq!(labels.named.len(), 3);
        let (mut labels, mut host) = (TenantLabels::new(3), FakeHost::default());
        host.share(SHARED_KEY, b"\xff\xfe", None).unwrap();
        assert_eq!(
            label(&mut labels, "acme", &mut host).as_deref(),
            Some("acme")
        );
    }

    #[test]
    fn nobody_is_counted_by_name_unless_it_is_asked_for() {
        let (mut labels, mut host) = (TenantLabels::new(0), FakeHost::default());
        assert_eq!(label(&mut labels, "acme", &mut host), None);
    }
}
