//! The ledgers of a load client and of a simulated desk as files: one JSON object each, a row per line.
//!
//! Written once, at the end, by the program that owns the ledger; read by whoever compares. The rows say what each side knows by
//! itself: a client knows the gateway's OrderID(37) only from reports, a desk knows it as the ClOrdID(11) that came.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::domain::{OrderStatus, Side};
use crate::sim::desk::DeskBook;
use crate::sim::desk_ledger::{DeskTotals, FillState};
use crate::sim::desk_message::RequestKind;
use crate::sim::line_events::LineTotals;
use crate::sim::load_codec;
use crate::sim::load_ledger::{End, Fate, LoadLedger};

/// An order as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientOrder {
    /// Number in its ClOrdID(11).
    pub number: u32,
    /// OrderID(37), where a report told it.
    pub order: Option<String>,
    /// What became of the request.
    pub fate: Fate,
    /// How the order ended.
    pub end: End,
    /// How often 150=0 came.
    pub acks: u8,
    /// Fills, each ExecID once.
    pub fills: u64,
    /// Their quantity.
    pub filled: u64,
    /// Price times quantity of the fills, in units of the price.
    pub value: u64,
    /// CumQty(14) of the last report.
    pub cumulated: u64,
}

/// A cancel or replace as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientChange {
    /// Number in its ClOrdID(11).
    pub number: u32,
    /// Number of the order that it is about.
    pub root: u32,
    /// What became of it.
    pub fate: Fate,
    /// How often it was told done.
    pub acks: u8,
}

/// What a load client wrote.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ClientFile {
    /// Its sessions.
    pub lines: LineTotals,
    /// Requests answered by 35=3 or 35=j.
    pub rejected_messages: u64,
    /// Reports whose ExecID had come before.
    pub duplicate_reports: u64,
    /// Reports of no request of the run.
    pub foreign_reports: u64,
    /// All orders.
    pub orders: Vec<ClientOrder>,
    /// All cancels and replaces.
    pub changes: Vec<ClientChange>,
}

/// A ClOrdID that came to a desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskRequest {
    /// ClOrdID(11)
    pub id: String,
    /// What it asked.
    pub kind: RequestKind,
    /// How often it came.
    pub received: u32,
    /// On which link it came first.
    pub link: usize,
}

/// An order as the desk knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskOrder {
    /// ClOrdID(11) under which it came.
    pub id: String,
    /// OrdStatus(39)
    pub status: char,
    /// OrderQty(38)
    pub quantity: u64,
    /// CumQty(14)
    pub cumulated: u64,
    /// Fills that stand.
    pub fills: u64,
    /// Price times quantity of them, in units of the price.
    pub value: u64,
}

/// What a desk wrote, without the single fills.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct DeskFile {
    /// Its links.
    pub lines: LineTotals,
    /// Reports that found no place to wait for a link.
    pub reports_lost: u64,
    /// Everything that came.
    pub requests: Vec<DeskRequest>,
    /// All orders that it took.
    pub orders: Vec<DeskOrder>,
}

#[derive(Serialize)]
struct DeskFill {
    exec_id: u64,
    order: u32,
    id: String,
    symbol: String,
    side: Side,
    quantity: u64,
    price: String,
    state: FillState,
}

/// Writes a client's ledger.
pub fn write_client(
    mut out: impl Write,
    ledger: &LoadLedger,
    rejected_messages: u64,
    lines: &LineTotals,
) -> io::Result<()> {
    let totals = ledger.totals();
    member(&mut out, "{\"lines\"", lines)?;
    member(&mut out, ",\n\"rejected_messages\"", &rejected_messages)?;
    member(
        &mut out,
        ",\n\"duplicate_reports\"",
        &totals.duplicate_reports,
    )?;
    member(&mut out, ",\n\"foreign_reports\"", &totals.foreign_reports)?;
    let numbered = || (0u32..).zip(ledger.records());
    let is_order = |kind| kind == load_codec::RequestKind::New;
    let orders = numbered()
        .filter(|(_, record)| is_order(record.kind))
        .map(|(number, record)| ClientOrder {
            number,
            order: record.told.order_id.map(|id| id.to_string()),
            fate: record.fate,
            end: record.end,
            acks: record.acks,
            fills: record.fills as u64,
            filled: record.filled,
            value: record.told.value,
            cumulated: record.told.cumulated.0,
        });
    rows(&mut out, "orders", orders)?;
    let changes =
        numbered()
            .filter(|(_, record)| !is_order(record.kind))
            .map(|(number, record)| ClientChange {
                number,
                root: record.root,
                fate: record.fate,
                acks: record.acks,
            });
    rows(&mut out, "changes", changes)?;
    out.write_all(b"}\n")
}

/// Writes a desk's ledger, sorted by id.
pub fn write_desk(mut out: impl Write, book: &DeskBook, lines: &LineTotals) -> io::Result<()> {
    let ledger = book.ledger();
    let totals: DeskTotals = ledger.totals();
    member(&mut out, "{\"totals\"", &totals)?;
    member(&mut out, ",\n\"lines\"", lines)?;
    member(&mut out, ",\n\"reports_lost\"", &book.held().1)?;
    let mut requests: Vec<_> = ledger
        .requests()
        .map(|(id, r)| DeskRequest {
            id: id.to_string_lossy(),
            kind: r.kind,
            received: r.count,
            link: r.link,
        })
        .collect();
    requests.sort_by(|a, b| a.id.cmp(&b.id));
    rows(&mut out, "requests", requests.into_iter())?;
    // By the desk's number of the order, from one.
    let mut filled = vec![(0, 0u64); book.orders().len() + 1];
    let stands = |state| state != FillState::Cancelled;
    for fill in ledger.fills().iter().filter(|fill| stands(fill.state)) {
        let (fills, value) = &mut filled[fill.order as usize];
        *fills += 1;
        *value = value.wrapping_add((fill.price.0 as u64).wrapping_mul(fill.quantity.0));
    }
    let orders = book.orders().iter().map(|order| DeskOrder {
        id: order.first_id.to_string_lossy(),
        status: letter(order.status),
        quantity: order.quantity.0,
        cumulated: order.cumulated.0,
        fills: filled[order.number as usize].0,
        value: filled[order.number as usize].1,
    });
    rows(&mut out, "orders", orders)?;
    let fills = ledger.fills().iter().map(|f| DeskFill {
        exec_id: f.exec_id,
        order: f.order,
        id: f.client_order_id.to_string_lossy(),
        symbol: f.symbol.to_string_lossy(),
        side: f.side,
        quantity: f.quantity.0,
        price: f.price.to_string(),
        state: f.state,
    });
    rows(&mut out, "fills", fills)?;
    out.write_all(b"}\n")
}

/// Reads a file that was written here.
pub fn read<T: DeserializeOwned>(input: impl BufRead) -> io::Result<T> {
    serde_json::from_reader(input).map_err(io::Error::from)
}

fn letter(status: OrderStatus) -> char {
    status as u8 as char
}

fn member(out: &mut impl Write, name: &str, value: &impl Serialize) -> io::Result<()> {
    write!(out, "{name}:")?;
    serde_json::to_writer(out, value).map_err(io::Error::from)
}

fn rows(
    out: &mut impl Write,
    name: &str,
    rows: impl Iterator<Item = impl Serialize>,
) -> io::Result<()> {
    write!(out, ",\n\"{name}\":[")?;
    for (n, row) in rows.enumerate() {
        out.write_all(if n == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &row).map_err(io::Error::from)?;
    }
    out.write_all(b"]")
}
