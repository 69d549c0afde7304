//! The manifest over a pack, by which a third party verifies it, and the folder that a pack lies in.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::inventory::{FORMAT, Inventory};
use super::pack::{Pack, Page};
use crate::json;

const BEGINNING: &str = "manifest-";
const END: &str = ".json";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub format: u32,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// RFC 3339.
    pub written_at: String,
    pub config_id: String,
    pub versions: Versions,
    /// Where requests were sent.
    pub probed: Option<String>,
    /// Name to digest.
    pub files: BTreeMap<String, FileDigest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Versions {
    /// Of this command, which reads configurations with the code of the filter of the same version.
    pub tenantgate: String,
    /// The filter's module, where it could be read.
    pub module: Option<Module>,
    /// As its admin interface says it.
    pub envoy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Module {
    pub file: String,
    pub sha256: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileDigest {
    pub sha256: String,
    pub bytes: u64,
}

impl Manifest {
    /// The manifest over these files.
    pub fn over(files: &[(String, String)], pack: &Pack, written_at: Timestamp) -> Self {
        let digests = files
            .iter()
            .map(|(name, text)| (name.clone(), FileDigest::of(text.as_bytes())));
        Self {
            format: FORMAT,
            date: pack.inventory.date.clone(),
            written_at: written_at.to_string(),
            config_id: pack.inventory.config_id.clone(),
            versions: pack.versions.clone(),
            probed: pack.proofs.as_ref().map(|proofs| proofs.base.clone()),
            files: digests.collect(),
        }
    }

    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// That there is none, or more than one, or none that can be read.
    pub fn read(folder: &Path) -> Result<(String, Self), String> {
        let names = names(folder)?;
        let mut manifests = names.iter().filter(|name| is_manifest(name));
        let (Some(name), None) = (manifests.next(), manifests.next()) else {
            let what = "must have one manifest-DATE.json; is it the folder of one pack?";
            return Err(format!("{}: {what}", folder.display()));
        };
        Ok((name.clone(), parsed(&folder.join(name))?))
    }
}

impl FileDigest {
    fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: base16ct::lower::encode_string(&Sha256::digest(bytes)),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        }
    }
}

impl Module {
    /// The digest of a module that can be read here.
    pub fn read(file: &Path) -> io::Result<Self> {
        let name = file.file_name().unwrap_or(file.as_os_str());
        Ok(Self {
            file: name.to_string_lossy().into_owned(),
            sha256: FileDigest::of(&fs::read(file)?).sha256,
        })
    }
}

/// All that is wrong with a pack: a sentence each.
///
/// # Errors
/// That there is no manifest to verify it by.
pub(super) fn verify(folder: &Path) -> Result<(Manifest, Vec<String>), String> {
    let (own_name, manifest) = Manifest::read(folder)?;
    let mut wrong = Vec::new();
    for (name, expected) in &manifest.files {
        // A pack comes from somebody else, and a name that leads out of its folder is none.
        if !is_plain(name) {
            wrong.push(format!("{name:?} is not the name of a file in the pack"));
            continue;
        }
        match fs::read(folder.join(name)) {
            Ok(bytes) if FileDigest::of(&bytes) == *expected => {}
            Ok(_) => wrong.push(format!(
                "{name} was changed: its digest is not that of the manifest"
            )),
            Err(error) => wrong.push(format!("{name} cannot be read: {error}")),
        }
    }
    // Signatures of the manifest may lie beside it.
    let beside = |name: &String| name.starts_with(&own_name);
    for name in names(folder)?.iter().filter(|name| !beside(name)) {
        if !manifest.files.contains_key(name) {
            wrong.push(format!("{name} is not in the manifest"));
        }
    }
    if manifest
        .files
        .contains_key(&Page::Configuration.file(&manifest.date))
    {
        if wrong.is_empty() {
            let inventory = inventory(folder, &manifest)?;
            if inventory.config_id != manifest.config_id {
                wrong.push("the manifest has the config_id of another configuration".to_owned());
            }
        }
    } else {
        wrong.push("the manifest names no gateway-auth-config".to_owned());
    }
    Ok((manifest, wrong))
}

/// The configuration that a verified pack holds.
///
/// # Errors
/// That it cannot be read, or that this command does not know its form.
pub(super) fn inventory(folder: &Path, manifest: &Manifest) -> Result<Inventory, String> {
    parsed(&folder.join(Page::Configuration.file(&manifest.date)))
}

/// A JSON file in a form that this command knows.
fn parsed<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, String> {
    let name = file.display();
    let bytes = fs::read(file).map_err(|error| format!("{name}: {error}"))?;
    let value = json::parse(&bytes).map_err(|error| format!("{name}: {error}"))?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    if format != Some(u64::from(FORMAT)) {
        return Err(format!(
            "{name}: is of a form that this version of the command does not know (format must be {FORMAT})"
        ));
    }
    T::deserialize(value).map_err(|error| format!("{name}: {error}"))
}

/// Why a pack cannot be written to a folder, asked before anything is done for it.
///
/// # Errors
/// What is there already, and how to mend it.
pub(super) fn check_free(folder: &Path, force: bool) -> Result<(), String> {
    let place = folder.display();
    match fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("--out {place}: {error}")),
        Ok(found) if !found.is_dir() => Err(format!("--out {place}: is not a folder")),
        Ok(_) => {
            let names = names(folder)?;
            let is_pack = names.iter().any(|name| is_manifest(name));
            match (names.is_empty(), force) {
                (true, _) => Ok(()),
                (false, false) => Err(format!(
                    "--out {place}: is there already; --force replaces the pack in it"
                )),
                (false, true) if is_pack => Ok(()),
                (false, true) => Err(format!(
                    "--out {place}: is not empty and holds no pack, so --force replaces nothing"
                )),
            }
        }
    }
}

/// Writes a pack. One that is there already gives way; what else is in the folder stays.
///
/// # Errors
/// What could not be written.
pub(super) fn write(folder: &Path, files: &[(String, String)]) -> Result<(), String> {
    let told = |place: PathBuf| move |error: io::Error| format!("{}: {error}", place.display());
    fs::create_dir_all(folder).map_err(told(folder.to_owned()))?;
    for name in names(folder)?.iter().filter(|name| is_manifest(name)) {
        // An old pack without its manifest is none: that goes first, so that no half of it passes for a whole.
        let old = parsed::<Manifest>(&folder.join(name));
        fs::remove_file(folder.join(name)).map_err(told(folder.join(name)))?;
        let files = old.map(|manifest| manifest.files).unwrap_or_default();
        for name in files.keys().filter(|name| is_plain(name)) {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(told(folder.join(name))(error));
                }
                _ => {}
            }
        }
    }
    for (name, text) in files {
        fs::write(folder.join(name), text).map_err(told(folder.join(name)))?;
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>, String> {
    let told = |error: io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        names.push(
            entry
                .map_err(told)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

fn is_manifest(name: &str) -> bool {
    name.starts_with(BEGINNING) && name.ends_with(END)
}

fn is_plain(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!(
        (components.next(), components.next()),
        (Some(Component::Normal(_)), None)
    ) && !name.contains(['/', '\\', ':'])
}
