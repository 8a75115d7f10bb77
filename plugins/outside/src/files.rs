//! Files of the first directory that is granted.

use rsrt::prelude::*;

use crate::wasi::{
    filesystem::{
        preopens::get_directories,
        types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags},
    },
    io::streams::{OutputStream, StreamError},
};

/// The text of a file, or why there is none.
#[rsrt::map]
pub(crate) fn read(path: &str) -> String {
    let file = granted().and_then(|directory| {
        let flags = DescriptorFlags::READ;
        let opened = directory.open_at(PathFlags::SYMLINK_FOLLOW, path, OpenFlags::empty(), flags);
        opened
            .and_then(|file| file.read_via_stream(0))
            .map_err(told)
    });
    let file = match file {
        Ok(file) => file,
        Err(why) => return why,
    };
    let mut text = Vec::new();
    loop {
        match file.blocking_read(4) {
            Ok(bytes) => text.extend(bytes),
            Err(StreamError::Closed) => return String::from_utf8_lossy(&text).into_owned(),
            Err(StreamError::LastOperationFailed(why)) => return why.to_debug_string(),
        }
    }
}

/// What lies in the directory.
#[rsrt::map]
pub(crate) fn list(_: &str) -> String {
    let entries = granted().and_then(|directory| directory.read_directory().map_err(told));
    let entries = match entries {
        Ok(entries) => entries,
        Err(why) => return why,
    };
    let mut names = Vec::new();
    while let Ok(Some(entry)) = entries.read_directory_entry() {
        names.push(entry.name);
    }
    names.join(" ")
}

/// Makes an empty file, gives it another name and removes it; what came of it.
#[rsrt::map]
pub(crate) fn create(path: &str) -> String {
    let done = granted().and_then(|directory| {
        let moved = format!("{path}.moved");
        open(&directory, path)
            .and_then(|_| directory.rename_at(path, &directory, &moved))
            .and_then(|()| directory.unlink_file_at(&moved))
            .map_err(told)
    });
    done.map_or_else(|why| why, |()| "done".to_owned())
}

/// Appends lines to the file `rows-PARTITION.txt`.
#[derive(Default)]
pub(crate) struct Keep {
    file: Option<OutputStream>,
}

/// Appends lines to a file for each partition.
#[rsrt::foreach]
impl Keep {
    fn accept(&mut self, line: &str) -> Result<(), Reject> {
        if self.file.is_none() {
            let name = format!("rows-{}.txt", task().partition);
            let file = granted().and_then(|directory| {
                let file = open(&directory, &name);
                file.and_then(|file| file.append_via_stream()).map_err(told)
            });
            match file {
                Ok(file) => self.file = Some(file),
                Err(why) => panic!("no place for rows: {why}"),
            }
        }
        let written = self.file.as_ref().map(|file| {
            let line = format!("{line}\n");
            file.blocking_write_and_flush(line.as_bytes())
        });
        match written {
            Some(Err(_)) => Err(reject("it cannot be written")),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) {
        self.file = None;
    }
}

fn granted() -> Result<Descriptor, String> {
    let first = get_directories().into_iter().next();
    first.map_or_else(
        || Err("no directory is granted".to_owned()),
        |(directory, _)| Ok(directory),
    )
}

fn open(directory: &Descriptor, path: &str) -> Result<Descriptor, ErrorCode> {
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    directory.open_at(PathFlags::empty(), path, OpenFlags::CREATE, flags)
}

fn told(code: ErrorCode) -> String {
    code.name().to_owned()
}
