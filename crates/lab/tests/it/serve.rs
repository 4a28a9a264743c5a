//! `wattlab meter serve` with clients and collectors that do not do their part.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{run, stderr, wattlab};

/// A running server, which is killed if a test fails.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let args = [&["meter", "serve", "--listen", "127.0.0.1:0", "--interval", "20"], more];
        let mut child = wattlab(folder, &args.concat()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        // The rest is read, so that the server can write it.
        thread::spawn(move || drop(std::io::copy(&mut told, &mut std::io::sink())));
        let address = line.trim().strip_prefix("serving http://").unwrap();
        let address = address.strip_suffix("/metrics").unwrap().to_owned();
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn metrics(&self) -> String {
        let answer = self.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("# EOF\n"), "{answer}");
        answer
    }

    /// Ends it as Ctrl-C does, and returns how long that took.
    fn interrupt(mut self) -> (ExitStatus, Duration) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        let start = Instant::now();
        kill_process(pid, Signal::INT).unwrap();
        (self.child.wait().unwrap(), start.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn zone(sysfs: &Path, zone: &str, name: &str, energy_uj: u64) {
    let path = sysfs.join("class/powercap").join(zone);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("name"), name).unwrap();
    fs::write(path.join("max_energy_range_uj"), "262143328850").unwrap();
    set(sysfs, zone, energy_uj);
}

fn set(sysfs: &Path, zone: &str, energy_uj: u64) {
    let path = sysfs.join("class/powercap").join(zone);
    fs::write(path.join("new"), energy_uj.to_string()).unwrap();
    fs::rename(path.join("new"), path.join("energy_uj")).unwrap();
}

/// Twenty silent connections delayed a scrape by 40 s before: each was waited for in turn.
#[test]
fn silent_and_slow_clients_delay_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let mut others: Vec<TcpStream> = (0..40).map(|_| server.connect()).collect();
    // Some have begun a request.
    for client in &mut others[20..] {
        client.write_all(b"GET /metr").unwrap();
    }
    let start = Instant::now();
    for _ in 0..5 {
        server.metrics();
    }
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    // One that goes on is answered, too, and its last header may come in pieces.
    let mut slow = others.pop().unwrap();
    for piece in ["ics HTTP/1.1\r\n", "Host: x\r", "\n\r", "\n"] {
        slow.write_all(piece.as_bytes()).unwrap();
    }
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    // A silent client does not keep its connection for ever.
    assert_eq!(others[0].read(&mut [0]).unwrap(), 0);
    let (status, took) = server.interrupt();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

/// More clients than the server keeps, and more than it may have descriptors for on some machines.
#[test]
fn a_crowd_of_silent_clients_does_not_lock_anybody_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let crowd: Vec<TcpStream> = (0..400).map(|_| server.connect()).collect();
    server.metrics();
    drop(crowd);
    server.metrics();
}

#[test]
fn what_is_no_request_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    assert!(server.ask("HEAD /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    assert!(server.ask("GET /healthz HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nok\n"));
    assert!(server.ask("GET /metrics?x=1 HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
    assert!(server.ask("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert!(server.ask("\0\r\n\r\n").starts_with("HTTP/1.1 400"));
    // A client that sends more than it may still gets the answer.
    let large = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(20_000));
    assert!(server.ask(&large).starts_with("HTTP/1.1 431"));
    // One that leaves in between disturbs nobody.
    drop(server.connect());
    server.metrics();
}

/// A collector that accepts and never answers. Before, `/metrics` and Ctrl-C waited for it.
#[test]
fn a_silent_collector_blocks_neither_scrapes_nor_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/metrics", collector.local_addr().unwrap());
    let server = Server::start(folder.path(), &["--otlp", &url, "--otlp-interval", "0.05"]);
    let (mut message, _) = collector.accept().unwrap();
    let mut head = [0; 4];
    message.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"POST");
    let start = Instant::now();
    server.metrics();
    let (status, took) = server.interrupt();
    assert!(status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}, {took:?}", start.elapsed());
    let args = ["meter", "serve", "--otlp", "localhost:4318"];
    let output = run(folder.path(), &args);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// A package of 10 J with its cores (6 J) inside, and the platform (20 J) around it.
#[test]
fn the_series_in_the_total_count_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let sysfs = folder.path().join("sys");
    zone(&sysfs, "intel-rapl:0", "package-0", 1_000_000);
    zone(&sysfs, "intel-rapl:0:0", "core", 500_000);
    zone(&sysfs, "intel-rapl:1", "psys", 5_000_000);
    let server = Server::start(folder.path(), &["--sysfs", "sys"]);
    // The first reading was made before the server said where it listens.
    set(&sysfs, "intel-rapl:0", 11_000_000);
    set(&sysfs, "intel-rapl:0:0", 6_500_000);
    set(&sysfs, "intel-rapl:1", 25_000_000);
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let text = server.metrics();
        let joules = |counted: &str| -> f64 {
            text.lines()
                .filter(|line| line.starts_with("wattlab_energy_joules_total{"))
                .filter(|line| line.contains(&format!("in_total=\"{counted}\"")))
                .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
                .sum()
        };
        if joules("true") == 10.0 && joules("false") == 26.0 {
            break;
        }
        assert!(Instant::now() < limit, "{text}");
        thread::sleep(Duration::from_millis(20));
    }
}
