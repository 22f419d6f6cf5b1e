//! The dialect that Gatehouse speaks, as data: messages, fields and values by FIX version, read from `dialect.txt`.
//!
//! Cold: read once, when something asks for it. From here come the dictionary of sessions whose configuration names none ([`dictionary`]) and what
//! `gatehouse dialect` writes ([`quickfix`], [`orchestra`], [`markdown`]). Always: every name in a part is a field or a block of the dialect; the
//! text is part of the program, so that a mistake in it is the program's.

pub mod markdown;
pub mod orchestra;
mod parse;
pub mod quickfix;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use super::dictionary::Dictionary;
use super::dictionary::model::{
    Category, ComponentModel, FieldModel, FieldType, MessageModel, Model, Part, ValueModel,
};
use super::versions::Span;
use crate::domain::FixVersion;

const TEXT: &str = include_str!("dialect.txt");

/// The dialect.
#[derive(Debug)]
pub struct Dialect {
    /// Fields by tag.
    pub fields: Vec<Field>,
    /// Standard header.
    pub header: Vec<Item>,
    /// Standard trailer.
    pub trailer: Vec<Item>,
    /// Messages in the order of the text.
    pub messages: Vec<Message>,
    /// Blocks that messages share.
    pub blocks: Vec<Block>,
    /// Types of the standard that are not taken.
    pub known: Vec<(Span, String)>,
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Its number.
    pub tag: u32,
    /// `ClOrdID`
    pub name: String,
    /// Its type.
    pub kind: FieldType,
    /// What it means here; empty where the gateway has no use for it.
    pub about: String,
    /// Values that it may have; empty for any.
    pub values: Vec<Value>,
}

/// A value of a field.
#[derive(Debug)]
pub struct Value {
    /// On the wire.
    pub value: String,
    /// In words.
    pub meaning: String,
    /// What becomes of it.
    pub verb: ValueVerb,
    /// In which versions.
    pub span: Span,
}

/// What becomes of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueVerb {
    /// The gateway takes it.
    Taken,
    /// The standard has it, the gateway refuses it with a reason.
    Refused,
    /// The gateway sends it.
    Written,
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// MsgType(35)
    pub msg_type: String,
    /// `NewOrderSingle`
    pub name: String,
    /// What is in it.
    pub items: Vec<Item>,
}

/// Fields that messages share.
#[derive(Debug)]
pub struct Block {
    /// `Parties`
    pub name: String,
    /// What is in it.
    pub items: Vec<Item>,
}

/// What the gateway does with a part of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verb {
    /// Part of it.
    Has,
    /// Used.
    Reads,
    /// Refused unless it says nothing.
    Refuses,
    /// Taken and not used.
    Ignores,
    /// Sent.
    Writes,
}

/// Whether it must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Always.
    Required,
    /// Where the context asks for it.
    Conditional,
    /// Never.
    Optional,
}

/// A part of a message.
#[derive(Debug)]
pub struct Item {
    /// What the gateway does with it.
    pub verb: Verb,
    /// In which versions.
    pub span: Span,
    /// Whether it must be there.
    pub need: Need,
    /// What it is.
    pub what: What,
}

/// What a part is.
#[derive(Debug)]
pub enum What {
    /// Into [`Dialect::fields`].
    Field(usize),
    /// Into [`Dialect::blocks`].
    Block(usize),
    /// Count, and members in their order.
    Group(usize, Vec<Item>),
}

/// The dialect, read.
pub fn own() -> &'static Dialect {
    static DIALECT: OnceLock<Dialect> = OnceLock::new();
    DIALECT.get_or_init(|| match parse::parse(TEXT) {
        Ok(dialect) => dialect,
        Err(error) => panic!("dialect.txt: {error}"),
    })
}

/// The dictionary of a version, compiled once.
pub fn dictionary(version: FixVersion) -> Arc<Dictionary> {
    static COMPILED: [OnceLock<Arc<Dictionary>>; FixVersion::ALL.len()] =
        [const { OnceLock::new() }; FixVersion::ALL.len()];
    let compiled = COMPILED[version as usize].get_or_init(|| {
        let (transport, application) = own().models(version);
        match Dictionary::compile(&transport, application.as_ref()) {
            Ok(dictionary) => Arc::new(dictionary),
            Err(error) => panic!("dialect.txt, {}: {error}", version.name()),
        }
    });
    Arc::clone(compiled)
}

