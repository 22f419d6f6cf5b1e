//! What every plan must keep, whatever the files say; and that random changes of the samples keep it.
//!
//! A change that is accepted must give a plan within all bounds; one that is refused must say where.

use std::collections::HashSet;
use std::fs;

use gatehouse::config::plan::{ListenerPlan, SessionPlan};
use gatehouse::config::{self, Plan};
use gatehouse::domain::SessionIndex;
use gatehouse::limits::*;
use proptest::prelude::*;

use super::{CORES, FILES, copy_samples};

/// Panics where the plan leaves a bound.
pub fn hold(plan: &Plan) {
    let (threads, state) = (&plan.threads, &plan.state);
    assert!(threads.ring_slots.is_power_of_two());
    assert!((RING_SLOTS_MIN..=RING_SLOTS_MAX).contains(&threads.ring_slots));
    assert!(threads.cores.len() <= HOT_THREADS && threads.cores.iter().all(|c| *c <= CORE_MAX));
    assert!(state.staging_bytes.is_power_of_two());
    assert!((STAGING_BYTES_MIN..=STAGING_BYTES_MAX).contains(&state.staging_bytes));
    assert!((1..=REQUESTS_MAX).contains(&state.requests_per_day_max));
    assert!((1..=EXECUTIONS_MAX).contains(&state.executions_per_day_max));
    assert!((1..=LISTENERS_MAX).contains(&plan.listeners.len()));
    plan.listeners.iter().for_each(listener);
    let mut identities = HashSet::new();
    for s in &plan.sessions {
        session(s, plan);
        let fix = &s.fix;
        assert!(identities.insert((fix.version as u8, fix.sender_comp_id, fix.target_comp_id)));
    }
    desks(plan);
    instruments(plan);
    accounts(plan);
}

fn listener(l: &ListenerPlan) {
    assert!((1..=CONNECTIONS_MAX).contains(&l.connections_max) && l.logon_timeout_s > 0);
    assert!(!l.name.is_empty());
}

fn session(s: &SessionPlan, plan: &Plan) {
    let fix = &s.fix;
    let (min, max) = (fix.heartbeat_interval_min_s, fix.heartbeat_interval_max_s);
    assert!(s.client.get() < plan.clients.len());
    assert!(1 <= min && min <= max && max <= SESSION_TIMER_S_MAX);
    assert!((min..=max).contains(&fix.heartbeat_interval_s));
    assert!(fix.logout_timeout_s > 0 && fix.sending_time_tolerance_s > 0);
    assert!(!fix.sender_comp_id.is_empty() && !fix.target_comp_id.is_empty());
    assert!(s.messages_per_second <= MESSAGE_RATE_MAX);
    assert!((1..=MESSAGE_RATE_MAX).contains(&s.message_burst));
    assert!(s.accounts.iter().all(|a| a.get() < plan.accounts.len()));
    assert!(s.accounts.len() == s.accounts.iter().collect::<HashSet<_>>().len());
    if let Some(copy) = &s.drop_copy {
        assert!(s.accounts.is_empty());
        assert!(copy.accounts.iter().all(|a| a.get() < plan.accounts.len()));
        let orders = |of: &SessionIndex| plan.sessions[of.get()].drop_copy.is_none();
        assert!(copy.sessions.iter().all(orders));
    }
    for network in &s.allowed_sources {
        let bits = if network.address.is_ipv4() { 32 } else { 128 };
        assert!(network.prefix_bits <= bits);
    }
}

fn desks(plan: &Plan) {
    assert!((1..=DESKS_MAX).contains(&plan.desks.len()));
    for link in plan.desks.iter().flat_map(|d| &d.links) {
        assert!(link.reconnect_min_ms >= LINK_TIMER_MS_MIN);
        assert!(link.reconnect_min_ms <= link.reconnect_max_ms);
        assert!(link.reconnect_max_ms <= LINK_TIMER_MS_MAX);
        assert!((1..=LINK_WINDOW_MAX).contains(&link.window) && link.address.port() != 0);
        assert!((1..=SESSION_TIMER_S_MAX).contains(&link.fix.heartbeat_interval_s));
        assert!(!link.fix.target_comp_id.is_empty());
    }
    assert!(plan.desks.iter().all(|d| !d.links.is_empty()));
}

fn instruments(plan: &Plan) {
    let mut symbols = HashSet::new();
    for i in &plan.instruments {
        assert!(!i.symbol.is_empty() && symbols.insert(i.symbol));
        assert!((1..=UNIT_MAX).contains(&i.unit) && i.lot.0 > 0 && i.tick.0 > 0);
        assert!(0 < i.quantity_min.0 && i.quantity_min <= i.quantity_max);
        assert!(i.quantity_max.0 <= QUANTITY_MAX && i.limit_up.0 <= PRICE_MAX);
        assert!(i.limit_up.0 == 0 || i.limit_down <= i.limit_up);
        assert!(i.collar_bp <= COLLAR_BP_MAX && (i.collar_bp == 0 || i.reference_price.0 > 0));
        assert!(!i.market_orders || i.limit_up.0 > 0);
    }
}

