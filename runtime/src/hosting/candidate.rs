//! A version that someone wants to run instead of the one that is live.

use std::{path::Path, sync::Arc};

use super::{
    Hosting, HostingError, LONGEST_TEXT, PluginDigest, Record, Upload, VersionOutcome,
    VersionRecord, files::Files, loading, new_files::NewFiles, supplied::Uploaded, walls::WORK,
};
use crate::{
    confine::Confinement,
    launch::{LaunchError, Loaded, State},
    topology::{Manifest, OwnPlugin},
};

/// What is to run instead of what is live.
#[derive(Debug, Clone)]
pub enum NextVersion {
    /// All of it, as it was uploaded.
    Upload(Upload),
    /// What is live, with these plugins instead of those of the same names.
    Plugins {
        /// Components by alias; none is the default plugin.
        plugins: Vec<(Option<String>, Vec<u8>)>,
        /// The only plugin given is for this operator alone.
        operator: Option<String>,
    },
    /// One that was there before, by its number.
    Known(u64),
}

/// One that was checked.
pub(super) struct Candidate {
    pub(super) loaded: Loaded,
    pub(super) uploaded: Uploaded,
    /// Removed again if nobody keeps them.
    pub(super) new_files: NewFiles,
    file: String,
    text: String,
    files: Vec<(String, String)>,
    /// That it has, if it was there before.
    number: Option<u64>,
}

/// What it is made of.
struct Made {
    file: String,
    text: String,
    uploaded: Uploaded,
    /// What comes with it, and what it goes on with.
    new_files: Option<Files>,
    files: Vec<(String, String)>,
    number: Option<u64>,
}

impl Candidate {
    /// What is kept of it.
    pub(super) fn record(
        &self,
        record: &Record,
        plugins: Vec<PluginDigest>,
        (by, at): (&str, i64),
    ) -> VersionRecord {
        VersionRecord {
            number: self.number.unwrap_or_else(|| record.next_number()),
            file: self.file.clone(),
            text: self.text.clone(),
            files: self.files.clone(),
            plugins,
            by: by.to_owned(),
            at,
            from: None,
            tried: Vec::new(),
            outcome: VersionOutcome::Waiting,
        }
    }
}

impl Hosting {
    /// Checks a version as it would run. Blocks while plugins compile.
    pub(super) fn candidate(
        &self,
        record: &Record,
        next: NextVersion,
    ) -> Result<Candidate, HostingError> {
        let namespace = &record.namespace;
        let made = self.made(record, next)?;
        if made.text.len() > LONGEST_TEXT {
            let what = format!("the topology's text has more than {LONGEST_TEXT} bytes");
            return Err(HostingError::Upload(what));
        }
        let manifest = parsed(&made.file, &made.text)?;
        made.uploaded.check_aliases(&manifest)?;
        let work = self.shared.registry.make_work(record)?;
        let confinement = self.shared.walls.confinement(namespace, &work);
        let confinement = confinement.map_err(LaunchError::input)?;
        let new_files = match made.new_files {
            Some(files) => write(&files, record, &confinement)?,
            None => NewFiles::default(),
        };
        let how = (&*work, State::Kept);
        let loaded = loading::load(&self.shared, namespace, (manifest, &made.uploaded), how)?;
        let quota = self.tenants.quota(namespace);
        quota.instances(namespace, &loaded.topology)?;
        if loaded.topology.name != record.name {
            return Err(HostingError::Upload(format!(
                "the topology is called `{}`, and this one `{}`; one cannot take over from the other",
                record.name, loaded.topology.name
            )));
        }
        Ok(Candidate {
            loaded,
            uploaded: made.uploaded,
            new_files,
            file: made.file,
            text: made.text,
            files: made.files,
            number: made.number,
        })
    }

