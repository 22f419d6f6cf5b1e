//! The dialect as a repository of FIX Orchestra 1.0.
//!
//! Cold. One file per version, transport and application together. What the gateway does with a field or a value is in its documentation.

use std::fmt::Write;

use super::quickfix::escaped;
use super::{Dialect, ValueVerb};
use crate::domain::FixVersion;
use crate::wire::fix::dictionary::model::{FieldType, Model, Part};

const NAMESPACE: &str = "http://fixprotocol.io/2020/orchestra/repository";
const HEADER_ID: usize = 1024;
const TRAILER_ID: usize = 1025;
const FIRST_COMPONENT_ID: usize = 1100;
const FIRST_GROUP_ID: usize = 2000;

/// Writes the repository of a version.
pub fn write(dialect: &Dialect, version: FixVersion) -> String {
    let (transport, application) = dialect.models(version);
    let mut writer = Writer {
        out: String::new(),
        dialect,
        version,
        models: [Some(transport), application]
            .into_iter()
            .flatten()
            .collect(),
        groups: Vec::new(),
    };
    let name = version.name();
    let out = &mut writer.out;
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<fixr:repository xmlns:fixr=\"{NAMESPACE}\" xmlns:dcterms=\"http://purl.org/dc/terms/\" name=\"Gatehouse\" version=\"{name}\">"
    );
    let _ = writeln!(
        out,
        " <fixr:metadata>\n  <dcterms:title>Gatehouse, {name}</dcterms:title>\n </fixr:metadata>"
    );
    writer.datatypes();
    writer.code_sets();
    writer.fields();
    // Components come before groups, and groups are known when components and messages are written.
    let components = writer.components();
    let messages = writer.messages();
    let groups = writer.group_definitions();
    for (name, text) in [
        ("components", components),
        ("groups", groups),
        ("messages", messages),
    ] {
        let _ = write!(writer.out, " <fixr:{name}>\n{text} </fixr:{name}>\n");
    }
    writer.out.push_str("</fixr:repository>\n");
    writer.out
}

struct Writer<'d> {
    out: String,
    dialect: &'d Dialect,
    version: FixVersion,
    /// The transport's, and the application's where it is apart.
    models: Vec<Model>,
    /// Groups that were met: model, count, members.
    groups: Vec<(usize, u32, Vec<Part>)>,
}

impl Writer<'_> {
    fn used(&self) -> impl Iterator<Item = &super::Field> {
        self.dialect.fields.iter().filter(|field| {
            let mut models = self.models.iter();
            models.any(|model| model.field(field.tag).is_some())
        })
    }

    fn datatypes(&mut self) {
        let mut names: Vec<_> = self.used().map(|field| datatype(field.kind)).collect();
        names.sort_unstable();
        names.dedup();
        self.out.push_str(" <fixr:datatypes>\n");
        for name in names {
            let _ = writeln!(self.out, "  <fixr:datatype name=\"{name}\"/>");
        }
        self.out.push_str(" </fixr:datatypes>\n");
    }

    fn code_sets(&mut self) {
        let mut text = String::from(" <fixr:codeSets>\n");
        for field in self.used() {
            let mut values = field.values_in(self.version).enumerate().peekable();
            if values.peek().is_none() {
                continue;
            }
            let (name, tag) = (&field.name, field.tag);
            let kind = datatype(field.kind);
            let _ = writeln!(
                text,
                "  <fixr:codeSet name=\"{name}CodeSet\" id=\"{tag}\" type=\"{kind}\">"
            );
            for (at, value) in values {
                let verb = match value.verb {
                    ValueVerb::Taken => "taken",
                    ValueVerb::Refused => "refused with a reason",
                    ValueVerb::Written => "sent by the gateway",
                };
                let id = tag * 1000 + at as u32 + 1;
                let _ = writeln!(
                    text,
                    "   <fixr:code name=\"{}\" id=\"{id}\" value=\"{}\">{}</fixr:code>",
                    pascal(&value.meaning),
                    escaped(&value.value),
                    note(&format!("{}: {verb}", value.meaning)),
                );
            }
            text.push_str("  </fixr:codeSet>\n");
        }
        text.push_str(" </fixr:codeSets>\n");
        self.out.push_str(&text);
    }

    fn fields(&mut self) {
        let mut text = String::from(" <fixr:fields>\n");
        for field in self.used() {
            let kind = match field.values_in(self.version).next() {
                Some(_) => format!("{}CodeSet", field.name),
                None => datatype(field.kind).to_owned(),
            };
            let start = format!(
                "  <fixr:field id=\"{}\" name=\"{}\" type=\"{kind}\"",
                field.tag, field.name
            );
            let _ = match field.about.is_empty() {
                true => writeln!(text, "{start}/>"),
                false => writeln!(text, "{start}>{}</fixr:field>", note(&field.about)),
            };
        }
        text.push_str(" </fixr:fields>\n");
        self.out.push_str(&text);
    }

    fn components(&mut self) -> String {
        let mut text = String::new();
        let (header, trailer) = (
            self.models[0].header.clone(),
            self.models[0].trailer.clone(),
        );
        for (name, id, parts) in [
            ("StandardHeader", HEADER_ID, header),
            ("StandardTrailer", TRAILER_ID, trailer),
        ] {
            self.component(&mut text, name, id, 0, &parts);
        }
        for model in 0..self.models.len() {
            for at in 0..self.models[model].components.len() {
                let component = self.models[model].components[at].clone();
                let id = self.component_id(model, at);
                self.component(&mut text, &component.name, id, model, &component.parts);
            }
        }
        text
    }

    fn component(
        &mut self,
        text: &mut String,
        name: &str,
        id: usize,
        model: usize,
        parts: &[Part],
    ) {
        let _ = writeln!(text, "  <fixr:component name=\"{name}\" id=\"{id}\">");
        self.parts(text, model, parts);
        text.push_str("  </fixr:component>\n");
    }

    fn component_id(&self, model: usize, at: usize) -> usize {
        let before: usize = self.models[..model]
            .iter()
            .map(|m| m.components.len())
            .sum();
        FIRST_COMPONENT_ID + before + at
    }

    fn messages(&mut self) -> String {
        let mut text = String::new();
        let mut id = 0;
        for model in 0..self.models.len() {
            for at in 0..self.models[model].messages.len() {
                let message = self.models[model].messages[at].clone();
                id += 1;
                let _ = writeln!(
                    text,
                    "  <fixr:message name=\"{}\" id=\"{id}\" msgType=\"{}\">\n   <fixr:structure>",
                    message.name, message.msg_type
                );
                reference(&mut text, "component", HEADER_ID, true);
                self.parts(&mut text, model, &message.parts);
                reference(&mut text, "component", TRAILER_ID, true);
                text.push_str("   </fixr:structure>\n  </fixr:message>\n");
            }
        }
        text
    }

    /// Groups may hold groups, which are then defined behind them.
    fn group_definitions(&mut self) -> String {
        let mut text = String::new();
        let mut at = 0;
        while let Some((model, tag, parts)) = self.groups.get(at).cloned() {
            let name = self.models[model]
                .field(tag)
                .map_or_else(String::new, |field| field.name.clone());
            let id = FIRST_GROUP_ID + at;
            let _ = writeln!(
                text,
                "  <fixr:group name=\"{name}Grp{}\" id=\"{id}\">\n    <fixr:numInGroup id=\"{tag}\"/>",
                at + 1
            );
            self.parts(&mut text, model, &parts);
            text.push_str("  </fixr:group>\n");
            at += 1;
        }
        text
    }

    fn parts(&mut self, text: &mut String, model: usize, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Field { tag, required } => {
                    reference(text, "field", *tag as usize, *required);
                }
                Part::Component { index, required } => {
                    reference(
                        text,
                        "component",
                        self.component_id(model, *index),
                        *required,
                    );
                }
                Part::Group {
                    tag,
                    required,
                    parts,
                } => {
                    let group = (model, *tag, parts.clone());
                    let at = match self.groups.iter().position(|met| *met == group) {
                        Some(at) => at,
                        None => {
                            self.groups.push(group);
                            self.groups.len() - 1
                        }
                    };
                    reference(text, "group", FIRST_GROUP_ID + at, *required);
                }
            }
        }
    }
}

