//! `wattlab simulate calibrate` of somebody else's servers: commands, and addresses.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use crate::{run, stderr};

const SHORT: [&str; 11] = [
    "simulate",
    "calibrate",
    "--json",
    "--batches",
    "1,4",
    "--repetitions",
    "2",
    "--seconds",
    "0.02",
    "--pauses",
    "0.01",
];

fn calibrate(folder: &Path, more: &[&str]) -> (Option<i32>, Value, String) {
    let output = run(folder, &[&SHORT[..], more].concat());
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), document, stderr(&output))
}

/// The mean time of a batch without a pause.
fn mean_s(document: &Value, size: u64) -> f64 {
    let rows = document["calibration"]["sizes"].as_array().unwrap();
    let row = rows.iter().find(|row| row["size"] == size && row.get("pause_s").is_none());
    row.unwrap()["mean_s"].as_f64().unwrap()
}

#[test]
fn a_command_answers_batches_and_its_description_can_be_simulated() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // 20 ms for each request, and other lines in between, which are no answers.
    let server =
        "echo ready; while read n; do sleep $(echo $n | sed 's/1/0.02/; s/4/0.08/'); echo $n; done";
    let (code, document, errors) = calibrate(folder, &["--", "sh", "-c", server]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(mean_s(&document, 1) >= 0.02 && mean_s(&document, 4) >= 0.08, "{document}");
    let calibration = &document["calibration"];
    assert!(calibration["server"].as_str().unwrap().starts_with("sh -c echo ready"));
    assert!(calibration.get("network").is_none() && calibration.get("image_side").is_none());
    // The command's CPU time counts, so there are joules, and they are estimated.
    assert_eq!(calibration["energy_origin"], "estimated", "{document}");
    let simulated = run(folder, &["simulate", "server.toml", "--json"]);
    assert!(simulated.status.success(), "{}", stderr(&simulated));
    let report: Value = serde_json::from_slice(&simulated.stdout).unwrap();
    assert!(report["mean_response_s"].as_f64().unwrap() >= 0.02, "{report}");
    // There is no network that this program could serve.
    let live = run(folder, &["simulate", "live", "server.toml"]);
    assert_eq!(live.status.code(), Some(2));
    assert!(stderr(&live).contains("expected a network"), "{}", stderr(&live));
}

#[test]
fn a_command_that_does_not_answer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |more: &[&str], words: &[&str]| {
        let (code, _, errors) = calibrate(folder.path(), more);
        assert_eq!(code, Some(2), "{more:?} {errors}");
        assert!(words.iter().all(|word| errors.contains(word)), "{words:?} {errors}");
        assert!(!folder.path().join("server.toml").exists());
    };
    refused(&["--", "/no/such/program"], &["/no/such/program"]);
    refused(&["--", "sh", "-c", "exit 3"], &["exit status: 3", "standard input"]);
    // An answer must be the number.
    let other = ["--timeout", "0.3", "--", "sh", "-c", "while read n; do echo done; done"];
    refused(&other, &["did not answer", "done"]);
    let hangs = ["--timeout", "0.3", "--", "sh", "-c", "read n; echo loading; sleep 100"];
    refused(&hangs, &["within 0.3 s", "loading", "--timeout"]);
    let talks = ["--timeout", "0.3", "--", "sh", "-c", "while :; do echo loading; done"];
    refused(&talks, &["within 0.3 s"]);
    refused(&["--", "sh", "-c", "exec >&-; sleep 100"], &["closed its standard output"]);
    refused(&["--side", "32", "--", "cat"], &["--side", "--arch"]);
    refused(&["--device", "cuda", "--", "cat"], &["--device"]);
    refused(&["--url", "http://localhost:1", "--", "cat"], &["--url"]);
    refused(&[], &["--arch", "--url"]);
}

/// What a server was asked: the first line of each request, and its body.
type Asked = Arc<std::sync::Mutex<Vec<(String, String)>>>;

