//! Sessions that receive copies: who is meant by clients, sessions and accounts.
//!
//! Each test changes the last session of the samples into one that receives copies.

use gatehouse::config::plan::{DropCopyPlan, Plan};
use gatehouse::domain::{AccountIndex, Durability, SessionIndex};
use gatehouse::stage::copies::Copies;

use super::{C, Case, bounds, examine};

/// The samples, where the last session has these keys instead of its accounts.
fn plan(keys: &'static str) -> Plan {
    let case = Case {
        file: C,
        from: "accounts = [\"B200001\"]",
        to: keys,
        at: "",
        key: "",
        says: "",
    };
    let (plan, diagnostics, _) = examine(&case);
    let plan = plan.unwrap_or_else(|| panic!("{diagnostics}"));
    bounds::hold(&plan);
    let copies = Copies::new(&plan.sessions, plan.accounts.len());
    assert!(copies.is_receiver(SessionIndex(2)));
    plan
}

/// What it receives then.
fn received(keys: &'static str) -> DropCopyPlan {
    let copy = plan(keys).sessions[2].drop_copy.clone();
    copy.expect("it receives copies")
}

fn sessions<const N: usize>(indices: [u32; N]) -> Vec<SessionIndex> {
    indices.map(SessionIndex).to_vec()
}

#[test]
fn clients_stand_for_their_sessions_and_each_counts_once() {
    let all = received("drop_copy_clients = [\"alpha\"]\ndrop_copy_sessions = [\"alpha-2\"]");
    assert_eq!(all.sessions, sessions([0, 1]));
    assert!(all.accounts.is_empty());
    // Its own client's other sessions, of which there are none: it is not its own receiver.
    assert!(
        received("drop_copy_clients = [\"beta\"]")
            .sessions
            .is_empty()
    );
}

#[test]
fn accounts_of_any_client_may_be_named() {
    let of = received("drop_copy_accounts = [\"B200001\", \"A100001\", \"B200001\"]");
    assert_eq!(of.accounts, [2, 0].map(AccountIndex));
    assert!(of.sessions.is_empty());
    let both = received("drop_copy_accounts = [\"A100002\"]\ndrop_copy_sessions = [\"alpha-1\"]");
    assert_eq!((both.accounts.len(), both.sessions), (1, sessions([0])));
}

#[test]
fn a_copy_is_as_durable_as_its_original() {
    for keys in [
        "drop_copy_clients = [\"alpha\"]",
        "drop_copy_accounts = [\"A100001\"]",
    ] {
        let mut plan = plan(keys);
        plan.spread_durability();
        assert_eq!(plan.sessions[2].fix.durability, Durability::Process);
        plan.desks[0].durability = Durability::Host;
        plan.spread_durability();
        assert_eq!(plan.sessions[2].fix.durability, Durability::Host, "{keys}");
    }
}
