//! Dispatch only: everything is in the library.

use std::process::ExitCode;

use gatehouse::sys::heap::LargePages;

#[global_allocator]
static MEMORY: LargePages = LargePages;

fn main() -> ExitCode {
    gatehouse::cli::main()
}
