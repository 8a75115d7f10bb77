//! Where a checkpoint lies.

use std::{fmt, path::Path, str::FromStr};

use crate::confine::Place;

/// A directory, or a folder in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of this machine; a relative one starts at the topology's.
    Directory(Place),
    /// A folder of a bucket.
    Objects(ObjectUrl),
}

/// `s3://bucket/folder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUrl {
    /// The bucket.
    pub bucket: String,
    /// The folder in it, without slashes at its ends.
    pub folder: String,
}

/// A text that is no place for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLocation {
    /// Nothing at all.
    #[error("must not be empty")]
    Empty,
    /// A store that is not known.
    #[error("cannot be a {0}:// URL: write a directory, or s3://bucket/folder")]
    Scheme(String),
    /// No bucket.
    #[error("names no bucket: write s3://bucket/folder")]
    NoBucket,
    /// Letters that no bucket's name has, such as a password before an `@`.
    #[error(
        "names a bucket with letters that a bucket cannot have: write s3://bucket/folder; keys and endpoints come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT"
    )]
    Bucket,
    /// Only a bucket.
    #[error("names no folder in the bucket: write s3://{0}/folder")]
    NoFolder(String),
    /// Part of the folder's name is empty, or dots, or has letters that stores treat differently.
    #[error(
        "names a folder with a part that is empty, `.` or `..`, or with a letter that objects should not have: use letters, digits, - _ . = and spaces"
    )]
    Folder,
}

impl Location {
    /// The same, where a relative directory starts at `base`.
    #[must_use]
    pub fn under(&self, base: &Path) -> Self {
        match self {
            Self::Directory(path) => Self::Directory(path.under(base)),
            Self::Objects(url) => Self::Objects(url.clone()),
        }
    }
}

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(InvalidLocation::Empty);
        }
        match text.split_once("://") {
            None => Ok(Self::Directory(text.into())),
            Some(("file", "")) => Err(InvalidLocation::Empty),
            Some(("file", path)) => Ok(Self::Directory(path.into())),
            Some(("s3" | "s3a", rest)) => Ok(Self::Objects(ObjectUrl::of(rest)?)),
            Some((scheme, _)) => Err(InvalidLocation::Scheme(scheme.to_owned())),
        }
    }
}

impl ObjectUrl {
    /// Of what stands behind `s3://`.
    fn of(text: &str) -> Result<Self, InvalidLocation> {
        let (bucket, folder) = text.split_once('/').unwrap_or((text, ""));
        if bucket.is_empty() {
            return Err(InvalidLocation::NoBucket);
        }
        if !bucket
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || ".-_".contains(letter))
        {
            return Err(InvalidLocation::Bucket);
        }
        let folder = folder.trim_end_matches('/');
        if folder.is_empty() {
            return Err(InvalidLocation::NoFolder(bucket.to_owned()));
        }
        let is_odd = |part: &str| {
            ["", ".", ".."].contains(&part)
                || part
                    .chars()
                    .any(|letter| letter.is_control() || "?#%*\\{}^`[]\"<>~|".contains(letter))
        };
        if folder.split('/').any(is_odd) {
            return Err(InvalidLocation::Folder);
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            folder: folder.to_owned(),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Objects(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_directory_or_a_folder_of_a_bucket() {
        for (text, printed) in [
            ("kept", "kept"),
            ("file:///var/kept", "/var/kept"),
            ("s3://bucket/kept", "s3://bucket/kept"),
            ("s3a://my.bucket-1/a/b=c d/", "s3://my.bucket-1/a/b=c d"),
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), printed);
        }
        let under = |text: &str| text.parse::<Location>().unwrap().under(Path::new("/base"));
        assert_eq!(under("kept"), Location::Directory("/base/kept".into()));
        assert_eq!(under("/kept"), Location::Directory("/kept".into()));
        assert_eq!(under("s3://b/kept").to_string(), "s3://b/kept");
    }

    #[test]
    fn what_is_no_place_is_told() {
        for (text, why) in [
            ("", "must not be empty"),
            ("file://", "must not be empty"),
            ("gs://bucket/kept", "cannot be a gs:// URL"),
            ("s3:///kept", "names no bucket"),
            ("s3://key:secret@bucket/kept", "AWS_ACCESS_KEY_ID"),
            ("s3://bucket", "write s3://bucket/folder"),
            ("s3://bucket/", "names no folder"),
            ("s3://bucket/a//b", "is empty"),
            ("s3://bucket/../b", "`..`"),
            ("s3://bucket/b?x=1", "use letters"),
        ] {
            let error = text.parse::<Location>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
