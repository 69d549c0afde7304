//! A filter that comes by ECDS from a file, and can be changed while Envoy runs: by a rename, or as out of a `ConfigMap`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::envoy_config::{FILTER, Setup};

/// The file that Envoy watches for a live configuration.
const LIVE_FILTER: &str = "filter.json";
/// The folder that a `ConfigMap` is mounted as, in which that file is then.
const MOUNT: &str = "mount";

impl Setup {
    /// The configuration can be changed while Envoy runs.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// The same, out of a `ConfigMap`.
    #[must_use]
    pub fn mounted(mut self) -> Self {
        self.mounted = true;
        self.live()
    }

    /// Where the file is that Envoy watches.
    pub fn live_filter(&self, folder: &Path) -> PathBuf {
        if self.mounted {
            folder.join(MOUNT).join(LIVE_FILTER)
        } else {
            folder.join(LIVE_FILTER)
        }
    }

    /// The place of the filter, which names the file.
    pub(super) fn discovered_filter(&self, folder: &Path) -> Value {
        let mut source = json!({ "path": self.live_filter(folder) });
        if self.mounted {
            source["watched_directory"] = json!({ "path": folder.join(MOUNT) });
        }
        json!({ "name": FILTER, "config_discovery": {
            "config_source": { "path_config_source": source, "resource_api_version": "V3" },
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
        } })
    }

    /// The answer of an extension configuration discovery service, as a file.
    pub fn discovery_response(&self) -> Value {
        json!({ "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": FILTER,
            "typed_config": self.filter(),
        }] })
    }
}

/// Envoy notices a rename, and only a rename.
pub fn write_live_file(setup: &Setup, folder: &Path, text: &str) {
    if setup.mounted {
        return swap_mount(&folder.join(MOUNT), text);
    }
    let new = folder.join("filter.new");
    fs::write(&new, text).expect("the new filter");
    fs::rename(new, setup.live_filter(folder)).expect("a rename");
}

/// As the kubelet does it: the files are written to a new folder, `..data` leads to that folder and is renamed onto, and
/// each file is a link through `..data`. Nothing else is renamed there, or Envoy would read while the old folder goes.
fn swap_mount(mount: &Path, text: &str) {
    let data = mount.join("..data");
    let old = fs::read_link(&data).ok();
    fs::create_dir_all(mount).expect("the mount");
    let folder = tempfile::Builder::new().prefix("..").tempdir_in(mount);
    let folder = folder.expect("a folder").keep();
    fs::write(folder.join(LIVE_FILTER), text).expect("the new filter");
    let name = folder.file_name().expect("a name");
    symlink(name, mount.join("..data_tmp")).expect("a link");
    fs::rename(mount.join("..data_tmp"), &data).expect("a rename");
    if let Some(old) = old {
        fs::remove_dir_all(mount.join(old)).expect("the old folder");
    } else {
        let link = Path::new("..data").join(LIVE_FILTER);
        symlink(link, mount.join(LIVE_FILTER)).expect("a link");
    }
}
