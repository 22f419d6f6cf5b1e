//! Dispatch only: everything is in the library.

use std::process::ExitCode;

#[global_allocator]
static MEMORY: gatehouse::cli::Memory = gatehouse::cli::Memory;

fn main() -> ExitCode {
    gatehouse::cli::main()
}
