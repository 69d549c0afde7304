//! A file is replaced as a whole, or not at all: whoever reads it, at whatever moment, reads the old text or the new.
//!
//! Envoy takes notice of a file that is renamed onto the one it watches, and of nothing else.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file that is to be replaced. Nobody else replaces it by this command meanwhile.
#[derive(Debug)]
pub(super) struct Replacement<'a> {
    file: &'a Path,
    /// What stands there; nothing where there is no such file yet.
    pub old: Option<String>,
    folder: PathBuf,
    /// The folder, locked until this is dropped.
    lock: File,
}

/// Why a file cannot be replaced.
#[derive(Debug, Error)]
pub(super) enum ReplaceError {
    #[error(
        "is a symbolic link, as in a mounted ConfigMap; change what it is mounted from, or name the file that it leads to"
    )]
    SymbolicLink,
    #[error("is not a file")]
    NotAFile,
    #[error("its folder cannot be written to: {0}")]
    Folder(io::Error),
    #[error("its owner cannot be kept ({0}); run this as its owner, or as root")]
    Owner(io::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl<'a> Replacement<'a> {
    /// Begins with what stands there.
    pub fn of(file: &'a Path) -> Result<Self, ReplaceError> {
        let folder = match file.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let lock = File::open(&folder)?;
        match lock.lock() {
            // A file system without locks: then two at once are not kept apart.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            other => other?,
        }
        let old = match fs::symlink_metadata(file) {
            Ok(entry) if entry.is_symlink() => return Err(ReplaceError::SymbolicLink),
            Ok(entry) if !entry.is_file() => return Err(ReplaceError::NotAFile),
            Ok(_) => Some(fs::read_to_string(file)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            file,
            old,
            folder,
            lock,
        })
    }

    /// Puts the new text in the old one's place, with the old one's owner and permissions.
    ///
    /// When this returns, the new text is on the disk. Where it fails, the old one is still there.
    pub fn with(self, text: &str) -> Result<(), ReplaceError> {
        let mut new = tempfile::Builder::new()
            .prefix(".tenantgate-")
            .tempfile_in(&self.folder)
            .map_err(ReplaceError::Folder)?;
        new.write_all(text.as_bytes())?;
        if self.old.is_some() {
            like(new.as_file(), &fs::metadata(self.file)?)?;
        }
        new.as_file().sync_all()?;
        new.persist(self.file).map_err(|error| error.error)?;
        // Without this, a crash could bring the old one back.
        Ok(self.lock.sync_all()?)
    }
}

#[cfg(unix)]
fn like(new: &File, old: &fs::Metadata) -> Result<(), ReplaceError> {
    use std::os::unix::fs::{MetadataExt, fchown};

    let made = new.metadata()?;
    if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid())).map_err(ReplaceError::Owner)?;
    }
    Ok(new.set_permissions(old.permissions())?)
}

#[cfg(not(unix))]
fn like(new: &File, old: &fs::Metadata) -> Result<(), ReplaceError> {
    Ok(new.set_permissions(old.permissions())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        Replacement::of(&file).unwrap().with("one").unwrap();
        assert_eq!(Replacement::of(&file).unwrap().old.as_deref(), Some("one"));
        Replacement::of(&file).unwrap().with("two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["f"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_kept_and_links_are_left_alone() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("f"), folder.path().join("l"));
        fs::write(&file, "one").unwrap();
        for mode in [0o640, 0o444] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            Replacement::of(&file).unwrap().with("two").unwrap();
            let kept = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(kept & 0o777, mode);
        }
        symlink(&file, &link).unwrap();
        for (path, expected) in [
            (link.as_path(), "symbolic link"),
            (folder.path(), "not a file"),
        ] {
            let refused = Replacement::of(path).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
