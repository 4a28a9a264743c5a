//! Reading lines: in chunks, so that a journal need not fit into memory, and on all processors.

use std::io::{self, Read};

use memchr::{memchr_iter, memrchr};
use rayon::prelude::*;

use super::{
    fault::{Damage, Fault},
    seal::{Seal, check},
};

/// Bytes read at once; a chunk ends with a line and grows with the longest.
const CHUNK: usize = 4 << 20;

/// What a scan saw beside the lines themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Damaged lines, in order.
    pub(super) damage: Vec<Damage>,
    /// Bytes of whole lines.
    pub(super) whole: u64,
    /// Bytes behind the last line end.
    pub(super) torn: u64,
    /// Whole lines, empty ones left out.
    pub(super) lines: u64,
    /// Lines from before there were seals.
    pub(super) unsealed: u64,
}

/// Reads all lines in order; `parse` gets each object without its seal and whether it had one, `sink` what came of it with
/// the number of its line.
///
/// # Errors
///
/// If the reader fails. What is wrong with a line is in the survey.
pub(super) fn scan<T: Send>(
    reader: impl Read + Send,
    parse: impl Fn(&[u8], bool) -> Result<T, Fault> + Sync,
    mut sink: impl FnMut(u64, T) -> Result<(), Fault>,
) -> io::Result<Survey> {
    let mut survey = Survey::default();
    let mut chunks = Chunks::new(reader);
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
                found => found.and_then(|it| sink(number, it)),
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

/// Of a line: whether it has a seal, if that can be told, and what came of it.
type Parsed<T> = (Option<bool>, Result<T, Fault>);

/// Every line of a chunk; `None` for an empty one.
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

/// Whole lines of a reader, some at a time.
pub(super) struct Chunks<R> {
    reader: R,
    /// Read, but without a line end yet; what is torn, once the reader has ended.
    rest: Vec<u8>,
    ended: bool,
}

impl<R: Read> Chunks<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, rest: Vec::new(), ended: false }
    }

    /// The next lines, each with its end, in a buffer that is no longer needed; `None` when there is
    /// no whole one left.
    pub(super) fn next(&mut self, mut text: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        text.clear();
        text.append(&mut self.rest);
        while !self.ended {
            let before = text.len();
            text.reserve(CHUNK);
            let read = self.reader.by_ref().take(CHUNK as u64).read_to_end(&mut text)?;
            self.ended = read < CHUNK;
            if let Some(end) = memrchr(b'\n', &text[before..]).map(|it| before + it + 1) {
                self.rest.extend_from_slice(&text[end..]);
                text.truncate(end);
                return Ok(Some(text));
            }
        }
        self.rest = text;
        Ok(None)
    }
}
