//! Cancels for which there is no room in their desk's windows: they wait aside, for a bounded time, and nobody waits behind them.
//!
//! One thread; the test is the desks and the risk stage.

use std::net::SocketAddr;

use super::{Links, READY};
use crate::config::sample::Sample;
use crate::domain::order::DeskRequest;
use crate::domain::report::DeskInput;
use crate::domain::{DeskIndex, OrderId, RejectReason};
use crate::limits::{CANCEL_WAIT_NS_MAX, CANCELS_WAITING_MAX};

/// Turns in which no cancel may wait any more.
const TURNS: u64 = 2 + CANCEL_WAIT_NS_MAX / 6_000_000;

fn refused(id: OrderId) -> DeskInput {
    DeskInput::Refused {
        id,
        reason: RejectReason::Pressure,
        text: Default::default(),
    }
}

/// The first desk with two links, the second with one, each with an account and windows of this size.
fn two_desks(window: usize, acknowledge_timeout_ms: u32) -> Links {
    let mut sample = Sample::new("/nowhere");
    sample.links = [1, 2]
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .into();
    (sample.window, sample.accounts) = (window, 2);
    let mut plan = sample.plan();
    plan.desks[0].acknowledge_timeout_ms = acknowledge_timeout_ms as _;
    let mut other = plan.desks[0].clone();
    other.links.truncate(1);
    plan.desks.push(other);
    plan.account_desks = vec![DeskIndex(0), DeskIndex(1)];
    let mut links = Links::of(plan, 64);
    links.turn();
    (0..3).for_each(|link| links.log_on(link));
    assert_eq!(links.told(), [READY; 3]);
    links
}

#[test]
fn the_cancels_of_a_kill_wait_for_room_in_the_window() {
    let mut links = Links::new(1, 64);
    assert_eq!(links.told(), [READY]);
    let order = links.ask(0, DeskRequest::New);
    links.cancel(1, order);
    links.turn();
    links.turn();
    assert_eq!(links.sent_kinds(), ["D"]);
    assert_eq!(links.told(), [], "the cancel is not refused");
    links.acknowledge(2, order);
    links.turn();
    assert_eq!(links.sent_kinds(), ["F"]);
    // A desk that answers nothing must not keep the others waiting: in the end it is refused.
    let last = links.cancel(2, order);
    links.told();
    for _ in 0..2 + CANCEL_WAIT_NS_MAX / 6_000_000 {
        links.turn();
    }
    let refused = DeskInput::Refused {
        id: last,
        reason: RejectReason::Pressure,
        text: Default::default(),
    };
    assert_eq!(links.told(), [refused]);
}

#[test]
fn a_kill_on_a_link_that_is_silent_and_full_keeps_no_other_desk_waiting() {
    let mut links = two_desks(3, u32::MAX);
    let orders: Vec<_> = (0..3).map(|at| links.ask(at, DeskRequest::New)).collect();
    links.turn();
    assert_eq!(links.sent_kinds_on(0), ["D"; 3]);
    for (at, order) in (10..).zip(orders) {
        links.cancel(at, order);
    }
    links.ask_of(1, 20, DeskRequest::New);
    links.ask(21, DeskRequest::New);
    links.turn();
    // They wait for their orders' link; who comes after them does not.
    assert_eq!(links.sent_kinds_on(0), [""; 0]);
    assert_eq!(links.sent_kinds_on(1), ["D"]);
    assert_eq!(links.sent_kinds_on(2), ["D"]);
    // All of them wait no longer than one would, and then take what room there is elsewhere.
    (0..TURNS).for_each(|_| links.turn());
    assert_eq!(links.sent_kinds_on(1), ["F"; 2]);
    assert_eq!(links.told(), [refused(super::id(12))]);
    assert_eq!(links.sent_kinds_on(0), [""; 0]);
}

#[test]
fn a_cancel_does_not_wait_for_a_link_that_is_full_and_suspect() {
    let mut links = two_desks(1, 1);
    let order = links.ask(0, DeskRequest::New);
    (0..3).for_each(|_| links.turn());
    assert_eq!(links.sent_kinds_on(0), ["D"]);
    links.cancel(1, order);
    links.turn();
    assert_eq!(links.sent_kinds_on(1), ["F"]);
    assert_eq!(links.told(), []);
}

#[test]
fn a_cancel_that_waits_goes_behind_its_order_when_the_link_answers() {
    let mut links = two_desks(1, u32::MAX);
    let order = links.ask(0, DeskRequest::New);
    links.turn();
    links.cancel(1, order);
    links.turn();
    // The desk answers another number: the order that the cancel names is the one in the window.
    links.acknowledge(2, order);
    links.turn();
    assert_eq!(links.sent_kinds_on(0), ["D", "F"]);
    assert_eq!(links.sent_kinds_on(1), [""; 0]);
}

#[test]
fn no_more_cancels_wait_than_there_is_room_for() {
    let mut links = two_desks(1, u32::MAX);
    for at in 0..2 {
        links.ask(at, DeskRequest::New);
    }
    links.turn();
    let beyond = 5;
    let mut told = Vec::new();
    for at in 0..CANCELS_WAITING_MAX as u32 + beyond {
        links.cancel(10 + at, super::id(99));
        if at % 32 == 31 {
            links.now_ns -= 6_000_000;
            links.turn();
            told.extend(links.told());
        }
    }
    links.turn();
    told.extend(links.told());
    let first = 10 + CANCELS_WAITING_MAX as u32;
    let expected: Vec<_> = (first..first + beyond)
        .map(|at| refused(super::id(at)))
        .collect();
    assert_eq!(told, expected);
}
