//! Writes a whole Envoy configuration around the filter: the hardened listener that `envoy/envoy.yaml` documents, each
//! hardening switchable, because some tests want what Envoy does without it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::access_log::{access_log_fields, file_log};
use super::module;
use super::shipped::documented;

/// The filter's name: of the HTTP filter, of the plugin, of its VM, and before its filter state.
pub const FILTER: &str = "tenantgate";
/// The listener that the filter is on.
pub const GATE: &str = "gate";
/// The listener that another filter is on, if a test asks for one.
pub const BESIDE: &str = "beside";
/// The cluster that every admitted request goes to.
pub const MODEL: &str = "model";
/// The file of the access log, one JSON object a line.
pub const ACCESS_LOG: &str = "access.log";
/// What the loggers that operators copy write.
pub const TOLD: &str = "told.log";
/// What the HTTP connection manager does before any filter sees a request.
#[derive(Clone, Copy, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are Envoy's own switches"
)]
pub struct Listener {
    pub normalize_path: bool,
    pub merge_slashes: bool,
    /// `KEEP_UNCHANGED`, `REJECT_REQUEST`, `UNESCAPE_AND_REDIRECT` or `UNESCAPE_AND_FORWARD`.
    pub escaped_slashes: &'static str,
    /// `ALLOW`, `REJECT_REQUEST` or `DROP_HEADER`.
    pub underscores: &'static str,
    /// True: `source.address` is the TCP peer. False: whatever `x-forwarded-for` says.
    pub use_remote_address: bool,
    /// `ignore_port_in_host_matching`: the virtual host is chosen without the port of `host`.
    pub ignore_port: bool,
    /// `strip_trailing_host_dot`: the final dot of `host` is taken off.
    pub strip_final_dot: bool,
    /// HTTP/1 trailers are dropped by Envoy unless this is set, on both sides.
    pub trailers: bool,
}

impl Listener {
    /// As documented for operators.
    pub const HARDENED: Self = Self {
        normalize_path: true,
        merge_slashes: true,
        escaped_slashes: "REJECT_REQUEST",
        underscores: "REJECT_REQUEST",
        use_remote_address: true,
        ignore_port: true,
        strip_final_dot: true,
        trailers: false,
    };
    /// Envoy's own defaults: the filter sees what the client sent.
    pub const RAW: Self = Self {
        normalize_path: false,
        merge_slashes: false,
        escaped_slashes: "KEEP_UNCHANGED",
        underscores: "ALLOW",
        use_remote_address: false,
        ignore_port: false,
        strip_final_dot: false,
        trailers: true,
    };
}

/// How the plugin configuration is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `google.protobuf.Struct`: what Envoy YAML gives.
    Struct,
    /// `google.protobuf.StringValue` with JSON text: what Istio makes.
    Text,
}

/// Everything that one Envoy is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    pub plugin: Value,
    pub carrier: Carrier,
    pub clusters: Vec<(String, SocketAddr)>,
    pub listener: Listener,
    pub concurrency: u32,
    /// The filter comes by ECDS from a file and can be changed while Envoy runs.
    pub live: bool,
    /// That file is in a folder of links, which are swapped, as Kubernetes does it with a `ConfigMap`.
    pub mounted: bool,
    /// A bootstrap as an operator wrote it, in YAML, instead of one made of all this.
    pub written: Option<String>,
    /// Environment variables of Envoy that the VM may read.
    pub environment: Vec<(String, String)>,
    /// The module, if it is another one than the filter.
    pub module: Option<PathBuf>,
    /// Another HTTP filter, on a listener of its own beside ours.
    pub beside: Option<Value>,
    /// HTTP filters between ours and the router.
    pub behind: Vec<Value>,
    /// The virtual hosts, if not all requests go to [`MODEL`].
    pub virtual_hosts: Option<Value>,
    /// Access loggers beside the harness's own. What they write to `/dev/stdout` is in [`TOLD`].
    pub access_log: Vec<Value>,
    /// Certificate and key, in PEM form, if the listener is to speak TLS.
    pub tls: Option<(String, String)>,
    /// How much the wasm component logs: `info`, or `trace`.
    pub wasm_log: &'static str,
    /// How much all the others log: `warning`, or `trace`.
    pub log: &'static str,
    /// The filter as somebody else configures it, if not as the harness does.
    pub filter: Option<Value>,
    /// What somebody merges into the connection manager.
    pub merged: Option<Value>,
    /// A bootstrap that is somebody else's altogether.
    pub whole: Option<Value>,
}

