//! The page in a real browser: Chromium over its debugging pipe. Skips visibly where there is none.

use std::{
    io::{BufReader, Write, prelude::*},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use wattlab_report::{CLAIMS, Runs, assessed, html, results};

use crate::{fixture, paper};

/// A browser with one page.
struct Browser {
    process: Child,
    messages: Receiver<Value>,
    session: String,
    next: u64,
    /// Errors of the page, and its network requests.
    complaints: Vec<String>,
    requests: Vec<String>,
}

impl Browser {
    fn open(profile: &Path) -> Option<Self> {
        let program =
            ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|program| {
                let mut version = Command::new(program);
                version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
                version.status().is_ok_and(|status| status.success())
            });
        let Some(program) = program else {
            println!("skipped: no chromium here; apt-get install chromium");
            return None;
        };
        // Chromium reads commands from file descriptor 3 and answers on 4; the shell connects them.
        let script = format!(
            "exec {program} --headless --no-sandbox --disable-gpu --no-first-run \
             --user-data-dir=\"$0\" --remote-debugging-pipe 3<&0 4>&1 2>/dev/null >/dev/null"
        );
        let mut process = Command::new("sh")
            .args(["-c", &script])
            .arg(profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let value = serde_json::from_slice(&message);
                message.clear();
                if value.map(|message| sender.send(message)).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            process,
            messages,
            session: String::new(),
            next: 0,
            complaints: Vec::new(),
            requests: Vec::new(),
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Runtime", "Log", "Network", "Page"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    fn receive(&mut self) -> Value {
        let message =
            self.messages.recv_timeout(Duration::from_secs(60)).expect("the browser answers");
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(params.to_string()),
            Some("Runtime.consoleAPICalled") => self.complaints.push(params["args"].to_string()),
            Some("Log.entryAdded") => self.complaints.push(params["entry"].to_string()),
            Some("Network.requestWillBeSent") => {
                self.requests.push(params["request"]["url"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
        message
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut input = self.process.stdin.as_ref().unwrap();
        input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.receive();
            if answer["id"] == json!(self.next) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    fn show(&mut self, file: &Path) {
        self.call("Page.navigate", &json!({"url": format!("file://{}", file.display())}));
        while self.receive()["method"] != "Page.loadEventFired" {}
    }

    /// The value of an expression in the page.
    fn ask(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Presses and releases a key.
    fn press(&mut self, key: &str, code: u32, text: &str) {
        let name = if key == " " { "Space" } else { key };
        let event = |kind: &str| {
            json!({
                "type": kind, "key": key, "code": name, "windowsVirtualKeyCode": code, "text": text,
            })
        };
        self.call("Input.dispatchKeyEvent", &event("keyDown"));
        let mut up = event("keyUp");
        up["text"] = json!("");
        self.call("Input.dispatchKeyEvent", &up);
    }

    fn screen(&mut self, width: u32, scheme: &str, medium: &str) {
        let size =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", &json!({"media": medium, "features": scheme}));
    }

    /// Prints the page as PDF, and keeps the file in the folder `WATTLAB_SCREENSHOTS` if that is set.
    fn paper(&mut self, name: &str) {
        let printed = self.call("Page.printToPDF", &json!({"preferCSSPageSize": true}));
        let bytes = BASE64_STANDARD.decode(printed["data"].as_str().unwrap()).unwrap();
        assert!(bytes.starts_with(b"%PDF-"));
        if let Some(folder) = std::env::var_os("WATTLAB_SCREENSHOTS") {
            std::fs::write(Path::new(&folder).join(name), bytes).unwrap();
        }
    }

    /// Writes a picture into the folder `WATTLAB_SCREENSHOTS` if that is set.
    fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("WATTLAB_SCREENSHOTS") else { return };
        let picture = self.call("Page.captureScreenshot", &json!({"captureBeyondViewport": true}));
        let bytes = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(Path::new(&folder).join(name), bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Texts whose contrast with their background is below WCAG's level AA: 4.5, or 3 for large text.
const LOW_CONTRAST: &str = r#"(() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const light = ({ r, g, b }) => [r, g, b].reduce((sum, it, at) => {
    const c = it / 255;
    const linear = c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return sum + linear * [0.2126, 0.7152, 0.0722][at];
  }, 0);
  const over = (top, below) => ({
    r: top.r * top.a + below.r * (1 - top.a),
    g: top.g * top.a + below.g * (1 - top.a),
    b: top.b * top.a + below.b * (1 - top.a), a: 1 });
  const canvas = matchMedia("(prefers-color-scheme: dark)").matches
    ? { r: 18, g: 18, b: 18, a: 1 } : { r: 255, g: 255, b: 255, a: 1 };
  const behind = (element) => element === null ? canvas
    : (() => { const own = parse(getComputedStyle(element).backgroundColor);
        return own.a === 1 ? own : over(own, behind(element.parentElement)); })();
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const style = getComputedStyle(element);
    const text = [...element.childNodes].some((it) => it.nodeType === 3 && it.textContent.trim());
    if (!text || style.visibility === "hidden" || element.getClientRects().length === 0
        || ["SCRIPT", "STYLE", "title"].includes(element.tagName)) continue;
    const drawn = element.ownerSVGElement ? style.fill : style.color;
    const below = behind(element.closest("svg") ?? element);
    const [a, b] = [light(over(parse(drawn), below)), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if (ratio < least - 0.01) low.push(`${element.tagName}.${element.getAttribute("class")} ${ratio.toFixed(2)}: ${element.textContent.slice(0, 40)}`);
  }
  return low;
})()"#;

#[test]
fn the_page_works_in_a_real_browser() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::open(&folder.path().join("profile")) else { return };
    let mut document = fixture::document();
    document.findings = results(&Runs::default()).claims.into_iter().map(assessed).collect();
    let page = folder.path().join("page.html");
    std::fs::write(&page, html(&document)).unwrap();

    browser.screen(1100, "light", "");
    browser.show(&page);
    assert_eq!(
        browser.ask("document.querySelectorAll('table.verdicts tbody tr').length"),
        CLAIMS.len()
    );
    assert_eq!(
        browser.ask("document.querySelectorAll('table.verdicts .verdict').length"),
        CLAIMS.len()
    );

    // Sort in rising order, in falling order, and back. Missing values come last.
    let column = "[...document.querySelectorAll('table.data tbody tr')]\
                  .map(it => it.cells[2].dataset.key ?? '')";
    let order = |browser: &mut Browser| {
        let found = browser.ask(column);
        let keys = found.as_array().unwrap().iter();
        keys.map(|key| key.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let button = "document.querySelectorAll('table.data thead button')[2]";
    let before = order(&mut browser);
    assert_eq!(before, ["84.7", "-0.0462", ""]);
    let (rising, falling) = (["-0.0462", "84.7", ""], ["84.7", "-0.0462", ""]);
    for expected in [rising, falling, falling] {
        browser.ask(&format!("{button}.click()"));
        assert_eq!(order(&mut browser), expected);
    }
    // The same by keyboard: Tab reaches the heading of the column, Enter and Space press it.
    let reached = (0..200).any(|_| {
        browser.press("Tab", 9, "");
        browser.ask(&format!("document.activeElement === {button}")) == true
    });
    assert!(reached, "Tab reaches the head of a column");
    let told = format!("{button}.closest('th').getAttribute('aria-sort')");
    for (key, code, text, expected, heard) in [
        ("Enter", 13, "\r", rising, json!("ascending")),
        (" ", 32, " ", falling, json!("descending")),
        ("Enter", 13, "\r", falling, Value::Null),
    ] {
        browser.press(key, code, text);
        assert_eq!(order(&mut browser), expected, "{key}");
        assert_eq!(browser.ask(&told), heard, "what a screen reader says");
    }
    let outline = browser.ask(&format!("getComputedStyle({button}).outlineStyle"));
    assert_eq!(outline, "solid", "the focus is seen");
    browser.picture("light.png");

    for (width, scheme) in [(1100, "light"), (1100, "dark"), (390, "light"), (390, "dark")] {
        browser.screen(width, scheme, "");
        let low = browser.ask(LOW_CONTRAST);
        assert_eq!(low, json!([]), "{width} {scheme}");
        let wide = browser.ask("document.scrollingElement.scrollWidth - innerWidth");
        assert!(wide.as_f64().unwrap() <= 0.0, "{width} pixels: {wide} too wide");
        browser.picture(&format!("{scheme}-{width}.png"));
    }
    // The report of the profile `paper`.
    let whole = folder.path().join("paper.html");
    std::fs::write(&whole, html(&paper::DOCUMENT)).unwrap();
    browser.screen(1100, "light", "");
    browser.show(&whole);
    assert_eq!(
        browser.ask("document.querySelectorAll('table.verdicts .verdict').length"),
        CLAIMS.len()
    );
    for (width, scheme) in [(1100, "light"), (1100, "dark"), (390, "light"), (390, "dark")] {
        browser.screen(width, scheme, "");
        assert_eq!(browser.ask(LOW_CONTRAST), json!([]), "{width} {scheme}");
        let wide = browser.ask("document.scrollingElement.scrollWidth - innerWidth");
        assert!(wide.as_f64().unwrap() <= 0.0, "{width} pixels: {wide} too wide");
        browser.picture(&format!("paper-{scheme}-{width}.png"));
    }
    browser.paper("paper.pdf");

    // A printed page has no dark color scheme, and nothing is hidden behind a scroll bar.
    browser.screen(800, "dark", "print");
    browser.show(&page);
    let background = browser.ask("getComputedStyle(document.body).backgroundColor");
    let light = ["rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"].map(|color| json!(color));
    assert!(light.contains(&background), "{background}");
    browser.picture("print.png");

    assert_eq!(browser.complaints, Vec::<String>::new());
    let pages = [&page, &whole].map(|path| format!("file://{}", path.display()));
    assert!(
        browser.requests.iter().all(|request| pages.contains(request)),
        "{:?}",
        browser.requests
    );
}
