//! The child of an isolated plugin: `isolated FILE [KEY=VALUE]...`.
#![forbid(unsafe_code)]

use std::{env, io, path::PathBuf};

fn main() -> io::Result<()> {
    let mut args = env::args_os().skip(1);
    let path = PathBuf::from(args.next().unwrap_or_default());
    let options: Vec<(String, String)> = args
        .filter_map(|it| it.to_str()?.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
        .collect();
    wattlab_meter::isolate::serve(&path, &options, io::stdin().lock(), io::stdout().lock())
}
