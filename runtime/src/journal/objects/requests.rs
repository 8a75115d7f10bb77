//! What is asked of an object store, and waited for.

use std::{
    future::Future,
    io,
    ops::Range,
    sync::{Arc, mpsc},
    time::Duration,
};

use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream};
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart, path::Path,
};
use tokio::runtime::Runtime;

/// Larger objects are written and read in parts of this many bytes, so that a part that is lost on
/// the way is not all of it.
pub(super) const PART: u64 = 16 << 20;
/// Requests that are under way at the same time.
const TOGETHER: usize = 8;
/// How often an object is tried to be created while nobody knows whether it was.
const TRIES: u32 = 4;

/// An object store, for callers that wait. They may be threads of a runtime: its own one carries
/// the requests.
#[derive(Debug)]
pub(super) struct Requests {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    /// Where it is, for people.
    place: String,
    /// None only while this is dropped.
    runtime: Option<Runtime>,
}

/// What became of an object that nobody else may have created.
#[derive(Debug)]
pub(super) enum Created {
    /// It is there, and was made here.
    Here,
    /// It was there, and is this.
    Elsewhere(Vec<u8>),
}

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {object}: {why}; check {check}")]
struct Failed {
    what: &'static str,
    object: String,
    why: String,
    check: &'static str,
}

