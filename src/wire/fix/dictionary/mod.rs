//! Dictionaries: what messages of a version, or of a counterparty's dialect, look like, and whether a message does.
//!
//! [`Dictionary::from_quickfix_xml`] reads a text into a [`Model`] ([`model`]); [`Dictionary::compile`] makes tables of it
//! (`compile`); [`Dictionary::validate`] walks over a parsed message once (`validate`). Shared by all sessions of a version;
//! immutable. Always: validation allocates nothing, its work is linear in the message's fields, and of several mistakes it
//! reports the one that the session layer's order of checks comes to first.

mod compile;
mod fast;
mod format;
pub mod model;
mod parts;
mod quickfix_xml;
mod validate;

pub use model::{FieldType, Model};
pub use parts::Part;
pub use quickfix_xml::DictionaryError;

pub use super::field::Fault;
pub use crate::domain::Checks;

use super::field::Message;

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

    /// Gives `visit` each field of `message` but CheckSum(10), in the order of the wire, with the part that it belongs to.
    pub fn visit_parts<'a>(
        &'a self,
        message: &Message<'a>,
        visit: impl FnMut(Part, u32, &'a [u8]),
    ) {
        parts::visit(&self.tables, message, visit);
    }
}