impl Setup {
    /// The hardened listener, one worker, and this plugin configuration.
    pub fn with(plugin: Value) -> Self {
        Self {
            plugin,
            carrier: Carrier::Struct,
            clusters: Vec::new(),
            listener: Listener::HARDENED,
            concurrency: 1,
            live: false,
            mounted: false,
            written: None,
            environment: Vec::new(),
            module: None,
            beside: None,
            behind: Vec::new(),
            virtual_hosts: None,
            access_log: Vec::new(),
            tls: None,
            wasm_log: "info",
            log: "warning",
            filter: None,
            merged: None,
            whole: None,
        }
    }

    /// A bootstrap that is ready; its listeners are called as here.
    pub fn of(whole: Value) -> Self {
        Self {
            whole: Some(whole),
            ..Self::with(Value::Null)
        }
    }

    /// Where admitted requests go.
    #[must_use]
    pub fn model(self, address: SocketAddr) -> Self {
        self.cluster(MODEL, address)
    }

    /// A cluster that the filter or the route may use.
    #[must_use]
    pub fn cluster(mut self, name: &str, address: SocketAddr) -> Self {
        self.clusters.push((name.to_owned(), address));
        self
    }

    /// Another listener.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listener = listener;
        self
    }

    /// So many workers.
    #[must_use]
    pub fn workers(mut self, count: u32) -> Self {
        self.concurrency = count;
        self
    }

    /// This bootstrap, in YAML, as it is.
    #[must_use]
    pub fn written(mut self, bootstrap: String) -> Self {
        self.written = Some(bootstrap);
        self
    }

    /// The plugin configuration as JSON text.
    #[must_use]
    pub fn carried_as_text(mut self) -> Self {
        self.carrier = Carrier::Text;
        self
    }

    /// A variable of the environment that the filter may read.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another module in the filter's place.
    #[must_use]
    pub fn running(mut self, module: PathBuf) -> Self {
        self.module = Some(module);
        self
    }

    /// The same listener once more, with this HTTP filter in ours' place.
    #[must_use]
    pub fn beside(mut self, filter: Value) -> Self {
        self.beside = Some(filter);
        self
    }

    /// These virtual hosts instead of one that sends all to the model server.
    #[must_use]
    pub fn virtual_hosts(mut self, hosts: Value) -> Self {
        self.virtual_hosts = Some(hosts);
        self
    }

    /// The listener speaks TLS.
    #[must_use]
    pub fn tls(mut self, certificate: String, key: String) -> Self {
        self.tls = Some((certificate, key));
        self
    }

    /// The wasm component logs all that it can.
    #[must_use]
    pub fn tracing(mut self) -> Self {
        self.wasm_log = "trace";
        self
    }

    /// So do all the others.
    #[must_use]
    pub fn tracing_all(mut self) -> Self {
        self.log = "trace";
        self.tracing()
    }

    /// The bootstrap. Ports are 0: Envoy takes free ones and tells them, so that no two tests race for one.
    pub fn bootstrap(&self, folder: &Path) -> Value {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        let clusters = self
            .clusters
            .iter()
            .map(|(name, address)| cluster(name, *address, self.listener.trailers));
        let listener = |name: &str, filter: &Value| {
            let mut chain = json!({ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": self.connection_manager(folder, filter),
            }] });
            if let Some((certificate, key)) = &self.tls {
                chain["transport_socket"] = tls_socket(certificate, key);
            }
            json!({ "name": name, "address": socket("127.0.0.1", 0), "filter_chains": [chain] })
        };
        let ours = [listener(GATE, &self.filter_in_its_carrier(folder))].into_iter();
        let beside = self.beside.iter().map(|other| listener(BESIDE, other));
        json!({
            "node": { "id": "test", "cluster": "test" },
            "admin": { "address": socket("127.0.0.1", 0) },
            "stats_config": documented()["stats_config"],
            "static_resources": {
                "listeners": ours.chain(beside).collect::<Vec<_>>(),
                "clusters": clusters.collect::<Vec<_>>(),
            },
        })
    }

    fn filter_in_its_carrier(&self, folder: &Path) -> Value {
        if self.live {
            self.discovered_filter(folder)
        } else {
            json!({ "name": FILTER, "typed_config": self.filter() })
        }
    }

    fn access_logs(&self, folder: &Path) -> Vec<Value> {
        let mut loggers = vec![file_log(folder, ACCESS_LOG, &access_log_fields())];
        for logger in &self.access_log {
            let mut logger = logger.clone();
            if let Some(path) = logger.pointer_mut("/typed_config/path") {
                *path = json!(folder.join(TOLD));
            }
            loggers.push(logger);
        }
        loggers
    }

    fn connection_manager(&self, folder: &Path, filter: &Value) -> Value {
        let listener = self.listener;
        let router = json!({
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        });
        let filters = [filter].into_iter().chain(&self.behind).chain([&router]);
        let filters: Vec<_> = filters.collect();
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "gate",
            "normalize_path": listener.normalize_path,
            "merge_slashes": listener.merge_slashes,
            "path_with_escaped_slashes_action": listener.escaped_slashes,
            "common_http_protocol_options": { "headers_with_underscores_action": listener.underscores },
            "http_protocol_options": { "enable_trailers": listener.trailers },
            "use_remote_address": listener.use_remote_address,
            "strip_trailing_host_dot": listener.strip_final_dot,
            "stream_idle_timeout": "30s",
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            "access_log": self.access_logs(folder),
            "http_filters": filters,
            "route_config": { "ignore_port_in_host_matching": listener.ignore_port, "virtual_hosts": self.virtual_hosts.clone().unwrap_or_else(|| json!([{
                "name": "all",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": MODEL, "timeout": "0s" } }],
            }])) },
        });
        if let Some(more) = &self.merged {
            merge(&mut manager, more);
        }
        manager
    }

    /// The filter itself.
    pub fn filter(&self) -> Value {
        if let Some(filter) = &self.filter {
            return filter.clone();
        }
        let configuration = match self.carrier {
            Carrier::Struct => {
                json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": self.plugin })
            }
            Carrier::Text => json!({
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": self.plugin.to_string(),
            }),
        };
        let names = self.environment.iter().map(|(name, _)| name);
        let module = self.module.as_deref().unwrap_or_else(|| module::filter());
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": FILTER,
                "failure_policy": "FAIL_RELOAD",
                "reload_config": { "backoff": { "base_interval": "0.1s" } },
                "configuration": configuration,
                "vm_config": {
                    "vm_id": FILTER,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                    "environment_variables": { "host_env_keys": names.collect::<Vec<_>>() },
                },
            },
        })
    }
}

/// As protobuf merges messages, lists aside.
fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

fn socket(address: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": address, "port_value": port } })
}

fn tls_socket(certificate: &str, key: &str) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": { "tls_certificates": [{
                "certificate_chain": { "inline_string": certificate },
                "private_key": { "inline_string": key },
            }] },
        },
    })
}

fn cluster(name: &str, address: SocketAddr, trailers: bool) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http_protocol_options": { "enable_trailers": trailers } },
            },
        },
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [{
            "endpoint": { "address": socket(&address.ip().to_string(), address.port()) },
        }] }] },
    })
}
