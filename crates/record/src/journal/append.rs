//! Appending: a line is on disk when this says so, or it is not there.

use std::{
    fs::File,
    io::{self, Write},
};

/// What lines are appended to: a file, and in tests one that fails.
pub(super) trait Medium {
    /// Writes all of it behind what is there.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits until what was written is on disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Removes what is behind a length, durably.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// Opened for appending.
impl Medium for File {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}

/// Why a line was not appended.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It could not be written, and nothing of it is there.
    Failed(io::Error),
    /// What is behind the last whole line is not known; this is the end.
    Poisoned,
}

/// The end of a file of whole lines.
#[derive(Debug)]
pub(super) struct Tail<M> {
    medium: M,
    /// Of the whole lines.
    length: u64,
    poisoned: bool,
}

impl<M: Medium> Tail<M> {
    /// Behind whole lines of that length.
    pub(super) fn new(medium: M, length: u64) -> Self {
        Self { medium, length, poisoned: false }
    }

    /// Appends a line, which ends with a line end, and waits until it is on disk.
    pub(super) fn append(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if self.poisoned {
            return Err(Refusal::Poisoned);
        }
        match self.medium.put(line).and_then(|()| self.medium.sync()) {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Some of it may be there; another line behind that would be damaged.
                self.poisoned = self.medium.cut(self.length).is_err();
                Err(Refusal::Failed(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A disk that takes so many bytes and then fails, once or for good.
    #[derive(Debug)]
    struct Faulty {
        bytes: Vec<u8>,
        room: usize,
        syncs: bool,
        cuts: bool,
    }

    impl Medium for Faulty {
        fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
            let taken = bytes.len().min(self.room);
            self.bytes.extend(&bytes[..taken]);
            self.room -= taken;
            if taken == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        }

        fn sync(&mut self) -> io::Result<()> {
            if self.syncs { Ok(()) } else { Err(io::Error::other("sync failed")) }
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            if !self.cuts {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            self.room += self.bytes.len() - length as usize;
            self.bytes.truncate(length as usize);
            Ok(())
        }
    }

    proptest! {
        /// Wherever a write or a sync fails: what was acknowledged is there, in order, and nothing
        /// else, unless the beginning of one line that could not be taken back.
        #[test]
        fn what_is_acknowledged_is_there_and_nothing_else(
            faults in prop::collection::vec((0_usize..40, any::<bool>(), any::<bool>()), 1..30)
        ) {
            let mut tail = Tail::new(
                Faulty { bytes: Vec::new(), room: 0, syncs: true, cuts: true },
                0,
            );
            let mut acknowledged: Vec<u8> = Vec::new();
            let mut poisoned = false;
            for (at, (room, syncs, cuts)) in faults.into_iter().enumerate() {
                (tail.medium.room, tail.medium.syncs, tail.medium.cuts) = (room, syncs, cuts);
                let line = format!("{at}: {}\n", "x".repeat(at % 25));
                match tail.append(line.as_bytes()) {
                    Ok(()) => {
                        prop_assert!(!poisoned, "a poisoned journal takes nothing");
                        acknowledged.extend(line.as_bytes());
                    }
                    Err(Refusal::Failed(_)) => poisoned = !cuts,
                    Err(Refusal::Poisoned) => prop_assert!(poisoned),
                }
                let (kept, rest) = tail.medium.bytes.split_at(acknowledged.len());
                prop_assert_eq!(kept, &acknowledged[..]);
                prop_assert!(poisoned || rest.is_empty());
            }
        }
    }
}
