//! Configuration: files as the operator writes them (`file`), resolved and validated into an immutable plan (`plan`).
//!
//! [`load`] reads `gatehouse.toml` and the files that it names, and answers with a plan or with everything that is wrong. Runs on
//! the thread that starts the process, before any other; nothing here is hot. Always holds: a plan is within all bounds.

pub mod calendar;
pub mod diagnostics;
pub mod file;
pub mod keys;
pub mod plan;
pub mod sample;

mod resolve;
mod suggest;

use std::path::Path;

pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use plan::Plan;

/// File that a configuration directory must have.
pub const MAIN_FILE: &str = "gatehouse.toml";

/// The plan of a directory or its `gatehouse.toml`, or all that is wrong. Warnings are dropped; [`examine`] keeps them.
pub fn load(path: &Path) -> Result<Plan, Diagnostics> {
    let (plan, diagnostics) = examine(path);
    plan.ok_or(diagnostics)
}

/// The plan, where there is no error, and all errors and warnings.
pub fn examine(path: &Path) -> (Option<Plan>, Diagnostics) {
    examine_on(path, &cores_online())
}

/// [`examine`] for a machine that has these cores online; none means unknown.
pub fn examine_on(path: &Path, cores_online: &[usize]) -> (Option<Plan>, Diagnostics) {
    let main = match path.is_dir() {
        true => path.join(MAIN_FILE),
        false => path.to_owned(),
    };
    resolve::resolve(&main, cores_online)
}

/// Cores that the kernel has online; empty where it does not say.
fn cores_online() -> Vec<usize> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    core_list(text.trim())
}

/// `0-3,8` as the kernel writes it.
fn core_list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_core_lists() {
        assert_eq!(core_list("0-2,5,7-8"), [0, 1, 2, 5, 7, 8]);
        assert!(core_list("").is_empty());
    }
}
