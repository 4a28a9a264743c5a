//! `wattlab meter serve`: energy and power for Prometheus and OpenTelemetry.

mod collector;
mod connection;
mod server;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use meter::{Meter, export::openmetrics};

use self::{
    collector::{Collector, collector},
    connection::Response,
    server::Server,
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
    #[arg(long, value_name = "URL", value_parser = collector)]
    otlp: Option<Collector>,
    /// Time between two messages to the collector.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    otlp_interval: Duration,
}

/// How often to look for an interruption.
const POLL: Duration = Duration::from_millis(50);

/// Runs it until it is interrupted.
///
/// # Errors
///
/// If it cannot listen on the address, or a plugin that was named cannot be opened.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut server = Server::listen(args.listen)
        .with_context(|| format!("--listen: failed to listen on `{}`", args.listen))
        .map_err(Failure::bad_input)?;
    let address = server.address().map_err(Failure::run_time)?;
    let meter = args.sensing.builder()?.interval(args.interval).start();
    let meter = meter.map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    if let Some(collector) = &args.otlp {
        collector.start(meter.clone(), args.otlp_interval).map_err(Failure::run_time)?;
    }
    progress::line(&format!("serving http://{address}/metrics"));
    for warning in meter.warnings() {
        progress::line(&format!("warning: {warning}"));
    }
    while !interrupt.is_set() {
        server
            .turn(POLL, &|method, path| answer(&meter, method, path))
            .map_err(Failure::run_time)?;
    }
    Ok(())
}

fn answer(meter: &Meter, method: &str, path: &str) -> Response {
    let path = path.split('?').next().unwrap_or_default();
    match (method, path) {
        ("GET" | "HEAD", "/metrics") => {
            let text = openmetrics::text(&meter.readings(), meter.own_cpu());
            Response { status: "200 OK", kind: openmetrics::CONTENT_TYPE, body: text }
        }
        ("GET" | "HEAD", "/healthz") => Response::plain("200 OK", "ok"),
        ("GET" | "HEAD", _) => Response::plain("404 Not Found", "not found; try /metrics"),
        _ => Response::plain("405 Method Not Allowed", "use GET"),
    }
}
