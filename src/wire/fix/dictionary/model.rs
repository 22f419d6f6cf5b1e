//! A dictionary as it was read: messages, components, groups and fields, with their names. Cold; nothing on the hot path sees it.
//!
//! Owned by whoever read it. Always: every field that a part names is in `fields`, every component index is in range, components do
//! not contain themselves, groups are not empty and nest at most `DICTIONARY_DEPTH_MAX` deep. `compile` relies on it;
//! loaders prove it with [`Model::check`].

use std::collections::HashMap;

use super::format::Format;
use crate::limits::DICTIONARY_DEPTH_MAX;

macro_rules! field_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $format:ident;)*) => {
        /// Type of a field, over all versions.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum FieldType {
            $($(#[$doc])* $variant,)*
        }

        impl FieldType {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As dictionaries write it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What its values look like.
            pub(in crate::wire::fix) fn format(self) -> Format {
                match self {
                    $(Self::$variant => Format::$format,)*
                }
            }
        }
    };
}

field_types! {
    /// Any text
    String = "STRING", Text;
    /// One character
    Char = "CHAR", Char;
    /// Y or N
    Boolean = "BOOLEAN", Boolean;
    /// Whole number
    Int = "INT", Int;
    /// Count of bytes of a data field
    Length = "LENGTH", Digits;
    /// Sequence number
    SeqNum = "SEQNUM", Digits;
    /// Count of instances of a repeating group
    NumInGroup = "NUMINGROUP", Digits;
    /// Number of a field
    TagNum = "TAGNUM", Digits;
    /// 1 to 31
    DayOfMonth = "DAYOFMONTH", DayOfMonth;
    /// Decimal number
    Float = "FLOAT", Decimal;
    /// Quantity
    Qty = "QTY", Decimal;
    /// Quantity, as FIX 4.1 called it
    Quantity = "QUANTITY", Decimal;
    /// Price
    Price = "PRICE", Decimal;
    /// Difference of prices
    PriceOffset = "PRICEOFFSET", Decimal;
    /// Amount of money
    Amt = "AMT", Decimal;
    /// 0.05 is five percent
    Percentage = "PERCENTAGE", Decimal;
    /// Characters, or texts, separated by a space
    MultipleValueString = "MULTIPLEVALUESTRING", Words;
    /// Texts separated by a space
    MultipleStringValue = "MULTIPLESTRINGVALUE", Words;
    /// Characters separated by a space
    MultipleCharValue = "MULTIPLECHARVALUE", Chars;
    /// ISO 3166, two letters
    Country = "COUNTRY", Country;
    /// ISO 4217, three letters
    Currency = "CURRENCY", Currency;
    /// Market
    Exchange = "EXCHANGE", Text;
    /// ISO 639-1, two letters
    Language = "LANGUAGE", Country;
    /// `YYYYMM`, `YYYYMMDD`, `YYYYMMwN`
    MonthYear = "MONTHYEAR", MonthYear;
    /// `YYYYMMDD-HH:MM:SS` and a fraction
    UtcTimestamp = "UTCTIMESTAMP", UtcTimestamp;
    /// The same, as FIX 4.0 and 4.1 called it
    Time = "TIME", UtcTimestamp;
    /// `HH:MM:SS` and a fraction
    UtcTimeOnly = "UTCTIMEONLY", TimeOnly;
    /// `HH:MM:SS` where the market is
    LocalMktTime = "LOCALMKTTIME", TimeOnly;
    /// `YYYYMMDD`
    UtcDateOnly = "UTCDATEONLY", Date;
    /// The same, as FIX 4.2 called it
    UtcDate = "UTCDATE", Date;
    /// The same, as FIX 4.0 called it
    Date = "DATE", Date;
    /// `YYYYMMDD` where the market is
    LocalMktDate = "LOCALMKTDATE", Date;
    /// `YYYYMMDD-HH:MM:SS` with an offset
    TzTimestamp = "TZTIMESTAMP", TzTimestamp;
    /// `HH:MM` or `HH:MM:SS` with an offset
    TzTimeOnly = "TZTIMEONLY", TzTimeOnly;
    /// Any bytes; their count stands in the field before
    Data = "DATA", Text;
    /// XML; its length stands in the field before
    XmlData = "XMLDATA", Text;
    /// Unique in the message
    Xid = "XID", Text;
    /// Refers to an XID
    XidRef = "XIDREF", Text;
    /// `D5`, `M3`, `Y30`, `W13`
    Tenor = "TENOR", Tenor;
}

impl FieldType {
    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Several values, separated by spaces.
    pub fn is_multiple(self) -> bool {
        matches!(
            self,
            Self::MultipleValueString | Self::MultipleStringValue | Self::MultipleCharValue
        )
    }
}

/// What stands in a message, component or group, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// A field.
    Field {
        /// Its number.
        tag: u32,
        /// Whether it must be there.
        required: bool,
    },
    /// What the component has, in its place.
    Component {
        /// Into [`Model::components`].
        index: usize,
        /// Whether what it requires is required.
        required: bool,
    },
    /// A repeating group.
    Group {
        /// Of the field that counts its instances.
        tag: u32,
        /// Whether the count must be there.
        required: bool,
        /// Members, in their order.
        parts: Vec<Part>,
    },
}

