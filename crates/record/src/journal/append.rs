//! Appends lines so that each one is either on disk as a whole or not in the file at all.

use std::{
    fs::File,
    io::{self, Write},
};

/// What lines are appended to: a file, or in tests a disk that fails.
pub(super) trait Medium {
    /// Writes all bytes at the end.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits until everything written is on disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Shortens the file to that length and waits until that is on disk.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// The file must be opened for appending.
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
    /// The write failed and was rolled back: the file holds nothing of the line.
    Failed(io::Error),
    /// An earlier write could not be rolled back, so what follows the last whole line is unknown.
    Poisoned,
}

/// The end of a file of lines, where lines are appended.
#[derive(Debug)]
pub(super) struct Tail<M> {
    medium: M,
    /// Length of the whole lines, in bytes.
    length: u64,
    poisoned: bool,
}

impl<M> Tail<M> {
    /// What lines are appended to.
    pub(super) fn medium(&self) -> &M {
        &self.medium
    }

    /// Length of the whole lines, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Accepts no more lines.
    pub(super) fn poison(&mut self) {
        self.poisoned = true;
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

impl<M: Medium> Tail<M> {
    /// The end of a file whose whole lines have that length, in bytes.
    pub(super) fn new(medium: M, length: u64) -> Self {
        Self { medium, length, poisoned: false }
    }

    /// Appends a line, which must end with a line feed, and waits until it is on disk.
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
                // Part of the line may be in the file, and would damage a line appended to it.
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

    /// A disk that fails when `room` bytes are written, and on demand when it syncs or cuts.
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
        /// Wherever a write or a sync fails, the file holds exactly the acknowledged lines in order,
        /// followed at most by part of one line whose write could not be rolled back.
        #[test]
        fn the_file_holds_exactly_the_acknowledged_lines(
            faults in prop::collection::vec((0_usize..40, any::<bool>(), any::<bool>()), 1..30)
        ) {
            let mut tail = Tail::new(
                Faulty { bytes: Vec::new(), room: 0, syncs: true, cuts: true },
                0,
            );
            let mut acknowledged: Vec<u8> = Vec::new();
            let mut poisoned = false;
            for (number, (room, syncs, cuts)) in faults.into_iter().enumerate() {
                (tail.medium.room, tail.medium.syncs, tail.medium.cuts) = (room, syncs, cuts);
                let line = format!("{number}: {}\n", "x".repeat(number % 25));
                match tail.append(line.as_bytes()) {
                    Ok(()) => {
                        prop_assert!(!poisoned, "a poisoned journal accepts no lines");
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
