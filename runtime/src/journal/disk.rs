//! What a journal needs of a file system.

use std::io;

/// One flat directory of files. Nothing is durable before it is synced: neither what a file holds
/// ([`sync`](Self::sync)) nor that it is there under its name
/// ([`sync_directory`](Self::sync_directory)).
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Where it is, for people.
    fn place(&self) -> String;

    /// Names of the files, sorted.
    ///
    /// # Errors
    /// As of the system.
    fn list(&self) -> io::Result<Vec<String>>;

    /// All of a file.
    ///
    /// # Errors
    /// As of the system; `NotFound` if there is none of this name.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// So many bytes of a file from `offset` on.
    ///
    /// # Errors
    /// As [`read`](Self::read); `UnexpectedEof` if the file does not have them.
    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = self.read(name)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = from.checked_add(length).filter(|end| *end <= bytes.len());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.truncate(end);
        Ok(bytes.split_off(from))
    }

    /// Adds bytes, part after part, at the end of a file, which is made if there is none.
    ///
    /// # Errors
    /// As of the system; some of the bytes may have been added then.
    fn append(&self, name: &str, parts: &[&[u8]]) -> io::Result<()>;

    /// Cuts a file.
    ///
    /// # Errors
    /// As of the system.
    fn truncate(&self, name: &str, length: u64) -> io::Result<()>;

    /// Makes what a file holds durable.
    ///
    /// # Errors
    /// As of the system; nothing is known about the file's bytes then.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name, replacing the file that had it.
    ///
    /// # Errors
    /// As of the system.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As of the system.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names durable: files made, renamed and removed.
    ///
    /// # Errors
    /// As of the system.
    fn sync_directory(&self) -> io::Result<()>;
}
