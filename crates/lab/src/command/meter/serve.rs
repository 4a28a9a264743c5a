//! `wattlab meter serve`: energy and power for Prometheus and OpenTelemetry.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use meter::{
    Meter,
    export::{openmetrics, otlp},
};

use crate::{
    Failure, Interrupt, progress,
    sensing::{Sensing, milliseconds, seconds},
};

/// Arguments of `wattlab meter serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port to listen on; by default only this machine can connect.
    #[arg(long, default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9184), value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Sampling interval, in milliseconds.
    #[arg(long, default_value = "1000", value_name = "MS", value_parser = milliseconds)]
    interval: Duration,
    #[command(flatten)]
    sensing: Sensing,
    /// Also send energy and power to an OpenTelemetry collector: `http://HOST:4318/v1/metrics`.
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// Time between two messages to the collector.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    otlp_interval: Duration,
}

/// How long to wait for a client that sends or reads nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often to look for a new client or an interruption.
const POLL: Duration = Duration::from_millis(50);

/// Number of bytes of a request that are read at most.
const LONGEST: u64 = 8192;

/// Runs it until it is interrupted.
///
/// # Errors
///
/// If it cannot listen on the address, or a plugin that was named cannot be loaded.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let meter = args.sensing.builder()?.interval(args.interval).start();
    let meter = meter.map_err(Failure::bad_input)?;
    let listener = TcpListener::bind(args.listen)
        .with_context(|| format!("--listen: failed to listen on `{}`", args.listen))
        .map_err(Failure::bad_input)?;
    listener.set_nonblocking(true).map_err(Failure::run_time)?;
    let address = listener.local_addr().map_err(Failure::run_time)?;
    progress::line(&format!("serving http://{address}/metrics"));
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let (start, mut sent) = (nanoseconds(), Instant::now());
    while !interrupt.is_set() {
        match listener.accept() {
            // A client that fails does not matter to the others.
            Ok((client, _)) => drop(answer(client, &meter)),
            Err(_) => std::thread::sleep(POLL),
        }
        if let Some(url) = args.otlp.as_ref().filter(|_| sent.elapsed() >= args.otlp_interval) {
            sent = Instant::now();
            let body = otlp::metrics(&meter.readings(), start, nanoseconds());
            let text = body.to_string();
            let request = ureq::post(url).header("Content-Type", "application/json");
            if let Err(error) = request.send(&text) {
                progress::line(&format!("warning: failed to send to `{url}`: {error}"));
            }
        }
    }
    Ok(())
}

fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn answer(client: TcpStream, meter: &Meter) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new((&client).take(LONGEST));
    let mut request = Vec::new();
    lines.read_until(b'\n', &mut request)?;
    // The other header lines are not needed.
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 2 {
        line.clear();
    }
    let request = String::from_utf8_lossy(&request);
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, kind, body) = match (method, path) {
        ("GET", "/metrics") => {
            let text = openmetrics::text(&meter.readings(), meter.own_cpu());
            ("200 OK", openmetrics::CONTENT_TYPE, text)
        }
        ("GET", "/healthz") => ("200 OK", "text/plain", "ok\n".to_owned()),
        ("GET", _) => ("404 Not Found", "text/plain", "not found; try /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "text/plain", "use GET\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    (&client).write_all(head.as_bytes())?;
    (&client).write_all(body.as_bytes())
}
