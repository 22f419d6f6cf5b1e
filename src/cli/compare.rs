//! `gatehouse compare`: the ledger of a load client against that of a simulated desk. Exit 1 where they do not agree.
//!
//! The judge of the crash test: it reads two files and knows nothing of a gateway.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::de::DeserializeOwned;

use crate::sim::ledger_file;
use crate::sim::two_ledgers::{self, Difference};

/// Compare the ledgers that a load client and a simulated desk wrote: nothing lost, nothing doubled, nothing believed that is not so
#[derive(Args, Debug)]
pub struct CompareArgs {
    /// What `gatehouse load --json-ledger` wrote
    #[arg(long)]
    client: PathBuf,
    /// What `gatehouse desk --json-ledger` wrote
    #[arg(long)]
    desk: PathBuf,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

/// Reads both and compares.
pub fn run(args: &CompareArgs) -> ExitCode {
    let difference = match compare(args) {
        Ok(difference) => difference,
        Err(problem) => {
            eprintln!("gatehouse compare: {problem}");
            return ExitCode::from(2);
        }
    };
    let text = if args.json {
        serde_json::to_string(&difference).unwrap_or_default() + "\n"
    } else {
        difference.to_string()
    };
    if let Err(error) = super::show(&text) {
        return super::fail("cannot print the outcome", error);
    }
    ExitCode::from(if difference.is_good() { 0 } else { 1 })
}

fn compare(args: &CompareArgs) -> Result<Difference, String> {
    let client = read(&args.client)?;
    let desk = read(&args.desk)?;
    Ok(two_ledgers::compare(&client, &desk))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(named)?;
    ledger_file::read(BufReader::new(file)).map_err(named)
}