    /// What is live, as it would be started now.
    pub(super) fn live(&self, record: &Record) -> Result<Loaded, HostingError> {
        let live = &record.live;
        let manifest = parsed(&live.file, &live.text)?;
        let uploaded = self
            .shared
            .registry
            .uploaded(&record.namespace, &live.plugins)?;
        let work = self.shared.registry.make_work(record)?;
        let of = (manifest, &uploaded);
        loading::load(&self.shared, &record.namespace, of, (&work, State::Kept))
    }

    fn made(&self, record: &Record, next: NextVersion) -> Result<Made, HostingError> {
        let namespace = &record.namespace;
        let quota = self.tenants.quota(namespace);
        match next {
            NextVersion::Upload(upload) => {
                quota.plugins(namespace, &upload.plugins)?;
                let manifest = parsed(&upload.file, &upload.text)?;
                let files = Files::new(upload.files, &manifest)?;
                Ok(Made {
                    uploaded: Uploaded::new(upload.plugins)?,
                    files: files.digests(),
                    new_files: Some(files),
                    file: upload.file,
                    text: upload.text,
                    number: None,
                })
            }
            NextVersion::Plugins { plugins, operator } => {
                quota.plugins(namespace, &plugins)?;
                let mut made = self.of(record, &record.live)?;
                made.number = None;
                let mut given = Uploaded::new(plugins)?.0;
                if let Some(operator) = operator {
                    let bytes = one(given)?;
                    let manifest = parsed(&made.file, &made.text)?;
                    let place = manifest.own_plugin(&operator, record.next_number());
                    let place = place.map_err(|none| HostingError::Upload(none.to_string()))?;
                    given = vec![match place {
                        OwnPlugin::InPlaceOf(alias) => (alias, bytes),
                        OwnPlugin::Beside { alias, text } => {
                            made.text = text;
                            (Some(alias), bytes)
                        }
                    }];
                }
                for (alias, bytes) in given {
                    made.uploaded.replace(alias, bytes);
                }
                Ok(made)
            }
            NextVersion::Known(number) => {
                let mut versions = record.versions();
                let version = versions.find(|version| version.number == number);
                let version = version.ok_or(HostingError::NoVersion(number))?;
                self.of(record, version)
            }
        }
    }

    fn of(&self, record: &Record, version: &VersionRecord) -> Result<Made, HostingError> {
        let registry = &self.shared.registry;
        Ok(Made {
            uploaded: registry.uploaded(&record.namespace, &version.plugins)?,
            file: version.file.clone(),
            text: version.text.clone(),
            files: version.files.clone(),
            new_files: None,
            number: Some(version.number),
        })
    }
}

fn parsed(file: &str, text: &str) -> Result<Manifest, HostingError> {
    Manifest::parse(file, text).map_err(|invalid| HostingError::Launch(invalid.into()))
}

fn one(given: Vec<(Option<String>, Arc<[u8]>)>) -> Result<Arc<[u8]>, HostingError> {
    match <[_; 1]>::try_from(given) {
        Ok([(None, bytes)]) => Ok(bytes),
        _ => Err(HostingError::Upload(
            "one operator gets one plugin, without a name".to_owned(),
        )),
    }
}

/// Files that no version that ran has. A file that one has stays as it is: it may be read now, or again.
fn write(
    files: &Files,
    record: &Record,
    confinement: &Confinement,
) -> Result<NewFiles, HostingError> {
    let mut new = NewFiles::default();
    let ran = |version: &&VersionRecord| !matches!(version.outcome, VersionOutcome::Refused(_));
    for (file, digest) in files.with_digests() {
        let versions: Vec<_> = record.versions().filter(ran).collect();
        let mut known = versions.iter().flat_map(|version| &version.files);
        match known.find(|(path, _)| *path == file.path) {
            Some((_, known)) if *known == digest => {}
            Some(_) => {
                return Err(HostingError::Upload(format!(
                    "the file {} is not the one that is there, which an earlier version reads; give it another name",
                    file.path
                )));
            }
            None => new.write(file, Path::new(WORK), confinement)?,
        }
    }
    Ok(new)
}
