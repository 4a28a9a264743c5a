//! The child process of a plugin that runs in a process of its own: `isolated FILE [KEY=VALUE]...`.
#![forbid(unsafe_code)]

use std::{env, io, path::PathBuf};

fn main() -> io::Result<()> {
    let mut args = env::args_os().skip(1);
    let path = PathBuf::from(args.next().unwrap_or_default());
    let options: Vec<(String, String)> = args
        .filter_map(|option| {
            let (key, value) = option.to_str()?.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        })
        .collect();
    wattlab_meter::isolate::serve(&path, &options)
}
