//! docs/RULES-OF-ENGAGEMENT.md is what the dialect says: `UPDATE_DOCS=1 cargo test --test rules_of_engagement` writes it anew.
//!
//! The document is for clients' developers; each version's part names what that version has.

use gatehouse::domain::FixVersion;
use gatehouse::wire::fix::dialect;

#[test]
fn the_rules_of_engagement_are_those_of_the_dialect() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/RULES-OF-ENGAGEMENT.md");
    let now = dialect::markdown::write(dialect::own(), None);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == now,
        "docs/RULES-OF-ENGAGEMENT.md is out of date; UPDATE_DOCS=1 cargo test --test rules_of_engagement writes it"
    );
    for version in FixVersion::ALL {
        let one = dialect::markdown::write(dialect::own(), Some(version));
        assert!(one.contains("| 11 | ClOrdID |") && one.len() < now.len());
        // No heading without anything below it.
        assert_eq!(one.contains("### Blocks"), one.contains("\n* **"));
        let has_mass_cancel = one.contains("OrderMassCancelRequest (35=q)");
        assert_eq!(has_mass_cancel, version >= FixVersion::Fix43);
    }
}
