//! Hot rows of the instruments: what the checks compare against, computed once from the reference data.
//!
//! Owned by the risk state, immutable after start. Bounds are inclusive; where there is no limit the bound is the end of the
//! range, so that a check is one comparison.

use crate::domain::{Instrument, Price, Quantity};
use crate::limits::QUANTITY_MAX;

const BASIS_POINTS: i128 = 10_000;

/// One instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InstrumentRow {
    pub tick: i64,
    pub lot: u64,
    pub quantity_min: Quantity,
    pub quantity_max: Quantity,
    pub limit_low: Price,
    pub limit_high: Price,
    pub collar_low: Price,
    pub collar_high: Price,
    /// What a market order is valued and reserved at; zero where nothing is known.
    pub market_price: Price,
    pub unit: u32,
    /// The collar is on and there is nothing to measure from.
    pub collar_without_reference: bool,
    pub market_orders: bool,
    pub odd_lot_sell: bool,
    pub same_day_sell: bool,
}

impl InstrumentRow {
    pub fn new(instrument: &Instrument) -> Self {
        let reference = instrument.reference_price.0 as i128;
        let collar = instrument.collar_bp as i128;
        // Rounded inwards: a price just outside the exact bound is outside.
        let high = clamp(reference * (BASIS_POINTS + collar) / BASIS_POINTS);
        let low = clamp(-((-reference * (BASIS_POINTS - collar)).div_euclid(BASIS_POINTS)));
        let has_collar = collar > 0 && reference > 0;
        let market_price = match instrument.limit_up {
            Price::ZERO => high,
            limit_up => limit_up,
        };
        Self {
            tick: instrument.tick.0.max(1),
            lot: instrument.lot.0.max(1),
            quantity_min: Quantity(instrument.quantity_min.0.max(1)),
            quantity_max: Quantity(instrument.quantity_max.0.min(QUANTITY_MAX)),
            limit_low: instrument.limit_down,
            limit_high: if instrument.limit_up == Price::ZERO {
                Price(i64::MAX)
            } else {
                instrument.limit_up
            },
            collar_low: if has_collar { low } else { Price::ZERO },
            collar_high: if has_collar { high } else { Price(i64::MAX) },
            market_price,
            unit: instrument.unit,
            collar_without_reference: collar > 0 && reference == 0,
            market_orders: instrument.market_orders,
            odd_lot_sell: instrument.odd_lot_sell,
            same_day_sell: instrument.same_day_sell,
        }
    }

    /// Row that stands for instruments that do not exist: nothing but being unknown is wrong with them.
    pub fn unknown() -> Self {
        Self {
            tick: 1,
            lot: 1,
            quantity_min: Quantity::ZERO,
            quantity_max: Quantity(u64::MAX),
            limit_low: Price(i64::MIN),
            limit_high: Price(i64::MAX),
            collar_low: Price(i64::MIN),
            collar_high: Price(i64::MAX),
            market_price: Price(1),
            unit: 0,
            collar_without_reference: false,
            market_orders: true,
            odd_lot_sell: true,
            same_day_sell: true,
        }
    }
}

fn clamp(value: i128) -> Price {
    Price(value.clamp(0, i64::MAX as i128) as i64)
}
