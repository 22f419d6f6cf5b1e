//! Which checks of a dictionary a session makes: one switch per kind of mistake, all on unless the configuration says otherwise.
//!
//! A plain value: the configuration fills it, the dictionary obeys it.

/// Checks against a dictionary, each of which can be switched off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checks {
    /// MsgType(35) that the dictionary has not
    pub unknown_msg_type: bool,
    /// Fields that a message or a group member must have
    pub required_fields: bool,
    /// Tags that the dictionary has not
    pub undefined_tags: bool,
    /// Tags that the dictionary has, but not in this message
    pub tags_not_in_message: bool,
    /// `11=<SOH>`
    pub empty_values: bool,
    /// Values that are not of the field's type
    pub formats: bool,
    /// Values that are not among those listed
    pub enumerations: bool,
    /// A tag twice outside repeating groups
    pub repeated_tags: bool,
    /// Header before body before trailer
    pub field_order: bool,
    /// Counts of repeating groups and the order of their members
    pub groups: bool,
    /// User-defined tags (5000 and above) are treated as other tags
    pub user_defined_fields: bool,
}

impl Checks {
    /// All on.
    pub const ALL: Self = Self {
        unknown_msg_type: true,
        required_fields: true,
        undefined_tags: true,
        tags_not_in_message: true,
        empty_values: true,
        formats: true,
        enumerations: true,
        repeated_tags: true,
        field_order: true,
        groups: true,
        user_defined_fields: true,
    };
}

impl Default for Checks {
    fn default() -> Self {
        Self::ALL
    }
}