/// Who a message is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    /// The session layer.
    Admin,
    /// The application.
    Application,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageModel {
    /// `NewOrderSingle`
    pub name: String,
    /// MsgType(35).
    pub msg_type: String,
    /// Session layer or application.
    pub category: Category,
    /// Between header and trailer.
    pub parts: Vec<Part>,
}

/// A block that messages share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComponentModel {
    /// `Instrument`
    pub name: String,
    /// In their order.
    pub parts: Vec<Part>,
}

/// One value of an enumeration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueModel {
    /// On the wire.
    pub value: String,
    /// `BUY`; may be empty.
    pub description: String,
}

/// A field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldModel {
    /// Its number.
    pub tag: u32,
    /// `ClOrdID`
    pub name: String,
    /// Its type.
    pub kind: FieldType,
    /// The values it may have; empty for any.
    pub values: Vec<ValueModel>,
    /// Whether others are taken as well.
    pub allow_other_values: bool,
}

/// A whole dictionary.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Model {
    /// BeginString(8), or for an application dictionary of FIX 5.0 the version's own text: `FIX.5.0`.
    pub begin_string: String,
    /// 1 and 2 of FIX 5.0SP1 and SP2.
    pub service_pack: u32,
    /// Standard header; empty in an application dictionary of FIX 5.0.
    pub header: Vec<Part>,
    /// Standard trailer; likewise.
    pub trailer: Vec<Part>,
    /// Messages.
    pub messages: Vec<MessageModel>,
    /// Components.
    pub components: Vec<ComponentModel>,
    /// Fields, by tag.
    pub fields: Vec<FieldModel>,
    /// Types of messages that exist, and of which nothing more is told: any fields may stand in their bodies.
    pub known_types: Vec<String>,
}

impl Model {
    /// The field with that number.
    pub fn field(&self, tag: u32) -> Option<&FieldModel> {
        let at = self.fields.binary_search_by_key(&tag, |field| field.tag);
        at.ok().map(|at| &self.fields[at])
    }

    /// What the values of a field of ours look like. Up to FIX 4.1 texts of any length were of type CHAR.
    pub(in crate::wire::fix) fn field_format(&self, field: &FieldModel) -> Format {
        let was_text = matches!(self.begin_string.as_str(), "FIX.4.0" | "FIX.4.1");
        match field.kind {
            FieldType::Char if was_text => Format::Text,
            kind => kind.format(),
        }
    }

    /// Whether it is a transport dictionary, to be combined with an application dictionary.
    pub fn is_transport(&self) -> bool {
        self.begin_string.starts_with("FIXT")
    }

    /// Proves what this file's head promises. The name of the offender, what is wrong with it, and how it is mended.
    pub fn check(&self) -> Result<(), (String, String)> {
        if let Some(pair) = self
            .fields
            .windows(2)
            .find(|pair| pair[0].tag >= pair[1].tag)
        {
            return Err((
                pair[1].name.clone(),
                format!("field {} stands twice or out of order", pair[1].tag),
            ));
        }
        let mut types = HashMap::new();
        for message in &self.messages {
            if let Some(other) = types.insert(message.msg_type.as_str(), message.name.as_str()) {
                return Err((
                    message.name.clone(),
                    format!("its type {} is {other}'s already", message.msg_type),
                ));
            }
        }
        let bodies = self
            .messages
            .iter()
            .map(|message| (message.name.as_str(), &message.parts));
        let components = self
            .components
            .iter()
            .map(|component| (component.name.as_str(), &component.parts));
        let ends = [("header", &self.header), ("trailer", &self.trailer)];
        let mut proven = vec![None; self.components.len()];
        for (name, parts) in ends.into_iter().chain(components).chain(bodies) {
            self.check_parts(parts, 0, &mut proven)
                .map_err(|what| (name.to_owned(), what))?;
        }
        Ok(())
    }

    /// How deep groups nest below; `proven` keeps that of components.
    fn check_parts(
        &self,
        parts: &[Part],
        depth: usize,
        proven: &mut [Option<usize>],
    ) -> Result<usize, String> {
        if depth > DICTIONARY_DEPTH_MAX {
            return Err(format!(
                "components and groups nest more than {DICTIONARY_DEPTH_MAX} deep, or a component contains itself"
            ));
        }
        let mut deepest = 0;
        for part in parts {
            let below = match part {
                Part::Field { tag, .. } => {
                    self.field(*tag).ok_or(format!("no field {tag}"))?;
                    0
                }
                Part::Component { index, .. } => match proven.get(*index) {
                    None => return Err("a component that is not there".to_owned()),
                    Some(Some(below)) => *below,
                    Some(None) => {
                        let parts = &self.components[*index].parts;
                        let below = self.check_parts(parts, depth + 1, proven)?;
                        proven[*index] = Some(below);
                        below
                    }
                },
                Part::Group { tag, parts, .. } => {
                    self.field(*tag).ok_or(format!("no field {tag}"))?;
                    if parts.is_empty() {
                        return Err(format!("group {tag} has no members"));
                    }
                    self.check_parts(parts, depth + 1, proven)?
                }
            } + 1;
            if depth + below > DICTIONARY_DEPTH_MAX {
                return Err(format!(
                    "components and groups nest more than {DICTIONARY_DEPTH_MAX} deep"
                ));
            }
            deepest = deepest.max(below);
        }
        Ok(deepest)
    }
}
