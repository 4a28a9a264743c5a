//! The formats that are tried, with samples and the commands that read them.

use std::{fs, path::Path};

use anyhow::Context;

/// Where an input is put.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A file of this name.
    File(&'static str),
    /// Standard input.
    Stdin,
}

/// A sound input.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sample {
    /// A file of the repository.
    File(&'static str),
    /// This text.
    Text(&'static str),
}

impl Sample {
    pub(super) fn read(self, root: &Path) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
            Self::File(name) => {
                let path = root.join(name);
                fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))
            }
        }
    }
}

/// A format, and a command that reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) samples: &'static [Sample],
    pub(super) place: Place,
    /// Files that the command needs beside the input.
    pub(super) beside: &'static [(&'static str, &'static str)],
    pub(super) args: &'static [&'static str],
    /// The exit codes that are right: 0, 2 for bad input, 1 where the answer may be "no".
    pub(super) codes: &'static [i32],
}

const RECORD: &str = include_str!("../../../crates/record/tests/it/record-1.jsonl");
const QUEUE: &str = "seed = 1\nrequests = 200\nwarmup = 10\n[arrivals]\nprocess = \"poisson\"\nrate = 40.0\n\
    [service]\nlaw = \"deterministic\"\nbase_s = 0.02\nper_item_s = 0.01\n\
    [batching]\npolicy = \"greedy\"\nsize = 8\n[servers]\ncount = 1\n[power]\nidle_w = 50.0\nbusy_w = 250.0\n";
const TRACED: &str = "seed = 1\nrequests = 4\nwarmup = 0\n[arrivals]\nprocess = \"trace\"\nfile = \"trace.csv\"\n\
    [service]\nlaw = \"deterministic\"\nbase_s = 0.02\nper_item_s = 0.01\n\
    [batching]\npolicy = \"fixed\"\nsize = 2\n[servers]\ncount = 1\n[power]\nidle_w = 50.0\nbusy_w = 250.0\n";
const STATUS: &str = "{\"schema\":\"wattlab.status/1\",\"state\":\"running\",\"profile\":\"p\",\"executor\":\"x\",\
    \"pid\":1,\"host\":\"h\",\"started_unix_s\":1.0,\"updated_unix_s\":2.0,\"experiments\":[{\"experiment\":\"layers\",\
    \"total\":9,\"done\":1,\"joules\":null}],\"queued\":1,\"running\":1,\"lost\":0,\"joules\":null,\"left_s\":5.0,\
    \"ends_unix_s\":9.0}";
const SERVE: &str = "{\"op\":\"study\",\"seed\":1,\"direction\":\"minimize\",\"sampler\":{\"kind\":\"random\"},\
    \"space\":[{\"name\":\"x\",\"kind\":\"float\",\"low\":0.1,\"high\":1.0,\"log\":true},\
    {\"name\":\"n\",\"kind\":\"int\",\"low\":1,\"high\":8},{\"name\":\"k\",\"kind\":\"categorical\",\
    \"choices\":[\"a\",\"b\"]}]}\n{\"op\":\"ask\"}\n{\"op\":\"tell\",\"trial\":0,\"value\":0.5,\"cost_j\":2.0}\n\
    {\"op\":\"ask\"}\n{\"op\":\"tell\",\"trial\":1,\"value\":null}\n{\"op\":\"best\"}\n";
const NETWORK: &str = "name = \"tiny\"\ninput = [1, 8, 8]\nclasses = 4\n[values]\nwidth = 4\n\
    [[layers]]\nkind = \"conv2d\"\nout = \"2 * width\"\nkernel = 3\nstride = 1\npadding = 1\ngroups = 1\nbias = false\n\
    [[layers]]\nkind = \"batch_norm\"\n[[layers]]\nkind = \"relu\"\n\
    [[layers]]\nkind = \"repeat\"\ntimes = 2\nlayers = [{ kind = \"conv2d\", out = \"in\", kernel = 3, padding = 1 }, \
    { kind = \"max_pool\", kernel = 2 }]\n[[layers]]\nkind = \"global_avg_pool\"\n\
    [[layers]]\nkind = \"linear\"\nout = \"classes\"\n";
