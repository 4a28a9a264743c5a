//! Lines out of a command's output, in bounded memory.

/// The longest line that is read. Longer ones are passed over.
const LONGEST: usize = 1 << 20;

/// Cuts what arrives into lines. A carriage return begins the line anew, as on a terminal; each
/// version of a line is a line that is `replaced` by the next.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    /// Whether the line is too long, so that the rest of it is passed over.
    too_long: bool,
    /// Whether a carriage return was the last byte.
    returned: bool,
}

/// A line, or a version of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its text without colours and without its end; empty if it is too long.
    pub(super) text: String,
    /// Whether a later version of the same line follows.
    pub(super) replaced: bool,
    /// Whether it is too long to be read.
    pub(super) too_long: bool,
}

impl Lines {
    /// Takes bytes, and gives the lines that they complete to `each`.
    pub(super) fn push(&mut self, bytes: &[u8], each: &mut impl FnMut(Line)) {
        for byte in bytes {
            let returned = std::mem::take(&mut self.returned);
            match byte {
                b'\n' => self.end(false, each),
                b'\r' if !returned => self.returned = true,
                b'\r' => self.returned = true,
                _ => {
                    if returned {
                        self.end(true, each);
                    }
                    if self.pending.len() < LONGEST {
                        self.pending.push(*byte);
                    } else {
                        self.too_long = true;
                    }
                }
            }
        }
    }

    /// Gives the last line, if it has no end.
    pub(super) fn finish(&mut self, each: &mut impl FnMut(Line)) {
        if !self.pending.is_empty() {
            self.end(false, each);
        }
    }

    fn end(&mut self, replaced: bool, each: &mut impl FnMut(Line)) {
        let too_long = std::mem::take(&mut self.too_long);
        let text = if too_long { String::new() } else { plain(&self.pending) };
        self.pending.clear();
        each(Line { text, replaced, too_long });
    }
}

/// The text without escape sequences of a terminal.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        if next != '\u{1b}' {
            plain.push(next);
        } else if rest.next_if_eq(&'[').is_some() {
            // Ends with a letter.
            for part in rest.by_ref() {
                if ('@'..='~').contains(&part) {
                    break;
                }
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Line, Lines};

    fn lines(text: &[u8]) -> Vec<Line> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        // In pieces of three bytes.
        text.chunks(3).for_each(|piece| lines.push(piece, &mut |line| found.push(line)));
        lines.finish(&mut |line| found.push(line));
        found
    }

    #[test]
    fn lines_end_with_line_feeds_and_begin_anew_with_carriage_returns() {
        let found = lines(b"a\r\nb\x1b[32mc\x1b[0m\r10 %\r\r90 %\nend");
        let found: Vec<(&str, bool)> =
            found.iter().map(|line| (line.text.as_str(), line.replaced)).collect();
        let expected =
            [("a", false), ("bc", true), ("10 %", true), ("90 %", false), ("end", false)];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_endless_line_is_passed_over() {
        let text = [vec![b'x'; 2 * LONGEST], b"\nloss: 1\n".to_vec()].concat();
        let found = lines(&text);
        assert_eq!(found.len(), 2);
        assert!(found[0].too_long && found[0].text.is_empty());
        assert_eq!(found[1].text, "loss: 1");
    }
}