impl Dialect {
    /// Dictionary of a version; from 5.0 on that of the transport, and that of the application.
    pub fn models(&self, version: FixVersion) -> (Model, Option<Model>) {
        let begin_string = String::from_utf8_lossy(version.begin_string()).into_owned();
        let mut whole = Modeller::new(self, version, begin_string);
        whole.ends();
        if !version.is_fixt() {
            whole.messages(|_| true);
            whole.known();
            return (whole.finish(), None);
        }
        whole.messages(Message::is_admin);
        let (name, service_pack) = match version.name().split_once("SP") {
            Some((name, pack)) => (name, pack.parse().unwrap_or(0)),
            None => (version.name(), 0),
        };
        let mut application = Modeller::new(self, version, name.to_owned());
        application.model.service_pack = service_pack;
        application.messages(|message| !message.is_admin());
        application.known();
        (whole.finish(), Some(application.finish()))
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The message of that type.
    pub fn message(&self, msg_type: &str) -> Option<&Message> {
        let mut messages = self.messages.iter();
        messages.find(|message| message.msg_type == msg_type)
    }
}

impl Field {
    /// Its values in that version.
    pub fn values_in(&self, version: FixVersion) -> impl Iterator<Item = &Value> {
        self.values
            .iter()
            .filter(move |value| value.span.covers(version))
    }
}

impl Message {
    /// Of the session layer.
    pub fn is_admin(&self) -> bool {
        super::MsgType::from_bytes(self.msg_type.as_bytes()).is_admin()
    }

    /// Whether the version has it.
    pub fn is_in(&self, version: FixVersion) -> bool {
        self.items.iter().any(|item| item.span.covers(version))
    }
}

struct Modeller<'d> {
    dialect: &'d Dialect,
    version: FixVersion,
    model: Model,
    /// Of the dialect's blocks, where they are in the model.
    blocks: Vec<Option<usize>>,
    used: BTreeSet<usize>,
}

impl<'d> Modeller<'d> {
    fn new(dialect: &'d Dialect, version: FixVersion, begin_string: String) -> Self {
        Self {
            dialect,
            version,
            model: Model {
                begin_string,
                ..Model::default()
            },
            blocks: vec![None; dialect.blocks.len()],
            used: BTreeSet::new(),
        }
    }

    fn ends(&mut self) {
        self.model.header = self.parts(&self.dialect.header);
        self.model.trailer = self.parts(&self.dialect.trailer);
    }

    fn messages(&mut self, wanted: impl Fn(&Message) -> bool) {
        for message in &self.dialect.messages {
            if wanted(message) && message.is_in(self.version) {
                let parts = self.parts(&message.items);
                self.model.messages.push(MessageModel {
                    name: message.name.clone(),
                    msg_type: message.msg_type.clone(),
                    category: match message.is_admin() {
                        true => Category::Admin,
                        false => Category::Application,
                    },
                    parts,
                });
            }
        }
    }

    fn known(&mut self) {
        let known = self.dialect.known.iter();
        let here = known.filter(|(span, _)| span.covers(self.version));
        self.model.known_types = here.map(|(_, msg_type)| msg_type.clone()).collect();
    }

    fn parts(&mut self, items: &'d [Item]) -> Vec<Part> {
        let mut parts = Vec::new();
        for item in items {
            if !item.span.covers(self.version) {
                continue;
            }
            let required = item.need == Need::Required;
            parts.push(match &item.what {
                What::Field(at) => Part::Field {
                    tag: self.field(*at),
                    required,
                },
                What::Group(at, members) => Part::Group {
                    tag: self.field(*at),
                    required,
                    parts: self.parts(members),
                },
                What::Block(at) => Part::Component {
                    index: self.block(*at),
                    required,
                },
            });
        }
        parts
    }

    fn field(&mut self, at: usize) -> u32 {
        self.used.insert(at);
        self.dialect.fields[at].tag
    }

    fn block(&mut self, at: usize) -> usize {
        if let Some(index) = self.blocks[at] {
            return index;
        }
        let block = &self.dialect.blocks[at];
        let parts = self.parts(&block.items);
        self.model.components.push(ComponentModel {
            name: block.name.clone(),
            parts,
        });
        let index = self.model.components.len() - 1;
        self.blocks[at] = Some(index);
        index
    }

    fn finish(mut self) -> Model {
        for &at in &self.used {
            let field = &self.dialect.fields[at];
            let values = field.values_in(self.version).map(|value| ValueModel {
                value: value.value.clone(),
                description: value.meaning.clone(),
            });
            self.model.fields.push(FieldModel {
                tag: field.tag,
                name: field.name.clone(),
                kind: field.kind,
                values: values.collect(),
                allow_other_values: false,
            });
        }
        self.model
    }
}
