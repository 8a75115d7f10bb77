//! New files of directories (spec 12.3).

use std::{
    io,
    num::NonZeroUsize,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use globset::{GlobBuilder, GlobMatcher};

use super::{
    Claim, PartitionReader, Source, SourceError, SourceProblem, Taken,
    error::another_type,
    file_range::{FilePartition, FileRange, unreadable},
    record_file::RecordFile,
    selection::{ListedFile, Selection},
};
use crate::{
    confine::Place,
    format::LineDecoder,
    model::{BatchInterval, BatchTime, FileStamp, InputPosition, InputRange, NodeName},
};

/// Reads each file of one directory, or of all that a glob matches, in the first batch that is not
/// older than the file's last change. One partition per file, by path. Does not look into
/// directories below. A file must appear whole: write it elsewhere and rename it.
#[derive(Debug)]
pub struct DirectorySource {
    name: NodeName,
    /// Where the pattern starts.
    start: Place,
    pattern: Vec<Step>,
    selection: Selection,
    reading: FileReading,
    /// By the last claim.
    taken: Option<Vec<FileStamp>>,
}

/// How a file becomes rows.
#[derive(Debug, Clone)]
pub enum FileReading {
    /// Line by line.
    Lines(Arc<LineDecoder>),
    /// As records of so many bytes each: `value: binary` (spec 12.4).
    Records(NonZeroUsize),
}

/// A part of the path of a directory.
#[derive(Debug)]
enum Step {
    /// As it is.
    Plain(PathBuf),
    /// All directories whose names match.
    Glob(GlobMatcher),
}

impl DirectorySource {
    /// Of the directories that `path` names or matches. Files not changed after `ignored_until`
    /// (milliseconds since the epoch) are never read; `remember` is rounded up to batches.
    ///
    /// # Errors
    /// When `path` is no pattern. A directory that is not there may come later.
    pub fn new(
        name: &NodeName,
        path: impl Into<Place>,
        ignored_until: i64,
        remember: Duration,
        interval: BatchInterval,
        reading: FileReading,
    ) -> Result<Self, SourceError> {
        let path = path.into();
        let remember = i64::try_from(remember.as_millis()).unwrap_or(i64::MAX);
        let interval = interval.as_millis();
        let batches = remember / interval + i64::from(remember % interval != 0);
        Ok(Self {
            name: name.clone(),
            start: path.start(),
            pattern: steps(path.steps()).map_err(|problem| SourceError::new(name, problem))?,
            selection: Selection::new(ignored_until, batches.saturating_mul(interval)),
            reading,
            taken: None,
        })
    }
}

impl Source for DirectorySource {
    /// Always a batch. When a directory cannot be listed it is empty, with a warning; what is there
    /// is read later, if it is still within the window then.
    fn claim(&mut self, time: BatchTime) -> Result<Claim, SourceError> {
        let listed = list(&self.start, &self.pattern).unwrap_or_else(|(path, error)| {
            tracing::warn!(source = %self.name, path = %path.display(), %error,
                "cannot list the directory, so this batch is empty");
            Vec::new()
        });
        let files = self.selection.choose(time.as_millis(), listed);
        let stamps = files.into_iter().map(|file| FileStamp {
            path: file.path,
            length: file.length,
            modified: file.modified,
        });
        self.batch(stamps.collect())
    }

    fn taken(&self) -> Option<Taken> {
        Some(Taken {
            range: InputRange::Files(self.taken.clone()?),
            position: self.selection.position(),
        })
    }

    fn resume(&mut self, position: &InputPosition) -> Result<(), SourceError> {
        match position {
            InputPosition::Files { initial, taken } => {
                self.selection.resume(*initial, taken);
                Ok(())
            }
            _ => Err(another_type(&self.name)),
        }
    }

    fn replay(&mut self, time: BatchTime, range: &InputRange) -> Result<Claim, SourceError> {
        let InputRange::Files(files) = range else {
            return Err(another_type(&self.name));
        };
        for claimed in files {
            let failed = |problem| SourceError::new(&self.name, problem);
            let place = self.place(claimed)?;
            let found = look_at(&place);
            let found = found.map_err(|error| failed(unreadable(&place, error)))?;
            let found = found.map_or((0, 0), |file| (file.length, file.modified));
            if found != (claimed.length, claimed.modified) {
                return Err(failed(SourceProblem::Changed {
                    path: place.shown(),
                    expected: claimed.length,
                    found: found.0,
                }));
            }
        }
        let paths = files.iter().map(|file| file.path.clone());
        self.selection.take(time.as_millis(), paths);
        self.batch(files.clone())
    }

    fn is_exhausted(&self) -> bool {
        false
    }
}

impl DirectorySource {
    /// Of a file that was listed, now or by an earlier run.
    fn place(&self, file: &FileStamp) -> Result<Place, SourceError> {
        let place = self.start.sibling(&file.path);
        place.map_err(|error| {
            let unknown = Place::from(file.path.file_name().map_or(Path::new(""), Path::new));
            SourceError::new(&self.name, unreadable(&unknown, error))
        })
    }

    fn batch(&mut self, files: Vec<FileStamp>) -> Result<Claim, SourceError> {
        let readers = files.iter().map(|file| {
            let path = self.place(file)?;
            let reader: Box<dyn PartitionReader> = match &self.reading {
                FileReading::Lines(decoder) => {
                    let claimed = FileRange {
                        path,
                        range: 0..file.length,
                        length: file.length,
                    };
                    Box::new(FilePartition::new(&self.name, claimed, decoder.clone()))
                }
                FileReading::Records(record) => {
                    Box::new(RecordFile::new(&self.name, path, file.length, *record))
                }
            };
            Ok(reader)
        });
        let readers = readers.collect::<Result<_, _>>()?;
        self.taken = Some(files);
        Ok(Claim::Batch(readers))
    }
}

/// Splits a path where names are patterns.
fn steps(path: &Path) -> Result<Vec<Step>, SourceProblem> {
    let mut steps: Vec<Step> = Vec::new();
    for component in path.components() {
        let name = component.as_os_str();
        let text = name.to_string_lossy();
        let is_glob =
            matches!(component, Component::Normal(_)) && text.contains(['*', '?', '[', '{']);
        if is_glob {
            let glob = GlobBuilder::new(&text).build();
            let glob = glob.map_err(|error| SourceProblem::BadPattern {
                pattern: path.display().to_string(),
                problem: error.kind().to_string(),
            })?;
            steps.push(Step::Glob(glob.compile_matcher()));
        } else if let Some(Step::Plain(before)) = steps.last_mut() {
            before.push(name);
        } else {
            steps.push(Step::Plain(name.into()));
        }
    }
    Ok(steps)
}

type NotListed = (Place, io::Error);

/// The files of all directories that match.
fn list(start: &Place, pattern: &[Step]) -> Result<Vec<ListedFile>, NotListed> {
    let mut directories = vec![start.clone()];
    for step in pattern {
        match step {
            Step::Plain(rest) => directories
                .iter_mut()
                .for_each(|path| *path = path.join(rest)),
            Step::Glob(glob) => {
                let mut matching = Vec::new();
                for directory in directories {
                    let entries = match entries(&directory) {
                        // Another match may have no such directory below, or be a file.
                        Err((_, error)) if is_absent(&error) => continue,
                        entries => entries?,
                    };
                    let matches = |path: &Place| glob.is_match(path.name()) && path.is_directory();
                    matching.extend(entries.into_iter().filter(matches));
                }
                directories = matching;
            }
        }
    }
    let is_glob = pattern.iter().any(|step| matches!(step, Step::Glob(_)));
    let mut files = Vec::new();
    for directory in directories {
        let entries = match entries(&directory) {
            Err((_, error)) if is_glob && is_absent(&error) => continue,
            entries => entries?,
        };
        for path in entries {
            match look_at(&path) {
                Ok(file) => files.extend(file),
                // It went away since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A link that leads out is none of its files, and must not hide the others.
                Err(error) if path.is_confined() => {
                    tracing::warn!(path = %path.display(), %error, "the file is not read");
                }
                Err(error) => return Err((path, error)),
            }
        }
    }
    Ok(files)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// What lies in a directory, in no order.
fn entries(directory: &Place) -> Result<Vec<Place>, NotListed> {
    // Behind a slash a file is an error, and a link is what it leads to.
    let listed = match directory.steps().as_os_str().is_empty() && !directory.is_confined() {
        true => Place::from(".").names(),
        false => directory.join("").names(),
    };
    let names = listed.map_err(|error| (directory.clone(), error))?;
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

/// None if it is no file.
fn look_at(place: &Place) -> io::Result<Option<ListedFile>> {
    let seen = place.look()?;
    if !seen.is_file {
        return Ok(None);
    }
    let modified = seen.modified.ok_or(io::ErrorKind::Unsupported)?;
    Ok(Some(ListedFile {
        path: place.path().to_owned(),
        modified: millis(modified),
        length: seen.length,
    }))
}

fn millis(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis)
        }
    }
}

#[cfg(test)]
mod tests;
