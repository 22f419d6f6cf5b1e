//! Configuration: files as the operator writes them (`file`), resolved and validated into an immutable plan (`plan`).

pub mod plan;
pub mod sample;
