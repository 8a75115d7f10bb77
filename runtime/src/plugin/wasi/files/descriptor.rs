//! An open file or directory, as a plugin holds it.

use std::{io, sync::Arc};

use cap_std::fs::{Dir, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;
use wasmtime::component::flags;

use super::{ErrorCode, OpenFile, stat::Kind};
use crate::plugin::wasi::{grants::Access, world::Slot};

// `types.descriptor-flags`.
flags! {
    DescriptorFlags {
        #[component(name = "read")]
        const READ;
        #[component(name = "write")]
        const WRITE;
        #[component(name = "file-integrity-sync")]
        const FILE_INTEGRITY_SYNC;
        #[component(name = "data-integrity-sync")]
        const DATA_INTEGRITY_SYNC;
        #[component(name = "requested-write-sync")]
        const REQUESTED_WRITE_SYNC;
        #[component(name = "mutate-directory")]
        const MUTATE_DIRECTORY;
    }
}

// `types.path-flags`.
flags! {
    PathFlags {
        #[component(name = "symlink-follow")]
        const SYMLINK_FOLLOW;
    }
}

// `types.open-flags`.
flags! {
    OpenFlags {
        #[component(name = "create")]
        const CREATE;
        #[component(name = "directory")]
        const DIRECTORY;
        #[component(name = "exclusive")]
        const EXCLUSIVE;
        #[component(name = "truncate")]
        const TRUNCATE;
    }
}

/// `types.descriptor`.
#[derive(Debug, Clone)]
pub(in super::super) enum Descriptor {
    File {
        file: OpenFile,
        readable: bool,
        writable: bool,
    },
    Directory(Directory),
}

/// A directory that was granted, or lies in one.
#[derive(Debug, Clone)]
pub(in super::super) struct Directory {
    pub(super) directory: Arc<Dir>,
    access: Access,
    /// None: it is held open for all instances.
    _slot: Option<Slot>,
}

impl Descriptor {
    pub(super) fn granted(directory: Arc<Dir>, access: Access) -> Self {
        Self::Directory(Directory {
            directory,
            access,
            _slot: None,
        })
    }

    /// The directory, to look into it.
    pub(super) fn directory(&self) -> Result<&Directory, ErrorCode> {
        match self {
            Self::Directory(directory) => Ok(directory),
            Self::File { .. } => Err(ErrorCode::NotDirectory),
        }
    }

    /// The directory, to change what lies in it.
    pub(super) fn changeable(&self) -> Result<&Dir, ErrorCode> {
        let directory = self.directory()?;
        match directory.access {
            Access::Read => Err(ErrorCode::ReadOnly),
            Access::Write => Ok(&directory.directory),
        }
    }

    pub(super) fn readable(&self) -> Result<&OpenFile, ErrorCode> {
        match self {
            Self::File {
                file,
                readable: true,
                ..
            } => Ok(file),
            Self::File { .. } => Err(ErrorCode::BadDescriptor),
            Self::Directory(_) => Err(ErrorCode::IsDirectory),
        }
    }

    pub(super) fn writable(&self) -> Result<&OpenFile, ErrorCode> {
        match self {
            Self::File {
                file,
                writable: true,
                ..
            } => Ok(file),
            Self::File { .. } => Err(ErrorCode::BadDescriptor),
            Self::Directory(_) => Err(ErrorCode::IsDirectory),
        }
    }

    pub(super) fn flags(&self) -> DescriptorFlags {
        let (read, write, change) = match self {
            Self::File {
                readable, writable, ..
            } => (*readable, *writable, false),
            Self::Directory(directory) => (true, false, directory.access == Access::Write),
        };
        let mut flags = DescriptorFlags::default();
        for (has, flag) in [
            (read, DescriptorFlags::READ),
            (write, DescriptorFlags::WRITE),
            (change, DescriptorFlags::MUTATE_DIRECTORY),
        ] {
            if has {
                flags |= flag;
            }
        }
        flags
    }

    pub(super) fn metadata(&self) -> Result<Metadata, io::Error> {
        match self {
            Self::File { file, .. } => file.file.metadata(),
            Self::Directory(directory) => directory.directory.dir_metadata(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::File { .. } => Kind::RegularFile,
            Self::Directory(_) => Kind::Directory,
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> Result<bool, io::Error> {
        let (one, other) = (self.metadata()?, other.metadata()?);
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    }
}

impl Directory {
    /// Opens what lies at `path`. That the path stays inside is for `cap-std` to see to.
    pub(super) fn open(
        &self,
        path: &str,
        follow: PathFlags,
        how: OpenFlags,
        wanted: DescriptorFlags,
        slot: Slot,
    ) -> Result<Descriptor, ErrorCode> {
        let has = |flag| how.contains(flag);
        let writes = wanted.contains(DescriptorFlags::WRITE);
        let changes = writes
            || wanted.contains(DescriptorFlags::MUTATE_DIRECTORY)
            || has(OpenFlags::CREATE)
            || has(OpenFlags::EXCLUSIVE)
            || has(OpenFlags::TRUNCATE);
        if changes && self.access == Access::Read {
            return Err(ErrorCode::ReadOnly);
        }
        let follows = follow.contains(PathFlags::SYMLINK_FOLLOW);
        if has(OpenFlags::DIRECTORY) {
            if !follows && self.directory.symlink_metadata(path)?.is_symlink() {
                return Err(ErrorCode::Loop);
            }
            let directory = self.directory.open_dir(path)?;
            return Ok(self.inside(directory, slot));
        }
        // A pipe must not keep the thread waiting for its other end.
        let mut flags = OFlags::NONBLOCK;
        if !follows {
            flags |= OFlags::NOFOLLOW;
        }
        let mut options = OpenOptions::new();
        options
            .read(wanted.contains(DescriptorFlags::READ) || !writes)
            // Who creates a file to read it has one that can be written.
            .write(writes || has(OpenFlags::CREATE) || has(OpenFlags::TRUNCATE))
            .create(has(OpenFlags::CREATE))
            .create_new(has(OpenFlags::CREATE) && has(OpenFlags::EXCLUSIVE))
            .truncate(has(OpenFlags::TRUNCATE))
            .custom_flags(flags.bits().cast_signed());
        let file = self.directory.open_with(path, &options)?;
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            let directory = Dir::from_std_file(file.into_std());
            return Ok(self.inside(directory, slot));
        }
        if !kind.is_file() {
            return Err(ErrorCode::NotPermitted); // devices, pipes and sockets are no data
        }
        Ok(Descriptor::File {
            file: OpenFile {
                file: Arc::new(file),
                _slot: slot,
            },
            readable: wanted.contains(DescriptorFlags::READ) || !writes,
            writable: writes,
        })
    }

    fn inside(&self, directory: Dir, slot: Slot) -> Descriptor {
        Descriptor::Directory(Self {
            directory: Arc::new(directory),
            access: self.access,
            _slot: Some(slot),
        })
    }

    pub(super) fn metadata(&self, path: &str, follow: PathFlags) -> Result<Metadata, io::Error> {
        match follow.contains(PathFlags::SYMLINK_FOLLOW) {
            true => self.directory.metadata(path),
            false => self.directory.symlink_metadata(path),
        }
    }
}
