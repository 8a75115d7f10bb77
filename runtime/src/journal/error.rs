//! Why a journal cannot be read or written.

/// A journal that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system says no.
    #[error("cannot {action} {name} in {place}: {error}")]
    Disk {
        /// As in "cannot write".
        action: &'static str,
        /// The file.
        name: String,
        /// Where the file is.
        place: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A record that was durable is not what was written.
    #[error(
        "{name} in {place} is damaged at byte {offset}: record {record} was written whole and is not there any more"
    )]
    Damaged {
        /// The file.
        name: String,
        /// Where the file is.
        place: String,
        /// Where in the file.
        offset: u64,
        /// Which record, counted from 1.
        record: u64,
    },
    /// The segment that is to be read first is not there, but later ones are.
    #[error("{missing} is missing in {place}: {name} comes first")]
    NoStart {
        /// The segment.
        missing: String,
        /// The first that is there.
        name: String,
        /// Where the segments are.
        place: String,
    },
    /// A segment in the middle is not there.
    #[error("records {from} to {to} are missing in {place}: {name} comes next")]
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// The segment behind them.
        name: String,
        /// Where the segments are.
        place: String,
    },
    /// A file that another version wrote, or no segment.
    #[error("{name} in {place} is no journal that this version reads")]
    Foreign {
        /// The file.
        name: String,
        /// Where the file is.
        place: String,
    },
    /// A write has failed before: what is on the disk is not known, so nothing more is written.
    #[error("the journal in {place} has failed before and takes nothing more: {why}")]
    Broken {
        /// Where it is.
        place: String,
        /// What the system said then.
        why: String,
    },
}