impl Requests {
    pub(super) fn new(store: Arc<dyn ObjectStore>, folder: &str, place: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("objects")
            .enable_all()
            .build()?;
        Ok(Self {
            store,
            folder: Path::parse(folder).map_err(io::Error::other)?,
            place: place.to_owned(),
            runtime: Some(runtime),
        })
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Names of all objects in the folder, with their sizes.
    pub(super) fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let (store, folder) = (self.store.clone(), self.folder.clone());
        let listed = self.wait(async move {
            let objects = store.list(Some(&folder));
            objects.try_collect::<Vec<_>>().await
        })?;
        let listed = listed.map_err(|error| self.failed("list", "its objects", error))?;
        let name = |path: &Path| {
            let parts = path.prefix_match(&self.folder)?;
            let parts: Vec<_> = parts.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        let named = listed
            .iter()
            .filter_map(|object| Some((name(&object.location)?, object.size)));
        Ok(named.collect())
    }

    /// Bytes of objects, in the order asked for; none where there is no such object.
    pub(super) fn read(
        &self,
        asked: Vec<(String, Range<u64>)>,
    ) -> io::Result<Vec<Option<Vec<u8>>>> {
        let mut requests = Vec::new();
        for (at, (name, range)) in asked.iter().enumerate() {
            let mut from = range.start;
            while from < range.end {
                let end = range.end.min(from + PART);
                requests.push((at, name.clone(), self.at(name), from..end));
                from = end;
            }
        }
        let store = self.store.clone();
        let read = self.wait(async move {
            let requests = requests.into_iter().map(|(at, name, path, range)| {
                let store = store.clone();
                async move {
                    match store.get_range(&path, range).await {
                        Ok(bytes) => Ok((at, Some(bytes))),
                        Err(Error::NotFound { .. }) => Ok((at, None)),
                        Err(error) => Err((name, error)),
                    }
                }
            });
            let answers = stream::iter(requests).buffered(TOGETHER);
            answers.try_collect::<Vec<_>>().await
        })?;
        let read = read.map_err(|(name, error)| self.failed("read", &name, error))?;
        let mut joined = vec![Some(Vec::new()); asked.len()];
        for (at, bytes) in read {
            match (&mut joined[at], bytes) {
                (Some(joined), Some(bytes)) => joined.extend_from_slice(&bytes),
                (joined, _) => *joined = None,
            }
        }
        Ok(joined)
    }

    /// Makes an object that is not there. A request whose answer was lost is made again; then what is
    /// there tells whether it came through.
    pub(super) fn create(&self, name: &str, bytes: Vec<u8>) -> io::Result<Created> {
        let (store, path) = (self.store.clone(), self.at(name));
        let created = self.wait(async move {
            let payload = PutPayload::from(bytes.clone());
            let mut pause = Duration::from_millis(100);
            let mut tries = 0;
            loop {
                tries += 1;
                let mode = PutMode::Create.into();
                let put = store.put_opts(&path, payload.clone(), mode).await;
                let error = match put {
                    Ok(_) => return Ok(Created::Here),
                    Err(exists @ Error::AlreadyExists { .. }) => {
                        let found = store
                            .get(&path)
                            .and_then(object_store::GetResult::bytes)
                            .await;
                        match found {
                            Ok(found) if found == bytes => return Ok(Created::Here),
                            Ok(found) => return Ok(Created::Elsewhere(found.into())),
                            // Some stores say so while somebody else is at it.
                            Err(Error::NotFound { .. }) => exists,
                            Err(error) => error,
                        }
                    }
                    Err(error) => error,
                };
                if tries == TRIES || !is_passing(&error) {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
                pause *= 4;
            }
        })?;
        created.map_err(|error| self.failed("create", name, error))
    }

    /// Makes an object that is not there; false: there is one, or somebody is making it, or a request
    /// whose answer was lost has made it.
    pub(super) fn try_create(&self, name: &str, bytes: Vec<u8>) -> io::Result<bool> {
        let (store, path) = (self.store.clone(), self.at(name));
        let created = self.wait(async move {
            let mode = PutMode::Create.into();
            store.put_opts(&path, bytes.into(), mode).await
        })?;
        match created {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed("create", name, error)),
        }
    }

    /// Writes an object that nobody else writes.
    pub(super) fn write(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        let (store, path) = (self.store.clone(), self.at(name));
        let written = self.wait(async move {
            if bytes.len() as u64 <= PART {
                return store.put(&path, bytes.into()).await.map(|_| ());
            }
            let upload = store.put_multipart(&path).await?;
            let part = usize::try_from(PART).unwrap_or(usize::MAX);
            let mut writer = WriteMultipart::new_with_chunk_size(upload, part);
            for bytes in bytes.chunks(part) {
                if let Err(error) = writer.wait_for_capacity(TOGETHER / 2).await {
                    let _ = writer.abort().await; // what stays of it names nothing
                    return Err(error);
                }
                writer.write(bytes);
            }
            writer.finish().await.map(|_| ())
        })?;
        written.map_err(|error| self.failed("write", name, error))
    }

    /// Removes objects; those that are not there are removed.
    pub(super) fn remove(&self, names: Vec<String>) -> io::Result<()> {
        let store = self.store.clone();
        let paths: Vec<_> = names.iter().map(|name| Ok(self.at(name))).collect();
        let removed = self.wait(async move {
            let removed = store.delete_stream(stream::iter(paths).boxed());
            let removed = removed.map(|removed| match removed {
                Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            });
            removed.try_collect::<Vec<_>>().await
        })?;
        let first = names.first().map_or("nothing", String::as_str);
        removed
            .map(|_| ())
            .map_err(|error| self.failed("remove", first, error))
    }

    /// Copies objects to another folder of the store.
    pub(super) fn copy(&self, names: &[String], folder: &str) -> io::Result<()> {
        let folder = Path::parse(folder).map_err(io::Error::other)?;
        let store = self.store.clone();
        let pairs: Vec<_> = names
            .iter()
            .map(|name| (name.clone(), self.at(name), below(&folder, name)))
            .collect();
        let copied = self.wait(async move {
            let requests = pairs.into_iter().map(|(name, from, to)| {
                let store = store.clone();
                async move { store.copy(&from, &to).await.map_err(|error| (name, error)) }
            });
            let answers = stream::iter(requests).buffered(TOGETHER);
            answers.try_collect::<Vec<_>>().await
        })?;
        copied
            .map(|_| ())
            .map_err(|(name, error)| self.failed("copy", &name, error))
    }

    fn at(&self, name: &str) -> Path {
        below(&self.folder, name)
    }

    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        let gone = || io::Error::other("the thread that carries requests is gone");
        let runtime = self.runtime.as_ref().ok_or_else(gone)?;
        let (tell, told) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            let _ = tell.send(work.await); // whoever asked is waiting below
        });
        told.recv().map_err(|_| gone())
    }

    fn failed(&self, what: &'static str, name: &str, error: Error) -> io::Error {
        let why = error.to_string();
        let check = match &error {
            _ if why.contains("NoSuchBucket") => "that the bucket is there, and AWS_ENDPOINT",
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may list, read, write and delete there"
            }
            Error::NotFound { .. } => "that the bucket is there, AWS_REGION and AWS_ENDPOINT",
            Error::NotImplemented { .. } | Error::NotSupported { .. } => {
                "that the store knows conditional writes (If-None-Match)"
            }
            _ => {
                "AWS_ENDPOINT, AWS_REGION, the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the network"
            }
        };
        io::Error::other(Failed {
            what,
            object: format!("{name} in {}", self.place),
            why: readable(&why),
            check,
        })
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        // The last owner may be a thread of another runtime, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn below(folder: &Path, name: &str) -> Path {
    name.split('/').fold(folder.clone(), Path::join)
}

/// An answer that is XML, as S3 gives it, is cut down to what it says.
fn readable(why: &str) -> String {
    let within = |tag: &str| {
        let (_, rest) = why.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once("</")?.0)
    };
    match (why.split_once("<?xml"), within("Code"), within("Message")) {
        (Some((before, _)), Some(code), Some(message)) => format!("{before}{code}: {message}"),
        _ => why.to_owned(),
    }
}

/// It may go better the next time.
fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Generic { .. } | Error::AlreadyExists { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_xml_is_cut_down_to_what_it_says() {
        let why = "404 Not Found: <?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>There is none</Message><HostId>x</HostId></Error>";
        assert_eq!(readable(why), "404 Not Found: NoSuchBucket: There is none");
        for why in ["the network is down", "<?xml version=\"1.0\"?><Error/>"] {
            assert_eq!(readable(why), why);
        }
    }
}