fn reference(text: &mut String, what: &str, id: usize, required: bool) {
    let presence = if required {
        " presence=\"required\""
    } else {
        ""
    };
    let _ = writeln!(text, "    <fixr:{what}Ref id=\"{id}\"{presence}/>");
}

fn note(words: &str) -> String {
    format!(
        "<fixr:annotation><fixr:documentation purpose=\"SYNOPSIS\">{}</fixr:documentation></fixr:annotation>",
        escaped(words)
    )
}

/// `GoodTillCancel`
fn pascal(words: &str) -> String {
    let mut name = String::new();
    for word in words.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            name.push(first.to_ascii_uppercase());
            name.push_str(letters.as_str());
        }
    }
    name
}

/// The type's name in Orchestra.
fn datatype(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Char => "char",
        FieldType::Boolean => "Boolean",
        FieldType::Int => "int",
        FieldType::Length => "Length",
        FieldType::SeqNum => "SeqNum",
        FieldType::NumInGroup => "NumInGroup",
        FieldType::TagNum => "TagNum",
        FieldType::DayOfMonth => "DayOfMonth",
        FieldType::Float => "float",
        FieldType::Qty | FieldType::Quantity => "Qty",
        FieldType::Price => "Price",
        FieldType::PriceOffset => "PriceOffset",
        FieldType::Amt => "Amt",
        FieldType::Percentage => "Percentage",
        FieldType::MultipleValueString | FieldType::MultipleStringValue => "MultipleStringValue",
        FieldType::MultipleCharValue => "MultipleCharValue",
        FieldType::Country => "Country",
        FieldType::Currency => "Currency",
        FieldType::Exchange => "Exchange",
        FieldType::Language => "Language",
        FieldType::MonthYear => "MonthYear",
        FieldType::UtcTimestamp | FieldType::Time => "UTCTimestamp",
        FieldType::UtcTimeOnly => "UTCTimeOnly",
        FieldType::LocalMktTime => "LocalMktTime",
        FieldType::UtcDateOnly | FieldType::UtcDate | FieldType::Date => "UTCDateOnly",
        FieldType::LocalMktDate => "LocalMktDate",
        FieldType::TzTimestamp => "TZTimestamp",
        FieldType::TzTimeOnly => "TZTimeOnly",
        FieldType::Data => "data",
        FieldType::XmlData => "XMLData",
        FieldType::Xid => "XID",
        FieldType::XidRef => "XIDREF",
        FieldType::Tenor => "Tenor",
        FieldType::String => "String",
    }
}