const TABLE: &str = "run,a,b,x,y\n1,p,u,1.5,2.0\n2,p,v,2.5,3.5\n3,q,u,3.5,3.0\n4,q,v,4.5,6.5\n5,p,u,5.0,2.5\n\
    6,p,v,6.0,3.0\n7,q,u,7.5,3.5\n8,q,v,8.5,7.5\n";

/// Every format; weights and images are binary.
pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "profile",
        title: "profile of a study (TOML)",
        samples: &[
            Sample::File("configs/quick.toml"),
            Sample::File("configs/standard.toml"),
            Sample::File("configs/gpu.toml"),
        ],
        place: Place::File("out/profile.toml"),
        beside: &[("out/journal.jsonl", RECORD)],
        args: &["status", "out"],
        codes: &[0, 2],
    },
    Format {
        name: "journal",
        title: "journal (JSON Lines): verify",
        samples: &[Sample::Text(RECORD)],
        place: Place::File("journal.jsonl"),
        beside: &[],
        args: &["journal", "verify", "journal.jsonl"],
        codes: &[0, 1, 2],
    },
    Format {
        name: "report",
        title: "journal (JSON Lines): report",
        samples: &[Sample::Text(RECORD)],
        place: Place::File("out/journal.jsonl"),
        beside: &[],
        args: &["report", "out", "--format", "md,csv"],
        codes: &[0, 2],
    },
    Format {
        name: "status",
        title: "status of a study (JSON)",
        samples: &[Sample::Text(STATUS)],
        place: Place::File("out/status.json"),
        beside: &[("out/journal.jsonl", RECORD)],
        args: &["status", "out"],
        codes: &[0, 2],
    },
    Format {
        name: "queue",
        title: "description of a queue (TOML)",
        samples: &[Sample::Text(QUEUE)],
        place: Place::File("queue.toml"),
        beside: &[],
        args: &["simulate", "queue.toml"],
        codes: &[0, 2],
    },
    Format {
        name: "trace",
        title: "arrivals (CSV)",
        samples: &[Sample::Text("arrival_s\n0.0\n0.5\n0.75\n1.5\n")],
        place: Place::File("trace.csv"),
        beside: &[("queue.toml", TRACED)],
        args: &["simulate", "queue.toml"],
        codes: &[0, 2],
    },
    Format {
        name: "serve",
        title: "requests to a tuner (JSON Lines)",
        samples: &[Sample::Text(SERVE)],
        place: Place::Stdin,
        beside: &[],
        args: &["tune", "serve"],
        codes: &[0, 2],
    },
    Format {
        name: "table",
        title: "table of observations (CSV)",
        samples: &[Sample::Text(TABLE)],
        place: Place::File("table.csv"),
        beside: &[],
        args: &["stats", "anova", "table.csv", "--formula", "y ~ a*b + x"],
        codes: &[0, 2],
    },
    Format {
        name: "network",
        title: "network (TOML)",
        samples: &[Sample::Text(NETWORK)],
        place: Place::File("network.toml"),
        beside: &[],
        args: &[
            "model",
            "bench",
            "--arch",
            "network.toml",
            "--batch",
            "1",
            "--steps",
            "1",
            "--threads",
            "1",
            "--forward-only",
        ],
        codes: &[0, 2],
    },
    Format {
        name: "weights",
        title: "weights (PyTorch)",
        samples: &[
            Sample::File("crates/models/tests/data/zip.pth"),
            Sample::File("crates/models/tests/data/legacy.pth"),
            Sample::File("crates/models/tests/data/namespace.pth"),
            Sample::File("crates/models/tests/data/training.pth"),
            Sample::File("crates/models/tests/data/protocol-4.pth"),
        ],
        place: Place::File("weights.pth"),
        beside: &[],
        args: &[
            "model",
            "forward",
            "--arch",
            "squeezenet1_1",
            "--weights",
            "weights.pth",
            "--image",
            "none.png",
        ],
        codes: &[2],
    },
];
