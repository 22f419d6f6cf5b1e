//! Dispatch only: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatehouse::cli::main()
}
