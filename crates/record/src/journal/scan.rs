//! Reads lines in chunks, so that a journal need not fit into memory, and on all processors.

use std::io::{self, Read};

use memchr::{memchr_iter, memrchr};
use rayon::prelude::*;
use units::limits;

use super::{
    fault::{Damage, Fault},
    seal::{Seal, check},
};

/// Bytes read at once. A chunk holds whole lines, so a longer line makes it longer.
const CHUNK: usize = 4 << 20;

/// The longest line, in bytes. It keeps a file that is no journal from filling the memory.
pub(super) const MAX_LINE: usize = limits::JOURNAL_LINE_BYTES.max() as usize;

/// What a scan found out about a file, besides the values of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Damaged lines, in order.
    pub(super) damage: Vec<Damage>,
    /// Length of the whole lines, in bytes.
    pub(super) whole: u64,
    /// Length of the unfinished last line, in bytes.
    pub(super) torn: u64,
    /// Number of whole lines that are not empty.
    pub(super) lines: u64,
    /// Undamaged lines without a seal.
    pub(super) unsealed: u64,
}

/// Reads all lines. `parse` receives the JSON object of a line without its seal, and whether the line
/// had one; `sink` receives the parsed values in the order of the file, with the numbers of their lines.
///
/// # Errors
///
/// If the reader fails. Damaged lines are not errors; the survey lists them.
pub(super) fn scan<T: Send>(
    reader: impl Read + Send,
    parse: impl Fn(&[u8], bool) -> Result<T, Fault> + Sync,
    sink: impl FnMut(u64, T) -> Result<(), Fault>,
) -> io::Result<Survey> {
    scan_short(reader, MAX_LINE, parse, sink)
}

/// As [`scan`], with lines of at most `max_line` bytes.
///
/// # Errors
///
/// As [`scan`].
pub(super) fn scan_short<T: Send>(
    reader: impl Read + Send,
    max_line: usize,
    parse: impl Fn(&[u8], bool) -> Result<T, Fault> + Sync,
    mut sink: impl FnMut(u64, T) -> Result<(), Fault>,
) -> io::Result<Survey> {
    let mut survey = Survey::default();
    let mut chunks = Chunks { max_line, ..Chunks::new(reader) };
    let mut number = 0;
    let mut sealed = false;
    let mut spare = Vec::new();
    let mut chunk = chunks.next(Vec::new())?;
    while let Some(text) = chunk {
        survey.whole += text.len() as u64;
        // The next chunk is read while this one is parsed.
        let (next, lines) = rayon::join(|| chunks.next(spare), || parsed(&text, &parse));
        for line in lines {
            number += 1;
            let Some((has_seal, found)) = line else { continue };
            survey.lines += 1;
            let is_old = has_seal == Some(false);
            let lost_its_seal = is_old && sealed;
            sealed |= has_seal == Some(true);
            let kept = match found {
                Ok(_) if lost_its_seal => Err(Fault::Unsealed),
                found => found.and_then(|value| sink(number, value)),
            };
            match kept {
                Ok(()) => survey.unsealed += u64::from(is_old),
                Err(fault) => survey.damage.push(Damage { line: number, fault }),
            }
        }
        spare = text;
        chunk = next?;
    }
    survey.torn = chunks.rest.len() as u64;
    Ok(survey)
}

/// A parsed line: whether it has a seal (`None` if the seal is broken), and its value or fault.
type Parsed<T> = (Option<bool>, Result<T, Fault>);

/// The lines of a chunk; `None` for an empty line.
fn parsed<T: Send>(
    text: &[u8],
    parse: &(impl Fn(&[u8], bool) -> Result<T, Fault> + Sync),
) -> Vec<Option<Parsed<T>>> {
    let mut start = 0;
    let line = |end: usize| &text[std::mem::replace(&mut start, end + 1)..end];
    let lines: Vec<&[u8]> = memchr_iter(b'\n', text).map(line).collect();
    let one = |scratch: &mut Vec<u8>, line: &&[u8]| {
        if line.is_empty() {
            return None;
        }
        Some(match check(line) {
            Seal::Broken => (None, Err(Fault::Seal)),
            Seal::Absent => (Some(false), parse(line, false)),
            Seal::Whole(body) => {
                scratch.clear();
                scratch.extend_from_slice(body);
                scratch.push(b'}');
                (Some(true), parse(scratch, true))
            }
        })
    };
    lines.par_iter().with_min_len(16).map_init(Vec::new, one).collect()
}

/// Cuts what a reader delivers into chunks of whole lines.
pub(super) struct Chunks<R> {
    reader: R,
    /// The beginning of a line whose end was not read yet; after the last chunk, the unfinished line.
    rest: Vec<u8>,
    ended: bool,
    /// The longest line, in bytes.
    max_line: usize,
}

impl<R: Read> Chunks<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, rest: Vec::new(), ended: false, max_line: MAX_LINE }
    }

    /// The next whole lines, written into the buffer `text`; `None` at the end of the file.
    pub(super) fn next(&mut self, mut text: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        text.clear();
        text.append(&mut self.rest);
        while !self.ended {
            let before = text.len();
            text.reserve(CHUNK);
            let read = self.reader.by_ref().take(CHUNK as u64).read_to_end(&mut text)?;
            self.ended = read < CHUNK;
            if text.len() - read > self.max_line {
                return Err(io::Error::other(format!(
                    "no line ends within {} bytes; is this a journal?",
                    self.max_line
                )));
            }
            if let Some(end) = memrchr(b'\n', &text[before..]).map(|at| before + at + 1) {
                self.rest.extend_from_slice(&text[end..]);
                text.truncate(end);
                return Ok(Some(text));
            }
        }
        self.rest = text;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_line_is_an_error_and_does_not_fill_the_memory() {
        let mut chunks = Chunks { max_line: 1000, ..Chunks::new(io::repeat(b'x')) };
        let error = chunks.next(Vec::new()).unwrap_err().to_string();
        assert!(error.contains("no line ends within 1000 bytes"), "{error}");
    }
}
