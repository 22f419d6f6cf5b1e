//! What an operator is told of sequence numbers that were to be set: before and after, or why nothing was done.
//!
//! Pure; on the control thread.

use serde_json::json;

use super::protocol::{Command, ErrorKind, Response};
use crate::domain::command::{NumbersDone, NumbersOutcome};

pub(super) fn answer(command: &Command, done: NumbersDone) -> Response {
    let (next_in, next_out) = (done.next_in, done.next_out);
    let after = json!({ "next_in": next_in, "next_out": next_out });
    let refused = |why: &str| Response {
        data: json!({ "after": after }),
        ..Response::error(
            ErrorKind::NotNow,
            format!("not done: {command}: {why}; next in {next_in}, next out {next_out}"),
        )
    };
    match done.outcome {
        NumbersOutcome::Set { before } => Response::with(
            format!(
                "done: {command}: next in {} -> {next_in}, next out {} -> {next_out}",
                before.0, before.1
            ),
            json!({ "before": { "next_in": before.0, "next_out": before.1 }, "after": after }),
        ),
        NumbersOutcome::Connected => {
            refused("it is connected; numbers are set while it is not, or with --logout")
        }
        NumbersOutcome::UnderWay => refused("another such command waits for its logout"),
    }
}