/// A server that answers every request after 20 ms, in a thread for each connection. Returns its address, what
/// it was asked, and the most requests that it had at once.
fn server(status: &'static str) -> (String, Asked, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, most) = (Asked::default(), Arc::new(AtomicUsize::new(0)));
    let (log, highest) = (Arc::clone(&asked), Arc::clone(&most));
    let now = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (log, highest, now) = (Arc::clone(&log), Arc::clone(&highest), Arc::clone(&now));
            std::thread::spawn(
                move || while answer(&stream, status, &log, &highest, &now).is_some() {},
            );
        }
    });
    (address, asked, most)
}

/// Answers the next request of a connection; `None` at its end.
fn answer(
    mut stream: &TcpStream,
    status: &str,
    log: &Asked,
    highest: &AtomicUsize,
    now: &AtomicUsize,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let at_once = now.fetch_add(1, Ordering::SeqCst) + 1;
    highest.fetch_max(at_once, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(20));
    now.fetch_sub(1, Ordering::SeqCst);
    let body = String::from_utf8_lossy(&body).into_owned();
    log.lock().unwrap().push((first.trim().to_owned(), body));
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").ok()
}

#[test]
fn an_address_gets_as_many_requests_at_once_as_a_batch_has() {
    let folder = tempfile::tempdir().unwrap();
    let (address, asked, most) = server("200 OK");
    let url = format!("{address}/predict");
    let (code, document, errors) = calibrate(folder.path(), &["--url", &url]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(mean_s(&document, 1) >= 0.02 && mean_s(&document, 4) >= 0.02, "{document}");
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert!(asked.lock().unwrap().iter().all(|(first, _)| first == "GET /predict HTTP/1.1"));
    assert!(document["calibration"]["server"].as_str().unwrap().contains("requests at once"));
    // No sensor of this test sees the server, and an estimate would be of the wrong process.
    assert!(document["calibration"]["sizes"][0].get("mean_j").is_none(), "{document}");
}

#[test]
fn a_batch_can_be_one_request_with_its_size_and_items() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("body.json"), r#"{"shape": [{size}, 2], "data": [{items}]}"#).unwrap();
    fs::write(folder.join("item.json"), "[1, 2]\n").unwrap();
    let (address, asked, most) = server("200 OK");
    let host = address.strip_prefix("http://").unwrap();
    let url = format!("http://me:secret@{host}/infer/{{size}}?key=secret");
    let more = ["--url", &url, "--body", "body.json", "--item", "item.json", "--out", "it.toml"];
    let (code, document, errors) = calibrate(folder, &more);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let asked = asked.lock().unwrap();
    let four =
        asked.iter().find(|(first, _)| first == "POST /infer/4?key=secret HTTP/1.1").unwrap();
    assert_eq!(four.1, r#"{"shape": [4, 2], "data": [[1, 2],[1, 2],[1, 2],[1, 2]]}"#);
    assert!(document["calibration"]["server"].as_str().unwrap().contains("one request per batch"));
    let written = fs::read_to_string(folder.join("it.toml")).unwrap();
    assert!(written.contains("/infer/{size} (one request per batch)"), "{written}");
    assert!(!written.contains("secret"), "{written}");
}

#[test]
fn a_server_that_refuses_or_is_absent_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (address, ..) = server("503 Service Unavailable");
    let refused = |code: i32, more: &[&str], words: &[&str]| {
        let (found, _, errors) = calibrate(folder.path(), more);
        assert_eq!(found, Some(code), "{more:?} {errors}");
        assert!(words.iter().all(|word| errors.contains(word)), "{words:?} {errors}");
    };
    refused(2, &["--url", &address], &["503", &address, "--body"]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refused(1, &["--url", &format!("http://{closed}/")], &["did not answer"]);
    refused(2, &["--url", "ftp://localhost/"], &["--url", "ftp://localhost/"]);
    refused(2, &["--url", "nonsense"], &["--url", "nonsense"]);
    refused(2, &["--url", &address, "--body", "none.json"], &["--body", "none.json"]);
    fs::write(folder.path().join("items.json"), "[{items}]").unwrap();
    refused(2, &["--url", &address, "--body", "items.json"], &["--item"]);
    let many = ["--batches", "1,2000", "--url", &address];
    let output = run(folder.path(), &[&["simulate", "calibrate"][..], &many].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("1024"), "{}", stderr(&output));
}
