//! Machines with RAPL.

use super::machine::{
    Machine,
    Piece::{Range, Zone},
};

pub(super) const MACHINES: &[Machine] = &[
    Machine {
        name: "a container shows the counter without its range (codecarbon issue 1309)",
        pieces: &[Zone("intel-rapl:0", "package-0", 1, 10.0), Range("intel-rapl:0", "")],
        boards: &[],
        watts: 10.0,
        warning: None,
    },
    Machine {
        name: "an old system states a range of 0 (powercap issue 3)",
        pieces: &[Zone("intel-rapl:0", "package-0", 1, 10.0), Range("intel-rapl:0", "0")],
        boards: &[],
        watts: 10.0,
        warning: None,
    },
    Machine {
        name: "a package by MSR and by MMIO, with psys (codecarbon pull request 950)",
        pieces: &[
            Zone("intel-rapl:0", "package-0", 1, 10.0),
            Zone("intel-rapl:0:0", "core", 1, 5.5),
            Zone("intel-rapl:1", "psys", 5, 20.0),
            Zone("intel-rapl-mmio:0", "package-0", 1, 10.0),
        ],
        boards: &[],
        watts: 10.0,
        warning: None,
    },
    Machine {
        name: "two sockets of equal power",
        pieces: &[
            Zone("intel-rapl:0", "package-0", 1, 80.0),
            Zone("intel-rapl:1", "package-1", 3, 80.0),
        ],
        boards: &[],
        watts: 160.0,
        warning: None,
    },
    Machine {
        name: "sixteen packages (node_exporter issue 1808)",
        pieces: &[
            Zone("intel-rapl:0", "package-0", 1, 2.0),
            Zone("intel-rapl:1", "package-1", 2, 2.0),
            Zone("intel-rapl:2", "package-2", 3, 2.0),
            Zone("intel-rapl:3", "package-3", 4, 2.0),
            Zone("intel-rapl:4", "package-4", 5, 2.0),
            Zone("intel-rapl:5", "package-5", 6, 2.0),
            Zone("intel-rapl:6", "package-6", 7, 2.0),
            Zone("intel-rapl:7", "package-7", 8, 2.0),
            Zone("intel-rapl:8", "package-8", 9, 2.0),
            Zone("intel-rapl:9", "package-9", 10, 2.0),
            Zone("intel-rapl:10", "package-10", 11, 2.0),
            Zone("intel-rapl:11", "package-11", 12, 2.0),
            Zone("intel-rapl:12", "package-12", 13, 2.0),
            Zone("intel-rapl:13", "package-13", 14, 2.0),
            Zone("intel-rapl:14", "package-14", 15, 2.0),
            Zone("intel-rapl:15", "package-15", 16, 2.0),
        ],
        boards: &[],
        watts: 32.0,
        warning: None,
    },
    Machine {
        name: "Sapphire Rapids: psys between the packages, in whole joules (powertelemetry issue 3)",
        pieces: &[
            Zone("intel-rapl:0", "package-0", 1, 10.0),
            Zone("intel-rapl:0:0", "dram", 1, 3.0),
            Zone("intel-rapl:1", "psys", 60293987, 50.0),
            Range("intel-rapl:1", "4294967295000000"),
            Zone("intel-rapl:2", "package-1", 2, 20.0),
            Zone("intel-rapl:2:0", "dram", 2, 4.0),
        ],
        boards: &[],
        watts: 37.0,
        warning: None,
    },
    Machine {
        name: "two sockets with a psys each: the kernel calls the second one psys-1 (intel_rapl_common.c)",
        pieces: &[
            Zone("intel-rapl:0", "package-0", 1, 10.0),
            Zone("intel-rapl:1", "psys", 5, 50.0),
            Zone("intel-rapl:2", "package-1", 2, 20.0),
            Zone("intel-rapl:3", "psys-1", 6, 60.0),
        ],
        boards: &[],
        watts: 30.0,
        warning: None,
    },
    Machine {
        name: "psys of two sockets whose packages cannot be read",
        pieces: &[Zone("intel-rapl:1", "psys", 5, 50.0), Zone("intel-rapl:3", "psys-1", 6, 60.0)],
        boards: &[],
        watts: 110.0,
        warning: None,
    },
    Machine {
        name: "Threadripper 1950X: both dies show the socket (codecarbon issue 1274)",
        pieces: &[
            Zone("intel-rapl:0", "package-0-die-0", 1, 68.0),
            Zone("intel-rapl:1", "package-0-die-1", 1, 68.0),
        ],
        boards: &[],
        watts: 68.0,
        warning: Some("shows the same counter"),
    },
    Machine {
        name: "two zones of one name that count differently (raplcap issue 9)",
        pieces: &[
            Zone("intel-rapl:0", "package-0", 1, 10.0),
            Zone("intel-rapl:1", "package-0", 7, 20.0),
        ],
        boards: &[],
        watts: 30.0,
        warning: None,
    },
    Machine {
        name: "two zones of one name that show one counter",
        pieces: &[
            Zone("intel-rapl:0", "package-0", 1, 10.0),
            Zone("intel-rapl:1", "package-0", 1, 10.0),
        ],
        boards: &[],
        watts: 10.0,
        warning: Some("shows the same counter"),
    },
];
