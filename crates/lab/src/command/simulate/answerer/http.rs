//! A server that answers over HTTP: a batch is one request that contains it, or as many requests at once.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, anyhow};
use rayon::prelude::*;
use units::{open_regular, read_at_most};
use ureq::{Agent, http::Uri};

use super::Answerer;
use crate::{Failure, plain_text::without_control};

/// The largest file of a body, and the largest answer.
const MOST_BYTES: u64 = 64 << 20;
/// The most requests at once.
const MOST_AT_ONCE: usize = 1024;
/// Is replaced by the number of requests of a batch.
const SIZE: &str = "{size}";
/// Is replaced by as many copies of the item, with commas between them.
const ITEMS: &str = "{items}";

/// The flags for a server at an address.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in super::super) struct HttpFlags {
    /// Measure a server at this address. `{size}` in the address or the body is replaced by the number of
    /// requests of a batch; without it, a batch is as many requests at once.
    #[arg(long, value_name = "URL")]
    pub(in super::super) url: Option<String>,
    /// Send the content of this file with each request (POST); without it, requests are GET.
    #[arg(long, value_name = "FILE", requires = "url")]
    body: Option<PathBuf>,
    /// `{items}` in the body is replaced by as many copies of this file's content as a batch has requests, with
    /// commas between them.
    #[arg(long, value_name = "FILE", requires = "body")]
    item: Option<PathBuf>,
    /// The body's content type.
    #[arg(long, value_name = "TYPE", default_value = "application/json", requires = "body")]
    content_type: String,
}

/// A server at an address.
pub(in super::super) struct Http {
    agent: Agent,
    url: String,
    body: Option<Body>,
    content_type: String,
    /// Whether a batch is one request.
    is_one: bool,
    /// Whether the server is on this machine, whose sensors then see its energy.
    is_here: bool,
    /// The threads that send the requests of a batch; `None` if it is one request.
    senders: Option<rayon::ThreadPool>,
}

/// What is sent.
enum Body {
    /// The same for every batch.
    Fixed(Vec<u8>),
    /// With the number of requests, or as many items, filled in.
    Template { text: String, item: Option<String> },
}

impl HttpFlags {
    /// A server whose batches have at most this many requests. It may take `patience` to answer a batch.
    pub(in super::super) fn server(
        &self,
        url: &str,
        largest: usize,
        patience: Duration,
    ) -> Result<Http, Failure> {
        let bad = |text: String| Failure::BadInput(anyhow!(text));
        // Braces are not allowed in an address.
        let uri: Result<Uri, _> = url.replace(SIZE, "1").parse();
        let host = uri.as_ref().ok().and_then(Uri::host).unwrap_or_default().to_owned();
        let is_http = uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        if host.is_empty() || !is_http {
            return Err(bad(format!("--url is `{url}`, expected `http://HOST[:PORT]/PATH`")));
        }
        let body = self.read_body()?;
        let is_one = url.contains(SIZE) || matches!(body, Some(Body::Template { .. }));
        if !is_one && largest > MOST_AT_ONCE {
            return Err(bad(format!(
                "--batches has {largest}, expected at most {MOST_AT_ONCE} requests at once; use `{SIZE}` in --url or \
                 in the body for larger batches"
            )));
        }
        let senders = rayon::ThreadPoolBuilder::new().num_threads(largest).build();
        let senders = if is_one { None } else { Some(senders.map_err(Failure::run_time)?) };
        let agent = Agent::config_builder()
            .timeout_global(Some(patience))
            .max_idle_connections(largest.max(10))
            .max_idle_connections_per_host(largest.max(10))
            .http_status_as_error(false)
            .build()
            .into();
        let is_here = matches!(host.trim_matches(['[', ']']), "localhost" | "::1")
            || host.starts_with("127.");
        let (url, content_type) = (url.to_owned(), self.content_type.clone());
        Ok(Http { agent, url, body, content_type, is_one, is_here, senders })
    }