fn accounts(plan: &Plan) {
    let mut names = HashSet::new();
    assert_eq!(plan.accounts.len(), plan.account_desks.len());
    for account in &plan.accounts {
        assert!(!account.name.is_empty() && names.insert(account.name));
        assert!(account.client.get() < plan.clients.len());
        assert!(account.cash.0 >= 0 && account.order_value_max.0 >= 0);
        assert!(account.message_burst >= 1 && account.messages_per_second <= MESSAGE_RATE_MAX);
    }
    assert!(
        plan.account_desks
            .iter()
            .all(|d| d.get() < plan.desks.len())
    );
    let mut pairs = HashSet::new();
    for p in &plan.positions {
        assert!(p.account.get() < plan.accounts.len());
        assert!(p.instrument.get() < plan.instruments.len() && p.sellable.0 <= QUANTITY_MAX);
        assert!(pairs.insert((p.account, p.instrument)));
    }
}

/// A text that matters to the formats, or a value at an edge.
fn token() -> impl Strategy<Value = String> {
    let fixed: &[&str] = &[
        "9223372036854775807",
        "-1",
        "0",
        "1",
        "\u{feff}",
        "\u{4e2d}",
        "true",
        "[[clients.sessions]]\n",
        "[[desks.links]]\n",
        "A100001",
        "600000",
        "cash",
        "",
    ];
    prop_oneof![
        "[\\[\\]=\"#,.\n\r\t 0-9a-z_{}'-]{0,6}",
        prop::sample::select(fixed).prop_map(str::to_owned),
    ]
}

/// Bytes to replace: nothing at a place, or the word that stands there.
fn cut(text: &str, at: prop::sample::Index, whole_word: bool) -> (usize, usize) {
    let places: Vec<usize> = (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .collect();
    let start = *at.get(&places);
    if !whole_word {
        return (start, start);
    }
    let outside = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.' | '-');
    let from = match text[..start].char_indices().rfind(|(_, c)| outside(*c)) {
        Some((at, c)) => at + c.len_utf8(),
        None => 0,
    };
    let to = text[start..]
        .find(outside)
        .map_or(text.len(), |p| start + p);
    (from, to)
}

/// The numbers of a text, as byte ranges.
fn numbers(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let ends = |from: usize| (from..).find(|at| !digit(*at)).unwrap_or(text.len());
    (0..bytes.len())
        .filter(|at| digit(*at) && (*at == 0 || !digit(at - 1)))
        .map(|from| (from, ends(from)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changes_never_panic_and_never_leave_the_bounds(
        changes in prop::collection::vec((0usize..5, any::<prop::sample::Index>(), any::<bool>(), token()), 1..4)
    ) {
        let directory = tempfile::tempdir().unwrap();
        copy_samples(directory.path());
        for (file, at, whole_word, token) in changes {
            let path = directory.path().join(FILES[file]);
            let mut text = fs::read_to_string(&path).unwrap();
            let (from, to) = cut(&text, at, whole_word);
            text.replace_range(from..to, &token);
            fs::write(&path, text).unwrap();
        }
        let (plan, diagnostics) = config::examine_on(directory.path(), &CORES);
        prop_assert_eq!(plan.is_none(), diagnostics.has_errors());
        if let Some(plan) = plan {
            hold(&plan);
        }
        for d in diagnostics.errors().chain(diagnostics.warnings()) {
            prop_assert!(d.line >= 1 && d.column >= 1 && !d.message.is_empty() && !d.help.is_empty());
        }
        let _ = diagnostics.render(true);
    }

    #[test]
    fn other_numbers_never_leave_the_bounds(
        file in 0usize..5,
        at in any::<prop::sample::Index>(),
        value in prop_oneof![0u64..4, 0u64..100_000, any::<u64>(), (0u32..64).prop_map(|bits| 1 << bits)],
    ) {
        let directory = tempfile::tempdir().unwrap();
        copy_samples(directory.path());
        let path = directory.path().join(FILES[file]);
        let mut text = fs::read_to_string(&path).unwrap();
        let (from, to) = *at.get(&numbers(&text));
        text.replace_range(from..to, &value.to_string());
        fs::write(&path, text).unwrap();
        let (plan, diagnostics) = config::examine_on(directory.path(), &CORES);
        prop_assert_eq!(plan.is_none(), diagnostics.has_errors());
        if let Some(plan) = plan {
            hold(&plan);
        }
    }
}
