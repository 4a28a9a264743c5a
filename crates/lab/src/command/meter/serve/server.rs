//! A small HTTP server on one thread. No client waits for another: all are polled together, and each has
//! a deadline.
//!
//! The small servers on crates.io (`tiny_http`, and `rouille` upon it) have no deadline per connection and
//! are hardly maintained; `hyper` needs an asynchronous runtime. Requests are parsed by `httparse`.

use std::{
    collections::VecDeque,
    io,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::connection::{Connection, Response};

/// Number of connections at the same time. A further one takes the place of the oldest.
const MOST_CONNECTIONS: usize = 256;
/// Number of connections that are accepted before the others continue.
const MOST_AT_ONCE: usize = 32;
/// How long to wait if no connection can be accepted, as without a free descriptor.
const REST: Duration = Duration::from_millis(100);

/// A listening socket and its clients.
pub(super) struct Server {
    listener: TcpListener,
    /// The oldest first.
    connections: VecDeque<Connection>,
    /// No connection is accepted before this time.
    rests_until: Option<Instant>,
}

impl Server {
    /// Listens on an address.
    pub(super) fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, connections: VecDeque::new(), rests_until: None })
    }

    /// The address that it listens on.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Waits until a client needs attention, for at most `patience`, and gives it. `answer` gives the
    /// response to a method and a path.
    pub(super) fn turn(
        &mut self,
        patience: Duration,
        answer: &dyn Fn(&str, &str) -> Response,
    ) -> io::Result<()> {
        let now = Instant::now();
        let accepts = self.rests_until.is_none_or(|until| now >= until);
        let listens = if accepts { PollFlags::IN } else { PollFlags::empty() };
        let mut waiting = vec![PollFd::new(&self.listener, listens)];
        waiting.extend(
            self.connections
                .iter()
                .map(|connection| PollFd::new(&connection.stream, connection.interest())),
        );
        let timeout = Timespec::try_from(patience).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut waiting, Some(&timeout)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mut ready = waiting.iter().map(|polled| !polled.revents().is_empty());
        let arrived = ready.next().unwrap_or(false);
        let ready: Vec<bool> = ready.collect();
        let mut ready = ready.into_iter();
        self.connections.retain_mut(|connection| {
            let goes_on = !ready.next().unwrap_or(false) || connection.advance(answer);
            goes_on && !connection.is_late()
        });
        if arrived && accepts {
            self.accept(answer);
        }
        Ok(())
    }

    fn accept(&mut self, answer: &dyn Fn(&str, &str) -> Response) {
        self.rests_until = None;
        for _ in 0..MOST_AT_ONCE {
            match self.listener.accept() {
                Ok((client, _)) => {
                    // A client that fails does not matter to the others.
                    let Ok(mut connection) = Connection::new(client) else { continue };
                    // Its request has often arrived already.
                    if connection.advance(answer) {
                        if self.connections.len() == MOST_CONNECTIONS {
                            self.connections.pop_front();
                        }
                        self.connections.push_back(connection);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It gave up before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.connections.pop_front();
                    self.rests_until = Some(Instant::now() + REST);
                    return;
                }
            }
        }
    }
}
