//! Files that were uploaded with a topology, which reads them.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use super::HostingError;
use crate::topology::Manifest;

/// Bytes of a file, at most.
pub const LONGEST_FILE: usize = 8 << 20;

/// Files of a topology, at most.
const MOST_FILES: usize = 64;

/// Bytes of a path, and of each name in it, at most.
const LONGEST_PATH: usize = 1024;
const LONGEST_NAME: usize = 255;

/// A file that goes with a topology.
#[derive(Debug, Clone)]
pub struct UploadedFile {
    /// Where it lies below the topology's directory: names joined by `/`.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Files with paths that lead nowhere else.
pub(super) struct Files(Vec<UploadedFile>);

impl Files {
    /// Those of these that the topology reads, and none besides.
    pub(super) fn new(files: Vec<UploadedFile>, manifest: &Manifest) -> Result<Self, HostingError> {
        let wrong = |what: String| Err(HostingError::Upload(what));
        if files.len() > MOST_FILES {
            return wrong(format!("{MOST_FILES} files can be uploaded at most"));
        }
        let read = manifest.files();
        let mut known = BTreeSet::new();
        for UploadedFile { path, bytes } in &files {
            if let Some(why) = bad_path(path) {
                let path = path.escape_debug();
                return wrong(format!("the file \"{path}\" cannot be uploaded: {why}"));
            }
            if read.iter().all(|file| file.path != *path) {
                return wrong(format!("no source or operator reads the file {path}"));
            }
            if bytes.len() > LONGEST_FILE {
                return wrong(format!(
                    "the file {path} has more than {LONGEST_FILE} bytes; ask who runs this server for a root to read it from"
                ));
            }
            if !known.insert(path.as_str()) {
                return wrong(format!("the file {path} is given twice"));
            }
        }
        let above = |path: &&str| {
            let mut above = Path::new(path).ancestors().skip(1);
            above.any(|above| above.to_str().is_some_and(|it| known.contains(it)))
        };
        if let Some(path) = known.iter().find(|path| above(path)) {
            return wrong(format!("the file {path} lies in what is a file, too"));
        }
        Ok(Self(files))
    }

    /// Their paths and the digests of their bytes.
    pub(super) fn digests(&self) -> Vec<(String, String)> {
        let digests = self.with_digests();
        digests
            .map(|(file, digest)| (file.path.clone(), digest))
            .collect()
    }

    /// Each, with the digest of its bytes.
    pub(super) fn with_digests(&self) -> impl Iterator<Item = (&UploadedFile, String)> {
        self.0.iter().map(|file| (file, digest(file)))
    }

    /// Writes them, durably, to a directory in which nobody else makes links.
    pub(super) fn write_to(&self, directory: &Path) -> io::Result<()> {
        for UploadedFile { path, bytes } in &self.0 {
            let path = directory.join(path);
            let folder = path.parent().unwrap_or(directory);
            fs::create_dir_all(folder)?;
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            let folders = folder.ancestors();
            for folder in folders.take_while(|folder| folder.starts_with(directory)) {
                File::open(folder)?.sync_all()?;
            }
        }
        Ok(())
    }
}

fn digest(file: &UploadedFile) -> String {
    blake3::hash(&file.bytes).to_hex().to_string()
}

fn bad_path(path: &str) -> Option<&'static str> {
    let mut names = path.split('/');
    match () {
        () if path.len() > LONGEST_PATH => Some("its path is too long"),
        () if path.contains(char::is_control) => Some("its path has control characters"),
        () if names.clone().any(|name| name.len() > LONGEST_NAME) => {
            Some("a name in its path is too long")
        }
        () if names.any(|name| ["", ".", ".."].contains(&name)) => {
            Some("its path must be names joined by `/`, below the topology's own directory")
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Result<Files, String> {
        let text = "[source.a]\ntype = \"file\"\npath = \"a\"\n[source.b]\ntype = \"file\"\npath = \"a/b\"\n\
            [source.c]\ntype = \"file\"\npath = \"../c\"\n[source.d]\ntype = \"file\"\npath = \"/d\"\n";
        let manifest = Manifest::parse("t.toml", text).unwrap();
        let files = paths.iter().map(|path| UploadedFile {
            path: (*path).to_owned(),
            bytes: b"x".to_vec(),
        });
        Files::new(files.collect(), &manifest).map_err(|error| error.to_string())
    }

    #[test]
    fn paths_lead_nowhere_else() {
        for (paths, why) in [
            (&["../c"][..], "names joined"),
            (&["/d"], "names joined"),
            (&["a/../a"], "names joined"),
            (&["./a"], "names joined"),
            (&["a\0"], "control"),
            (&[&"x".repeat(2_000)], "too long"),
            (&[&"x".repeat(300)], "too long"),
            (&["c"], "no source or operator reads"),
            (&["a", "a"], "twice"),
            (&["a/b", "a"], "in what is a file"),
        ] {
            let error = files(paths).err().unwrap();
            assert!(error.contains(why), "{paths:?}: {error}");
        }
        let directory = tempfile::tempdir().unwrap();
        let kept = files(&["a/b"]).unwrap();
        kept.write_to(directory.path()).unwrap();
        assert_eq!(fs::read(directory.path().join("a/b")).unwrap(), b"x");
        let digest = blake3::hash(b"x").to_hex().to_string();
        assert_eq!(kept.digests(), [("a/b".to_owned(), digest)]);
    }
}
