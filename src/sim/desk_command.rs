//! Commands to a simulated desk that runs: one line each, as typed on its standard input or sent by a test.
//!
//! Parsed here, done by the desk book (`ledger` and `quit` by whoever runs it). A line that cannot be read changes nothing.

use std::fmt;
use std::str::FromStr;

use crate::domain::{ClientOrderId, OrderStatus, Price, Quantity};
use crate::sim::behaviour::Behaviour;
use crate::sim::desk::DeskBook;
use crate::sim::desk_message::DeskOutput;

/// What may be typed.
pub const COMMAND_HELP: &str = "behaviour SYMBOL|default SCRIPT, disconnect LINK (from 1), cancel|expire|done CLORDID|all, \
    restate CLORDID LEAVES, fill CLORDID [QTY [PRICE]], bust EXECID, correct EXECID QTY PRICE, ledger, quit";

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskCommand {
    /// New script for an instrument, from the next order on.
    Behaviour(String, Behaviour),
    /// Drop a link's connection; counted from zero here.
    Disconnect(usize),
    /// End an order, or all that are open.
    End(OrderStatus, Option<ClientOrderId>),
    /// Leave only so much of an order.
    Restate(ClientOrderId, Quantity),
    /// Fill an order.
    Fill(ClientOrderId, Option<Quantity>, Option<Price>),
    /// Cancel a trade.
    Bust(u64),
    /// Correct a trade.
    Correct(u64, Quantity, Price),
    /// Print the ledger.
    Ledger,
    /// End.
    Quit,
}

/// A command that cannot be read or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError(pub String);

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CommandError {}

impl FromStr for DeskCommand {
    type Err = CommandError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let wrong = || CommandError(format!("'{line}' is no command; there are: {COMMAND_HELP}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let id = |text: &str| ClientOrderId::new(text.as_bytes()).ok_or_else(wrong);
        let quantity = |text: &str| Quantity::parse(text.as_bytes()).ok_or_else(wrong);
        let price = |text: &str| Price::parse(text.as_bytes()).ok_or_else(wrong);
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        Ok(match words[..] {
            ["behaviour" | "behavior", symbol, script] => {
                let behaviour = script.parse();
                let behaviour = behaviour.map_err(|e| CommandError(format!("{e}")))?;
                Self::Behaviour(symbol.to_owned(), behaviour)
            }
            ["disconnect", link] => {
                let link = number(link)?.checked_sub(1).ok_or_else(wrong)?;
                Self::Disconnect(link as usize)
            }
            [end @ ("cancel" | "expire" | "done"), which] => {
                let status = match end {
                    "cancel" => OrderStatus::Cancelled,
                    "expire" => OrderStatus::Expired,
                    _ => OrderStatus::DoneForDay,
                };
                let which = (which != "all").then(|| id(which)).transpose()?;
                Self::End(status, which)
            }
            ["restate", order, leaves] => Self::Restate(id(order)?, quantity(leaves)?),
            ["fill", order] => Self::Fill(id(order)?, None, None),
            ["fill", order, qty] => Self::Fill(id(order)?, Some(quantity(qty)?), None),
            ["fill", order, qty, px] => {
                Self::Fill(id(order)?, Some(quantity(qty)?), Some(price(px)?))
            }
            ["bust", exec] => Self::Bust(number(exec)?),
            ["correct", exec, qty, px] => Self::Correct(number(exec)?, quantity(qty)?, price(px)?),
            ["ledger"] => Self::Ledger,
            ["quit" | "exit"] => Self::Quit,
            _ => return Err(wrong()),
        })
    }
}

impl DeskBook {
    /// Does a command; `ledger` and `quit` are the caller's.
    pub fn command(
        &mut self,
        command: &DeskCommand,
        out: &mut Vec<DeskOutput>,
    ) -> Result<(), CommandError> {
        let done = match command {
            DeskCommand::Behaviour(symbol, behaviour) => {
                let set = self.behaviours.set(symbol, behaviour.clone());
                return set.map_err(|e| CommandError(e.to_string()));
            }
            DeskCommand::Disconnect(link) => self.drop_link(*link, out),
            DeskCommand::End(status, None) => {
                for number in 1..=self.orders.len() as u32 {
                    self.end_and_tell(number, *status, "By command", out);
                }
                true
            }
            DeskCommand::End(status, Some(id)) => self
                .number_of(id)
                .is_some_and(|number| self.end_and_tell(number, *status, "By command", out)),
            DeskCommand::Restate(id, leaves) => self
                .number_of(id)
                .is_some_and(|number| self.restate(number, leaves.0, out)),
            DeskCommand::Fill(id, quantity, price) => self.number_of(id).is_some_and(|number| {
                self.fill_by_command(number, *quantity, *price, out)
                    .is_some()
            }),
            DeskCommand::Bust(exec_id) => self.cancel_trade(*exec_id, out),
            DeskCommand::Correct(exec_id, quantity, price) => {
                self.correct_trade(*exec_id, *quantity, *price, out)
            }
            DeskCommand::Ledger | DeskCommand::Quit => true,
        };
        let refused =
            || CommandError("there is no such link, order or trade, or it is done".into());
        done.then_some(()).ok_or_else(refused)
    }

    fn number_of(&self, id: &ClientOrderId) -> Option<u32> {
        self.by_id.get(id).copied()
    }
}
