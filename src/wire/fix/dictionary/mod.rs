//! Dictionaries: what messages of a version, or of a counterparty's dialect, look like, and whether a message does.
//!
//! [`Dictionary::from_quickfix_xml`] reads a text into a [`Model`] ([`model`]); [`Dictionary::compile`] makes tables of it
//! ([`compile`]); [`Dictionary::validate`] walks over a parsed message once ([`validate`]). Shared by all sessions of a version;
//! immutable. Always: validation allocates nothing, its work is linear in the message's fields, and of several mistakes it
//! reports the one that the session layer's order of checks comes to first.

mod compile;
mod format;
pub mod model;
mod quickfix_xml;
mod validate;

pub use model::{FieldType, Model};
pub use quickfix_xml::DictionaryError;

use super::field::Message;
use super::reject::SessionRejectReason;

/// What a Reject(35=3) answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// RefTagID(371), where the reason has one.
    pub tag: Option<i32>,
    /// SessionRejectReason(373)
    pub reason: SessionRejectReason,
}

/// Which checks are made. All of them by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checks {
    /// MsgType(35) is one of the dictionary.
    pub unknown_msg_type: bool,
    /// Fields that the message, or the group's instance, must have.
    pub required_fields: bool,
    /// The tag is one of the dictionary.
    pub undefined_tags: bool,
    /// The tag may stand in this message, at this place.
    pub tags_not_in_message: bool,
    /// Every field has a value.
    pub empty_values: bool,
    /// Values are of their field's type.
    pub formats: bool,
    /// Values are one of those that the field may have.
    pub enumerations: bool,
    /// Tags stand once, outside of groups.
    pub repeated_tags: bool,
    /// Header, then body, then trailer.
    pub field_order: bool,
    /// Counts of groups, and order of their members.
    pub groups: bool,
    /// Tags from 5000 on are treated as any other; else those that the dictionary does not know are let through.
    pub user_defined_fields: bool,
}

impl Checks {
    /// Every check.
    pub const fn all() -> Self {
        Self::each(true)
    }

    /// No check.
    pub const fn none() -> Self {
        Self::each(false)
    }

    const fn each(on: bool) -> Self {
        Self {
            unknown_msg_type: on,
            required_fields: on,
            undefined_tags: on,
            tags_not_in_message: on,
            empty_values: on,
            formats: on,
            enumerations: on,
            repeated_tags: on,
            field_order: on,
            groups: on,
            user_defined_fields: on,
        }
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self::all()
    }
}

/// A compiled dictionary.
#[derive(Debug)]
pub struct Dictionary {
    tables: compile::Tables,
}

impl Dictionary {
    /// Reads a dictionary in QuickFIX's XML.
    pub fn from_quickfix_xml(text: &str) -> Result<Model, DictionaryError> {
        quickfix_xml::load(text)
    }

    /// Tables of one dictionary, or of a transport dictionary (header, trailer, session messages) and an application dictionary.
    pub fn compile(
        transport: &Model,
        application: Option<&Model>,
    ) -> Result<Self, DictionaryError> {
        let failed = |element: &str, problem, remedy| DictionaryError {
            line: 1,
            element: element.to_owned(),
            problem,
            remedy,
        };
        for model in [Some(transport), application].into_iter().flatten() {
            model.check().map_err(|(element, problem)| {
                failed(&element, problem, "correct its definition")
            })?;
        }
        if transport.header.is_empty() {
            return Err(failed(
                "<header>",
                "the dictionary has no header".to_owned(),
                "give the transport dictionary (FIXT.1.1) with it",
            ));
        }
        let tables = compile::compile(transport, application)
            .map_err(|problem| failed("<messages>", problem, "split it up"))?;
        Ok(Self { tables })
    }

    /// Whether `message` is as the dictionary has it; else the fault that comes first in the order of checks.
    #[inline]
    pub fn validate(&self, message: &Message<'_>, checks: &Checks) -> Result<(), Fault> {
        validate::validate(&self.tables, message, checks)
    }
}