    fn read_body(&self) -> Result<Option<Body>, Failure> {
        let read = |flag: &str, path: &PathBuf| {
            open_regular(path)
                .and_then(|file| read_at_most(file, MOST_BYTES))
                .with_context(|| format!("{flag}: failed to read `{}`", path.display()))
                .map_err(Failure::BadInput)
        };
        let text = |flag: &str, bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .with_context(|| format!("{flag}: the file is not UTF-8 text"))
                .map_err(Failure::BadInput)
        };
        let Some(path) = &self.body else { return Ok(None) };
        let content = read("--body", path)?;
        let has = |what: &str| content.windows(what.len()).any(|part| part == what.as_bytes());
        let (has_size, has_items) = (has(SIZE), has(ITEMS));
        let item = match (&self.item, has_items) {
            (Some(item), true) => Some(text("--item", read("--item", item)?)?.trim().to_owned()),
            (None, false) => None,
            (Some(_), false) => {
                let text =
                    format!("--item is given, but --body `{}` has no `{ITEMS}`", path.display());
                return Err(Failure::BadInput(anyhow!(text)));
            }
            (None, true) => {
                let text =
                    format!("--body `{}` has `{ITEMS}`: give the item by --item", path.display());
                return Err(Failure::BadInput(anyhow!(text)));
            }
        };
        match has_size || has_items {
            true => Ok(Some(Body::Template { text: text("--body", content)?, item })),
            false => Ok(Some(Body::Fixed(content))),
        }
    }
}

impl Body {
    fn of(&self, size: usize) -> Result<Vec<u8>, Failure> {
        let (text, item) = match self {
            Self::Fixed(content) => return Ok(content.clone()),
            Self::Template { text, item } => (text, item.as_deref().unwrap_or_default()),
        };
        let bytes = (item.len() as u64 + 1).saturating_mul(size as u64);
        if bytes > MOST_BYTES {
            let text = format!(
                "a body with {size} items has {bytes} bytes, expected at most {MOST_BYTES}"
            );
            return Err(Failure::BadInput(anyhow!("{text}; measure smaller batches (--batches)")));
        }
        let items = vec![item; size].join(",");
        Ok(text.replace(SIZE, &size.to_string()).replace(ITEMS, &items).into_bytes())
    }
}

impl Http {
    /// Sends a request and reads the whole answer.
    fn send(&self, url: &str, body: Option<&[u8]>) -> Result<(), Failure> {
        let failed = || format!("`{url}` did not answer");
        let answer = match body {
            Some(body) => self.agent.post(url).content_type(&self.content_type).send(body),
            None => self.agent.get(url).call(),
        };
        let mut answer = answer.with_context(failed).map_err(Failure::RunTime)?;
        let status = answer.status();
        let content = answer.body_mut().with_config().limit(MOST_BYTES).read_to_vec();
        let content = content.with_context(failed).map_err(Failure::RunTime)?;
        if status.is_success() {
            return Ok(());
        }
        let start: String = String::from_utf8_lossy(&content).chars().take(200).collect();
        Err(Failure::BadInput(anyhow!(
            "`{url}` answered with status {status}: `{}`; check --url, --body and --content-type",
            without_control(start.trim())
        )))
    }
}

impl Answerer for Http {
    fn answer(&mut self, requests: &[usize]) -> Result<(), Failure> {
        let size = requests.len();
        let body = self.body.as_ref().map(|body| body.of(size)).transpose()?;
        let body = body.as_deref();
        let this = &*self;
        match &this.senders {
            None => this.send(&this.url.replace(SIZE, &size.to_string()), body),
            Some(senders) => senders.install(|| {
                // One request for each thread, whatever their number.
                requests.par_iter().with_max_len(1).try_for_each(|_| this.send(&this.url, body))
            }),
        }
    }

    fn is_in_this_process(&self) -> bool {
        false
    }

    fn has_joules(&self) -> bool {
        self.is_here
    }
}

impl Http {
    /// The address, and how a batch is sent. A user name, a password and a query are left out, because they may be
    /// secret.
    pub(in super::super) fn text(&self) -> String {
        let how = if self.is_one { "one request per batch" } else { "requests at once" };
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("http", &self.url));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        format!("{scheme}://{host}{path} ({how})")
    }
}
