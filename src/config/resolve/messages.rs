//! What sessions and links have in common about messages: dictionary, checks, times, numbers in headers and Logons. Cold code.
//!
//! The files of a dictionary are named here (and must be there), and read by whoever starts the sessions, see `stage::dictionaries`.

use toml::Spanned;

use super::section::Section;
use crate::config::file::Item;
use crate::config::plan::{DictionaryFiles, DictionaryPlan, FixPlan};
use crate::domain::time::Precision;
use crate::domain::{Checks, FixVersion};

/// The keys.
pub struct Keys<'t> {
    pub dictionary: &'t Item<String>,
    pub application_dictionary: &'t Item<String>,
    pub unchecked: &'t Item<Vec<Spanned<String>>>,
    pub timestamp_precision: &'t Item<String>,
    pub next_expected_msg_seq_num: &'t Item<bool>,
    pub last_msg_seq_num_processed: &'t Item<bool>,
}

/// Fills the plan; `preset` is the dictionary where none is named.
pub fn settle(s: &mut Section, keys: &Keys, preset: DictionaryPlan, plan: &mut FixPlan) {
    plan.dictionary = dictionary(s, keys, preset, plan.version);
    plan.checks = checks(s, keys);
    if keys.unchecked.is_some() && plan.dictionary == DictionaryPlan::None {
        let message = "has no effect: there is no dictionary to check against".to_owned();
        s.doubtful("unchecked", keys.unchecked, message, "name a dictionary");
    }
    plan.precision = precision(s, keys, plan);
    plan.next_expected_msg_seq_num =
        s.flag("next_expected_msg_seq_num", keys.next_expected_msg_seq_num);
    plan.last_msg_seq_num_processed = s.flag(
        "last_msg_seq_num_processed",
        keys.last_msg_seq_num_processed,
    );
    for (name, item, is_set, first) in [
        (
            "next_expected_msg_seq_num",
            keys.next_expected_msg_seq_num,
            plan.next_expected_msg_seq_num,
            FixVersion::Fix44,
        ),
        (
            "last_msg_seq_num_processed",
            keys.last_msg_seq_num_processed,
            plan.last_msg_seq_num_processed,
            FixVersion::Fix42,
        ),
    ] {
        if is_set && plan.version < first {
            let (version, first) = (plan.version.name(), first.name());
            let message = format!("is not of {version}: the field begins with {first}");
            s.doubtful(
                name,
                item,
                message,
                "leave it out, unless the peer takes the field all the same",
            );
        }
    }
}

fn dictionary(
    s: &mut Section,
    keys: &Keys,
    preset: DictionaryPlan,
    version: FixVersion,
) -> DictionaryPlan {
    let errors = s.cx.errors();
    let transport = s.optional_path("dictionary", keys.dictionary);
    let application = s.optional_path("application_dictionary", keys.application_dictionary);
    match (&transport, &application) {
        (None, Some(_)) => {
            let message = "stands alone: the session layer's dictionary is missing".to_owned();
            let help = "write dictionary = \"FIXT11.xml\" too";
            s.contradicts(
                "application_dictionary",
                keys.application_dictionary,
                message,
                help,
            );
        }
        (Some(_), Some(_)) if !version.is_fixt() => {
            let message = format!(
                "is not for {}: one dictionary has all of it",
                version.name()
            );
            let help = "leave it out";
            s.contradicts(
                "application_dictionary",
                keys.application_dictionary,
                message,
                help,
            );
        }
        (Some(_), None) if version.is_fixt() => {
            let message = format!(
                "has the session layer only, and the session is {}",
                version.name()
            );
            let help = "write application_dictionary = \"FIX50SP2.xml\", or whichever it is, too";
            s.contradicts("dictionary", keys.dictionary, message, help);
        }
        _ => {}
    }
    for (name, item, path) in [
        ("dictionary", keys.dictionary, &transport),
        (
            "application_dictionary",
            keys.application_dictionary,
            &application,
        ),
    ] {
        if let Some(path) = path
            && s.cx.errors() == errors
        {
            s.can_open(name, item, path);
        }
    }
    match transport {
        None => preset,
        Some(transport) => DictionaryPlan::Files(DictionaryFiles {
            transport,
            application,
        }),
    }
}

/// Names in the catalogue, and what they switch.
type Switch = (&'static str, fn(&mut Checks) -> &mut bool);

const SWITCHES: [Switch; 11] = [
    ("unknown_msg_type", |checks| &mut checks.unknown_msg_type),
    ("required_fields", |checks| &mut checks.required_fields),
    ("undefined_tags", |checks| &mut checks.undefined_tags),
    ("tags_not_in_message", |checks| {
        &mut checks.tags_not_in_message
    }),
    ("empty_values", |checks| &mut checks.empty_values),
    ("formats", |checks| &mut checks.formats),
    ("enumerations", |checks| &mut checks.enumerations),
    ("repeated_tags", |checks| &mut checks.repeated_tags),
    ("field_order", |checks| &mut checks.field_order),
    ("groups", |checks| &mut checks.groups),
    ("user_defined_fields", |checks| {
        &mut checks.user_defined_fields
    }),
];

fn checks(s: &mut Section, keys: &Keys) -> Checks {
    let mut checks = Checks::ALL;
    for word in s.words("unchecked", keys.unchecked) {
        for (name, switch) in SWITCHES {
            if name == word {
                *switch(&mut checks) = false;
            }
        }
    }
    checks
}

fn precision(s: &mut Section, keys: &Keys, plan: &FixPlan) -> Precision {
    let precision = match s.optional_word("timestamp_precision", keys.timestamp_precision) {
        None => return plan.precision,
        Some("seconds") => Precision::Seconds,
        Some("millis") => Precision::Millis,
        Some("micros") => Precision::Micros,
        Some(_) => Precision::Nanos,
    };
    if plan.version < FixVersion::Fix42 && precision != Precision::Seconds {
        let message = format!("is too fine: {} has whole seconds", plan.version.name());
        let help = "write \"seconds\", or leave it out";
        s.contradicts(
            "timestamp_precision",
            keys.timestamp_precision,
            message,
            help,
        );
    }
    precision
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::CHECKS;

    #[test]
    fn every_check_has_its_word_and_its_switch() {
        assert_eq!(SWITCHES.map(|(name, _)| name), CHECKS);
        for (name, switch) in SWITCHES {
            let mut checks = Checks::ALL;
            *switch(&mut checks) = false;
            let off = SWITCHES.iter().filter(|(_, switch)| !*switch(&mut checks));
            assert_eq!(off.count(), 1, "{name}");
            assert!(format!("{checks:?}").contains(&format!("{name}: false")));
        }
    }
}
