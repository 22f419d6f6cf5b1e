//! One instrument: what may be ordered, in which steps, within which limits. One row of `instruments.csv`.
//!
//! Plain values, fixed for the day.

use super::price::Price;
use super::quantity::Quantity;
use super::text::Text;

/// Reference data of one instrument. Limits are taken from the file, never computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Symbol(55), unique
    pub symbol: Text<23>,
    /// SecurityExchange(207) as a MIC; empty where there is none
    pub market: Text<7>,
    /// Currency units that one price point of one unit of quantity is worth (1 for shares, the contract size for options)
    pub unit: u32,
    /// Buy quantities are multiples of it. A sell may also be of the odd rest (see `odd_lot_sell`)
    pub lot: Quantity,
    /// Whether a sell may be any quantity that is not a multiple of the lot
    pub odd_lot_sell: bool,
    /// Prices are multiples of it
    pub tick: Price,
    /// Smallest quantity of one order
    pub quantity_min: Quantity,
    /// Largest quantity of one order
    pub quantity_max: Quantity,
    /// Daily limit down; zero where there is none
    pub limit_down: Price,
    /// Daily limit up; zero where there is none. Market orders reserve at this price
    pub limit_up: Price,
    /// Reference price of the collar (previous close); zero where there is none
    pub reference_price: Price,
    /// Largest distance from the reference price, in basis points of it; zero switches the collar off
    pub collar_bp: u32,
    /// Whether market orders are taken
    pub market_orders: bool,
    /// Whether what is bought today may be sold today (T+0)
    pub same_day_sell: bool,
}
