//! Where what waits is kept.

/// Where blocks wait for their batch, and panes of a window for the next window (spec 3.2, 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersistLevel {
    /// In memory; when that is full, whoever brings more waits.
    Memory,
    /// In memory, and on disk what does not fit there.
    MemoryAndDisk,
    /// On disk.
    Disk,
}

impl PersistLevel {
    /// As topologies write them.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("memory", Self::Memory),
        ("memory-and-disk", Self::MemoryAndDisk),
        ("disk", Self::Disk),
    ];

    /// As topologies write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::MemoryAndDisk => "memory-and-disk",
            Self::Disk => "disk",
        }
    }
}
