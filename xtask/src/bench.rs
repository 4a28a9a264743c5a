//! `cargo xtask bench`: benchmarks that write a table.

use anyhow::bail;

use crate::process::cargo;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    match args.split_first() {
        Some((&"hpo", rest)) => {
            let mut command = vec!["bench", "-p", "wattlab-hpo", "--bench", "targets"];
            if !rest.is_empty() {
                command.push("--");
                command.extend(rest);
            }
            cargo(&command, &[])
        }
        _ => bail!("the only benchmark with a table is `hpo`: cargo xtask bench hpo"),
    }
}
