//! `instruments.csv`, `accounts.csv`, `positions.csv`: reference data of the day. Cold code.
//!
//! Rows become the values of `domain`; every mistake is noted with its cell and reading goes on.

use std::collections::HashMap;

use super::table::{self, Column, Row, Table};
use super::{Context, Names, account_index, desk_index, shown};
use crate::config::diagnostics::FileId;
use crate::domain::account::Position;
use crate::domain::{
    Account, AccountKind, ClientIndex, DeskIndex, Instrument, InstrumentIndex, Price, Text,
};
use crate::limits::*;

/// Rows of `instruments.csv`.
pub fn instruments(cx: &mut Context, file: Option<FileId>) -> Vec<Instrument> {
    let Some(file) = file else {
        cx.instruments.incomplete = true;
        return Vec::new();
    };
    let table = table::read(cx, file, "instruments.csv", INSTRUMENTS_MAX);
    let c = InstrumentColumns::of(&table);
    let mut names = Names {
        incomplete: table.damaged,
        ..Names::default()
    };
    let mut instruments = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let errors = cx.errors();
        let symbol = table.name(cx, row, &c.symbol);
        define(
            cx,
            &table,
            row,
            &c.symbol,
            &mut names,
            symbol,
            instruments.len(),
        );
        let instrument = Instrument {
            symbol: Text::cut(symbol.as_bytes()),
            market: Text::cut(table.name(cx, row, &c.market).as_bytes()),
            unit: table.number(cx, row, &c.unit),
            lot: table.quantity(cx, row, &c.lot),
            odd_lot_sell: table.flag(cx, row, &c.odd_lot_sell),
            tick: table.price(cx, row, &c.tick),
            quantity_min: table.quantity(cx, row, &c.quantity_min),
            quantity_max: table.quantity(cx, row, &c.quantity_max),
            limit_down: table.price(cx, row, &c.limit_down),
            limit_up: table.price(cx, row, &c.limit_up),
            reference_price: table.price(cx, row, &c.reference_price),
            collar_bp: table.number(cx, row, &c.collar_bp),
            market_orders: table.flag(cx, row, &c.market_orders),
            same_day_sell: table.flag(cx, row, &c.same_day_sell),
        };
        // A row with cells that cannot be read has said so; contradictions between their stand-ins would only confuse.
        if !table.damaged && cx.errors() == errors {
            check_instrument(cx, &table, row, &c, &instrument);
        }
        instruments.push(instrument);
    }
    cx.instruments = names;
    instruments
}

struct InstrumentColumns {
    symbol: Column,
    market: Column,
    unit: Column,
    lot: Column,
    odd_lot_sell: Column,
    tick: Column,
    quantity_min: Column,
    quantity_max: Column,
    limit_down: Column,
    limit_up: Column,
    reference_price: Column,
    collar_bp: Column,
    market_orders: Column,
    same_day_sell: Column,
}

impl InstrumentColumns {
    fn of(table: &Table) -> Self {
        Self {
            symbol: table.column("symbol"),
            market: table.column("market"),
            unit: table.column("unit"),
            lot: table.column("lot"),
            odd_lot_sell: table.column("odd_lot_sell"),
            tick: table.column("tick"),
            quantity_min: table.column("quantity_min"),
            quantity_max: table.column("quantity_max"),
            limit_down: table.column("limit_down"),
            limit_up: table.column("limit_up"),
            reference_price: table.column("reference_price"),
            collar_bp: table.column("collar_bp"),
            market_orders: table.column("market_orders"),
            same_day_sell: table.column("same_day_sell"),
        }
    }
}

fn check_instrument(
    cx: &mut Context,
    table: &Table,
    row: &Row,
    c: &InstrumentColumns,
    i: &Instrument,
) {
    let mut wrong = |column: &Column, message: String, help: &str| {
        table.wrong(cx, row, column, message, help.to_owned());
    };
    if i.lot.is_zero() {
        wrong(
            &c.lot,
            "is zero".to_owned(),
            "write at least 1: 1 where any quantity may be bought",
        );
    }
    if i.tick == Price::ZERO {
        wrong(
            &c.tick,
            "is zero".to_owned(),
            "write the step of prices, such as 0.01",
        );
    }
    if i.quantity_min.is_zero() {
        wrong(&c.quantity_min, "is zero".to_owned(), "write at least 1");
    }
    if i.quantity_min > i.quantity_max {
        let message = format!(
            "is above quantity_max: {} > {}",
            i.quantity_min.0, i.quantity_max.0
        );
        wrong(&c.quantity_min, message, "lower it, or raise quantity_max");
    }
    if i.limit_up != Price::ZERO && i.limit_down > i.limit_up {
        let message = format!("is above limit_up: {} > {}", i.limit_down, i.limit_up);
        wrong(&c.limit_down, message, "lower it, or raise limit_up");
    }
    if i.collar_bp > 0 && i.reference_price == Price::ZERO {
        let message = format!("is {} without a reference_price", i.collar_bp);
        wrong(
            &c.collar_bp,
            message,
            "write the reference_price, or 0 for no collar",
        );
    }
    if i.market_orders && i.limit_up == Price::ZERO {
        let message = "is true without a limit_up, at which market orders reserve money".to_owned();
        wrong(&c.market_orders, message, "write the limit_up, or false");
    }
    doubts(cx, table, row, c, i);
}

