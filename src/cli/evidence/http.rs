//! Requests that the command makes: bounded in time and size, without proxies, redirects and pools, so that what comes
//! back is what that address answered to that request.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// A config dump of a big mesh has some megabytes.
const MAX_ADMIN_BYTES: u64 = 256 * 1024 * 1024;

/// A client for these addresses.
///
/// # Errors
/// What is wrong with the file of certificates, or that TLS cannot be spoken here.
pub(super) fn agent(
    addresses: &[&str],
    timeout: Duration,
    ca_file: Option<&Path>,
) -> Result<Agent, String> {
    let encrypted = addresses
        .iter()
        .find(|address| address.starts_with("https:"));
    if let Some(address) = encrypted
        && !can_encrypt()
    {
        return Err(format!(
            "{address}: this processor lacks instructions that the TLS library needs (AES, AVX2, ADX); run it on another, \
             or ask a listener without TLS"
        ));
    }
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls_graviola::default_provider()));
    let tls = match ca_file {
        Some(file) => tls.root_certs(RootCerts::new_with_certs(&certificates(file)?)),
        None => tls,
    };
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_idle_connections(0)
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(timeout))
        .user_agent(concat!("tenantgate-evidence/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build())
        .build();
    Ok(Agent::new_with_config(config))
}

/// The TLS library has no other way than these instructions, which processors of servers have had since 2014.
#[cfg(target_arch = "x86_64")]
fn can_encrypt() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("aes") && has!("pclmulqdq") && has!("bmi1") && has!("bmi2") && has!("adx") && has!("avx2")
}

#[cfg(target_arch = "aarch64")]
fn can_encrypt() -> bool {
    use std::arch::is_aarch64_feature_detected as has;
    has!("aes") && has!("pmull") && has!("sha2") && has!("neon")
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|error| format!("--cacert {name}: {error}"))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(format!("--cacert {name}: {error}")),
        }
    }
    if certificates.is_empty() {
        return Err(format!("--cacert {name}: holds no certificate in PEM form"));
    }
    Ok(certificates)
}

/// The base of a URL: scheme, host and port.
///
/// # Errors
/// Why it is none.
pub(super) fn base(text: &str) -> Result<String, String> {
    let uri: Uri = text
        .parse()
        .map_err(|_| "must be a URL such as http://127.0.0.1:10000".to_owned())?;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| matches!(*scheme, "http" | "https"));
    let (Some(scheme), Some(authority)) = (scheme, uri.authority()) else {
        return Err("must begin with http:// or https:// and name a host".to_owned());
    };
    if authority.as_str().contains('@') {
        return Err("must not hold a user name or password".to_owned());
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(
            "must be the gate itself, without path and query: endpoints have their own".to_owned(),
        );
    }
    Ok(format!("{scheme}://{authority}"))
}

/// A page of an admin interface.
///
/// # Errors
/// That there is none, and what to look at.
pub(super) fn page(agent: &Agent, admin: &str, path: &str) -> Result<String, String> {
    let mut response = agent
        .get(format!("{admin}{path}"))
        .call()
        .map_err(|error| {
            format!(
                "{admin}{path}: {}; is this Envoy's admin interface, and is it up?",
                failure(&error)
            )
        })?;
    if response.status() != 200 {
        return Err(format!(
            "{admin}{path}: status {}; is this Envoy's admin interface?",
            response.status()
        ));
    }
    response
        .body_mut()
        .with_config()
        .limit(MAX_ADMIN_BYTES)
        .read_to_string()
        .map_err(|error| format!("{admin}{path}: {}", failure(&error)))
}

/// What went wrong, in one line, and how to mend it where that is known.
pub(super) fn failure(error: &ureq::Error) -> String {
    let text = error.to_string().replace(char::is_control, " ");
    match error {
        ureq::Error::Timeout(_) => format!("{text} (a longer --timeout may help)"),
        _ if text.contains("UnknownIssuer") => {
            format!("{text} (a private CA is named with --cacert FILE)")
        }
        _ => text,
    }
}
