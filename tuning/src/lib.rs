//! Host tuning.
#![forbid(unsafe_code)]
