//! Tests with a small server that answers as each kind of plug does.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use super::*;

/// Starts a plug that answers one path with a text and any other path with 404. Returns its address.
fn server(path: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The thread ends with the test's process.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let known = head.first().is_some_and(|line| line.starts_with(&format!("GET {path} ")));
            let (status, body) = if known { ("200 OK", body) } else { ("404 Not Found", "") };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    format!("http://{address}")
}

fn open(options: &[(&str, &str)]) -> Result<Plug, Failure> {
    Plug::open(&options.iter().copied().collect())
}

/// The raw value, and the value in watts or joules.
fn read(options: &[(&str, &str)]) -> (u64, f64) {
    let mut plug = open(options).unwrap_or_else(|failure| panic!("{failure:?}"));
    let raw = plug.read(0).unwrap();
    let mut unit = 0.0;
    plug.channels(&mut |channel| {
        assert_eq!(channel.domain, Domain::System);
        unit = channel.unit;
    });
    (raw, raw as f64 * unit)
}

#[test]
fn every_kind_of_plug_is_read() {
    let gen1 = server(
        "/meter/0",
        r#"{"power":42.5,"is_valid":true,"timestamp":1,"counters":[40.1,41,42],"total":1200}"#,
    );
    let gen2 = server(
        "/rpc/Switch.GetStatus?id=0",
        r#"{"id":0,"apower":-0.3,"voltage":230.1,"aenergy":{"total":12.345,"minute_ts":1}}"#,
    );
    let tasmota = server(
        "/cm?cmnd=Status%208",
        r#"{"StatusSNS":{"Time":"x","ENERGY":{"Total":1.002,"Power":61,"Voltage":229}}}"#,
    );
    let ask =
        |url: &str, kind, channel| read(&[("url", url), ("kind", kind), ("channel", channel)]);
    assert_eq!(ask(&gen1, "shelly-gen1", "power"), (42_500, 42.5));
    assert_eq!(ask(&gen1, "shelly-gen1", "energy"), (1_200, 72_000.0));
    assert_eq!(read(&[("url", &gen2)]), (0, 0.0));
    let (raw, joules) = ask(&gen2, "shelly-gen2", "energy");
    assert!(raw == 12_345 && (joules - 12.345 * 3_600.0).abs() < 1e-6);
    assert_eq!(ask(&tasmota, "tasmota", "power"), (61_000, 61.0));
    assert_eq!(ask(&tasmota, "tasmota", "energy"), (1_002, 1_002.0 * 3_600.0));
}

#[test]
fn wrong_options_and_answers_have_their_own_codes() {
    let code = |options: &[(&str, &str)]| open(options).err().map(|failure| failure.code);
    let gen1 = server("/meter/0", r#"{"power":"42"}"#);
    assert_eq!(code(&[]), Some(-1));
    assert_eq!(code(&[("url", "https://192.0.2.1")]), Some(-2));
    assert_eq!(code(&[("url", &gen1), ("kind", "toaster")]), Some(-3));
    assert_eq!(code(&[("url", &gen1), ("channel", "both")]), Some(-3));
    // Another kind of plug answers 404; an answer of this kind without the field has the wrong form.
    assert_eq!(code(&[("url", &gen1), ("kind", "tasmota")]), Some(-4));
    assert_eq!(code(&[("url", &gen1), ("kind", "shelly-gen1")]), Some(-5));
    // A port that was free a moment ago, so that nothing listens on it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(code(&[("url", &nobody)]), Some(-4));
}