fn doubts(cx: &mut Context, table: &Table, row: &Row, c: &InstrumentColumns, i: &Instrument) {
    let prices = [
        (&c.limit_down, i.limit_down),
        (&c.limit_up, i.limit_up),
        (&c.reference_price, i.reference_price),
    ];
    for (column, price) in prices {
        if i.tick > Price::ZERO && price.0 % i.tick.0 != 0 {
            let message = format!("is no multiple of the tick: {price}, tick {}", i.tick);
            table.doubtful(cx, row, column, message, "correct the price or the tick");
        }
    }
    let below = i.reference_price < i.limit_down;
    let above = i.limit_up != Price::ZERO && i.reference_price > i.limit_up;
    if i.reference_price != Price::ZERO && (below || above) {
        let message = format!("is outside the daily limits: {}", i.reference_price);
        table.doubtful(
            cx,
            row,
            &c.reference_price,
            message,
            "correct it, limit_down or limit_up",
        );
    }
    if i.lot > i.quantity_max {
        let message = format!(
            "is below the lot: {} < {}; nothing can be bought",
            i.quantity_max.0, i.lot.0
        );
        table.doubtful(
            cx,
            row,
            &c.quantity_max,
            message,
            "raise it, or lower the lot",
        );
    }
}

/// Rows of `accounts.csv`, each with its desk.
pub fn accounts(cx: &mut Context, file: Option<FileId>) -> Vec<(Account, DeskIndex)> {
    let Some(file) = file else {
        cx.accounts.incomplete = true;
        return Vec::new();
    };
    let table = table::read(cx, file, "accounts.csv", ACCOUNTS_MAX);
    let [name_at, client_at, kind, desk_at, cash] =
        ["account", "client", "kind", "desk", "cash"].map(|name| table.column(name));
    let [order_value_max, open_orders_max, rate, burst] = [
        "order_value_max",
        "open_orders_max",
        "messages_per_second",
        "message_burst",
    ]
    .map(|name| table.column(name));
    let mut names = Names {
        incomplete: table.damaged,
        ..Names::default()
    };
    let mut accounts = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let name = table.name(cx, row, &name_at);
        define(cx, &table, row, &name_at, &mut names, name, accounts.len());
        let client = refer(cx, &table, row, &client_at, |cx| &cx.clients, "client");
        let desk = refer(cx, &table, row, &desk_at, |cx| &cx.desks, "desk");
        table.choice(cx, row, &kind);
        let account = Account {
            name: Text::cut(name.as_bytes()),
            client: ClientIndex(client.unwrap_or(0)),
            kind: AccountKind::Cash,
            cash: table.money(cx, row, &cash),
            order_value_max: table.money(cx, row, &order_value_max),
            open_orders_max: table.number(cx, row, &open_orders_max),
            messages_per_second: table.number(cx, row, &rate),
            message_burst: table.number(cx, row, &burst),
        };
        accounts.push((account, desk_index(desk)));
    }
    cx.accounts = names;
    accounts
}

/// Rows of `positions.csv`.
pub fn positions(cx: &mut Context, file: Option<FileId>) -> Vec<Position> {
    let Some(file) = file else {
        return Vec::new();
    };
    let table = table::read(cx, file, "positions.csv", POSITIONS_MAX);
    let [account_at, symbol_at, sellable_at] =
        ["account", "symbol", "sellable"].map(|name| table.column(name));
    let mut seen = HashMap::new();
    let mut positions = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let account = refer(cx, &table, row, &account_at, |cx| &cx.accounts, "account");
        let instrument = refer(
            cx,
            &table,
            row,
            &symbol_at,
            |cx| &cx.instruments,
            "instrument",
        );
        let sellable = table.quantity(cx, row, &sellable_at);
        let (Some(account), Some(instrument)) = (account, instrument) else {
            continue;
        };
        let place = table.place(cx, row, &account_at);
        if let Some(first) = seen.insert((account, instrument), place) {
            let line = cx.diagnostics.line(&first);
            let message = format!("and its symbol are here twice, first in line {line}");
            table.wrong(
                cx,
                row,
                &account_at,
                message,
                "write one row with the sum".to_owned(),
            );
        }
        positions.push(Position {
            account: account_index(Some(account)),
            instrument: InstrumentIndex(instrument),
            sellable,
        });
    }
    positions
}

/// Takes a name in, or reports the row before it.
fn define(
    cx: &mut Context,
    table: &Table,
    row: &Row,
    column: &Column,
    names: &mut Names,
    name: &str,
    index: usize,
) {
    if name.is_empty() {
        names.incomplete = true;
        return;
    }
    let place = table.place(cx, row, column);
    if let Some(first) = names.define(name, index, place) {
        let line = cx.diagnostics.line(&first);
        let message = format!("is here twice: {}, first in line {line}", shown(name));
        table.wrong(
            cx,
            row,
            column,
            message,
            "write one row for each".to_owned(),
        );
    }
}

/// Index of a name that another file defines.
fn refer(
    cx: &mut Context,
    table: &Table,
    row: &Row,
    column: &Column,
    names: for<'c> fn(&'c Context) -> &'c Names,
    what: &str,
) -> Option<u32> {
    let name = table.name(cx, row, column);
    if name.is_empty() {
        return None;
    }
    if let Some(found) = names(cx).get(name) {
        return Some(found);
    }
    let place = table.place(cx, row, column);
    let (message, help) = names(cx).unknown(name, what, cx.diagnostics.is_full())?;
    cx.error(place.file, place.span, column.name(), message, help);
    None
}
