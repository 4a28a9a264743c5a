//! One connection of the server: a request, its response, and the end.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use rustix::event::PollFlags;

/// How long a client may take in all, from the connection to the end of its response.
const PATIENCE: Duration = Duration::from_secs(5);
/// Number of bytes of a request's head. Prometheus sends about 400.
const LONGEST_HEAD: usize = 8192;
/// Number of header lines of a request.
const MOST_HEADERS: usize = 64;
/// Number of bytes that a client may send after its request; they are ignored.
const LONGEST_REST: usize = 64 << 10;

/// What a request is answered with.
pub(super) struct Response {
    pub(super) status: &'static str,
    /// The content type.
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Response {
    /// A line of text.
    pub(super) fn plain(status: &'static str, text: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: format!("{text}\n") }
    }

    /// The bytes to send. `HEAD` asks for everything but the body.
    fn bytes(&self, method: &str) -> Vec<u8> {
        let Self { status, kind, body } = self;
        let length = body.len();
        let mut text = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        );
        if method != "HEAD" {
            text.push_str(body);
        }
        text.into_bytes()
    }
}

/// A client. Nothing that is done with it waits for it.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    deadline: Instant,
    state: State,
}

enum State {
    /// The head of the request so far.
    Reading(Vec<u8>),
    /// The response, and how much of it was sent.
    Writing(Vec<u8>, usize),
    /// The response was sent. If the connection were closed now, bytes that the client still sends would
    /// make its operating system discard the response. The number of bytes that came since then.
    Ending(usize),
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let state = State::Reading(Vec::new());
        Ok(Self { stream, deadline: Instant::now() + PATIENCE, state })
    }

    /// What it waits for.
    pub(super) fn interest(&self) -> PollFlags {
        match self.state {
            State::Writing(..) => PollFlags::OUT,
            State::Reading(_) | State::Ending(_) => PollFlags::IN,
        }
    }

    /// Whether the client has taken too long.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Reads and writes as much as is possible now; `answer` gives the response to a method and a path.
    /// Returns whether the connection goes on.
    pub(super) fn advance(&mut self, answer: &dyn Fn(&str, &str) -> Response) -> bool {
        let went = match self.state {
            State::Reading(_) => self.read(answer),
            State::Writing(..) => self.write(),
            State::Ending(_) => self.drain(),
        };
        match went {
            Ok(goes_on) => goes_on,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn read(&mut self, answer: &dyn Fn(&str, &str) -> Response) -> io::Result<bool> {
        let State::Reading(head) = &mut self.state else { return Ok(true) };
        let mut bytes = [0; 2048];
        let count = self.stream.read(&mut bytes)?;
        if count == 0 {
            return Ok(false);
        }
        head.extend_from_slice(&bytes[..count]);
        let Some(response) = respond(head, answer) else { return Ok(true) };
        self.state = State::Writing(response, 0);
        self.write()
    }

    fn write(&mut self) -> io::Result<bool> {
        let State::Writing(response, sent) = &mut self.state else { return Ok(true) };
        while *sent < response.len() {
            *sent += self.stream.write(&response[*sent..])?;
        }
        self.stream.shutdown(Shutdown::Write)?;
        self.state = State::Ending(0);
        Ok(true)
    }

    fn drain(&mut self) -> io::Result<bool> {
        let State::Ending(rest) = &mut self.state else { return Ok(true) };
        let mut bytes = [0; 2048];
        let count = self.stream.read(&mut bytes)?;
        *rest += count;
        Ok(count > 0 && *rest <= LONGEST_REST)
    }
}

/// The response to the head of a request; `None` if the head is not complete yet.
fn respond(head: &[u8], answer: &dyn Fn(&str, &str) -> Response) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let too_large = || Response::plain("431 Request Header Fields Too Large", "too many headers");
    let response = match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {
            let method = request.method.unwrap_or_default();
            return Some(answer(method, request.path.unwrap_or_default()).bytes(method));
        }
        Ok(httparse::Status::Partial) if head.len() < LONGEST_HEAD => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => too_large(),
        Err(error) => Response::plain("400 Bad Request", &format!("not a request: {error}")),
    };
    Some(response.bytes("GET"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(head: &str) -> Option<String> {
        let answer =
            |method: &str, path: &str| Response::plain("200 OK", &format!("{method} of {path}"));
        respond(head.as_bytes(), &answer).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_request_is_answered_when_its_head_is_complete() {
        let head = "GET /metrics?a=b HTTP/1.1\r\nHost: localhost:9184\r\nAccept: */*\r\n\r\n";
        for length in 0..head.len() {
            assert_eq!(said(&head[..length]), None, "{length} bytes");
        }
        let whole = said(head).unwrap();
        assert!(whole.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain"), "{whole}");
        assert!(whole.ends_with("\r\n\r\nGET of /metrics?a=b\n"), "{whole}");
        let head = said("HEAD /metrics HTTP/1.0\r\n\r\n").unwrap();
        assert!(head.ends_with("Content-Length: 17\r\nConnection: close\r\n\r\n"), "{head}");
    }

    #[test]
    fn what_is_no_request_gets_its_status() {
        let status = |head: &str| said(head).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(status("\u{16}\u{3}\u{1}\u{2}"), "HTTP/1.1 400 Bad Request");
        assert_eq!(status("GET\r\n\r\n"), "HTTP/1.1 400 Bad Request");
        let many = "A: b\r\n".repeat(MOST_HEADERS + 1);
        let large = "HTTP/1.1 431 Request Header Fields Too Large";
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{many}\r\n")), large);
        assert_eq!(status(&format!("GET /{} ", "x".repeat(LONGEST_HEAD))), large);
    }
}
