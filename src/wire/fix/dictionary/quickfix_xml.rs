//! Reads a dictionary in QuickFIX's XML into a [`Model`]. At start only; no I/O: the text is the caller's.
//!
//! Always: errors name line and element and say how they are mended. Sections and parts that mean nothing are errors, attributes are not read;
//! fields and components may be used before they are defined.

use std::collections::HashMap;

use roxmltree::{Document, Node, ParsingOptions};

use super::model::{
    Category, ComponentModel, FieldModel, FieldType, MessageModel, Model, Part, ValueModel,
};
use crate::limits::{DICTIONARY_BYTES_MAX, DICTIONARY_DEPTH_MAX, DICTIONARY_TAG_MAX};

/// Why a dictionary cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {element}: {problem}; {remedy}")]
pub struct DictionaryError {
    /// Line of the text, from 1.
    pub line: u32,
    /// The element: `<field name='X'>`.
    pub element: String,
    /// What is wrong with it.
    pub problem: String,
    /// How it is mended.
    pub remedy: &'static str,
}

/// Reads `text`.
pub fn load(text: &str) -> Result<Model, DictionaryError> {
    let whole = |line, problem, remedy| DictionaryError {
        line,
        element: "the file".to_owned(),
        problem,
        remedy,
    };
    if text.len() > DICTIONARY_BYTES_MAX {
        let problem = format!(
            "it has {} bytes, more than {DICTIONARY_BYTES_MAX}",
            text.len()
        );
        return Err(whole(1, problem, "leave out what is not used"));
    }
    let options = ParsingOptions {
        allow_dtd: false,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        whole(
            error.pos().row,
            error.to_string(),
            "make it well-formed XML without a DTD",
        )
    })?;
    Loader::new(&document)?.model()
}

/// What a dictionary is made of.
const SECTIONS: [&str; 5] = ["header", "messages", "trailer", "components", "fields"];

struct Loader<'a> {
    document: &'a Document<'a>,
    root: Node<'a, 'a>,
    tags: HashMap<&'a str, u32>,
    components: HashMap<&'a str, usize>,
    model: Model,
}

type Result<T, E = DictionaryError> = std::result::Result<T, E>;

impl<'a> Loader<'a> {
    fn new(document: &'a Document<'a>) -> Result<Self> {
        let mut this = Self {
            document,
            root: document.root_element(),
            tags: HashMap::new(),
            components: HashMap::new(),
            model: Model::default(),
        };
        this.read_version()?;
        this.check_sections()?;
        this.read_fields()?;
        for component in this.elements("components", "component")? {
            let name = this.attribute(component, "name")?;
            let index = this.components.len();
            if this.components.insert(name, index).is_some() {
                return Err(this.error(component, "it stands twice", "remove one"));
            }
        }
        Ok(this)
    }

    fn model(mut self) -> Result<Model> {
        for component in self.elements("components", "component")? {
            let name = self.attribute(component, "name")?.to_owned();
            let parts = self.parts(component, 0)?;
            self.model.components.push(ComponentModel { name, parts });
        }
        for (name, is_header) in [("header", true), ("trailer", false)] {
            if let Some(node) = self.child(name) {
                let parts = self.parts(node, 0)?;
                match is_header {
                    true => self.model.header = parts,
                    false => self.model.trailer = parts,
                }
            }
        }
        for message in self.elements("messages", "message")? {
            let read = self.message(message)?;
            self.model.messages.push(read);
        }
        self.model.check().map_err(|(name, problem)| {
            let sections = self.root.children();
            let defined = |node: &Node<'_, '_>| node.attribute("name") == Some(&name);
            let node = sections
                .clone()
                .find(|node| node.has_tag_name(&*name))
                .or_else(|| sections.flat_map(|node| node.children()).find(defined));
            self.error(
                node.unwrap_or(self.root),
                &problem,
                "correct its definition",
            )
        })?;
        Ok(self.model)
    }

    fn read_version(&mut self) -> Result<()> {
        let root = self.root;
        if !root.has_tag_name("fix") {
            return Err(self.error(
                root,
                "it is not a dictionary",
                "its outermost element must be <fix>",
            ));
        }
        let kind = root.attribute("type").unwrap_or("FIX");
        if !matches!(kind, "FIX" | "FIXT") {
            return Err(self.error(root, "unknown type", "write type='FIX' or type='FIXT'"));
        }
        let (major, minor) = (self.number(root, "major")?, self.number(root, "minor")?);
        self.model.begin_string = format!("{kind}.{major}.{minor}");
        self.model.service_pack = match root.attribute("servicepack") {
            None | Some("") => 0,
            Some(_) => self.number(root, "servicepack")?,
        };
        Ok(())
    }

    /// What is misspelt or stands twice would otherwise be missing in silence.
    fn check_sections(&self) -> Result<()> {
        let mut seen = Vec::new();
        for node in self.root.children().filter(Node::is_element) {
            let name = node.tag_name().name();
            if !SECTIONS.contains(&name) {
                return Err(self.error(
                    node,
                    "unknown section",
                    "header, messages, trailer, components and fields may stand here",
                ));
            }
            if seen.contains(&name) {
                return Err(self.error(node, "it stands twice", "make one of the two"));
            }
            seen.push(name);
        }
        Ok(())
    }

    fn read_fields(&mut self) -> Result<()> {
        for node in self.elements("fields", "field")? {
            let tag = self.number(node, "number")?;
            if tag == 0 || tag > DICTIONARY_TAG_MAX {
                return Err(self.error(node, "no such tag", "tags are from 1 to 999999"));
            }
            let name = self.attribute(node, "name")?;
            let kind = self.attribute(node, "type")?;
            let Some(kind) = FieldType::from_name(kind) else {
                let problem = format!("unknown type {kind}");
                return Err(self.error(
                    node,
                    &problem,
                    "use STRING where nothing is to be checked",
                ));
            };
            if self.tags.insert(name, tag).is_some() {
                return Err(self.error(
                    node,
                    "a field of that name stands before it",
                    "remove one",
                ));
            }
            let mut values = Vec::new();
            for value in node.children().filter(|node| node.has_tag_name("value")) {
                values.push(ValueModel {
                    value: self.attribute(value, "enum")?.to_owned(),
                    description: value.attribute("description").unwrap_or("").to_owned(),
                });
            }
            self.model.fields.push(FieldModel {
                tag,
                name: name.to_owned(),
                kind,
                allow_other_values: self.flag(node, "allow_other_values")?
                    || self.flag(node, "allowOtherValues")?
                    || self.flag(node, "open")?,
                values,
            });
        }
        self.model.fields.sort_by_key(|field| field.tag);
        if let Some(pair) = self
            .model
            .fields
            .windows(2)
            .find(|pair| pair[0].tag == pair[1].tag)
        {
            let number = pair[1].tag.to_string();
            let twice = |node: &Node<'_, '_>| node.attribute("number") == Some(&number);
            let node = self.root.descendants().filter(twice).nth(1);
            return Err(self.error(
                node.unwrap_or(self.root),
                "a field of that number stands before it",
                "remove one",
            ));
        }
        Ok(())
    }

    fn message(&self, node: Node<'a, 'a>) -> Result<MessageModel> {
        let msg_type = self.attribute(node, "msgtype")?;
        if msg_type.is_empty() || msg_type.len() > 4 {
            return Err(self.error(
                node,
                "no message type",
                "msgtype has one to four characters",
            ));
        }
        Ok(MessageModel {
            name: self.attribute(node, "name")?.to_owned(),
            msg_type: msg_type.to_owned(),
            category: match node.attribute("msgcat") {
                Some("admin") => Category::Admin,
                Some("app") | None => Category::Application,
                Some(_) => {
                    return Err(self.error(
                        node,
                        "unknown category",
                        "write msgcat='admin' or msgcat='app'",
                    ));
                }
            },
            parts: self.parts(node, 0)?,
        })
    }

    fn parts(&self, node: Node<'a, 'a>, depth: usize) -> Result<Vec<Part>> {
        if depth > DICTIONARY_DEPTH_MAX {
            return Err(self.error(node, "groups nest too deep", "nest them at most 16 deep"));
        }
        let mut parts = Vec::new();
        for child in node.children().filter(Node::is_element) {
            let required = self.flag(child, "required")?;
            let kind = child.tag_name().name();
            let name = self.attribute(child, "name")?;
            parts.push(match kind {
                "field" => Part::Field {
                    tag: self.tag(child, name)?,
                    required,
                },
                "group" => Part::Group {
                    tag: self.tag(child, name)?,
                    required,
                    parts: self.parts(child, depth + 1)?,
                },
                "component" => match self.components.get(name) {
                    Some(&index) => Part::Component { index, required },
                    None => {
                        return Err(self.error(
                            child,
                            "no component of that name",
                            "define it under <components>",
                        ));
                    }
                },
                _ => {
                    return Err(self.error(
                        child,
                        "unknown element",
                        "field, group and component may stand here",
                    ));
                }
            });
        }
        Ok(parts)
    }

    fn tag(&self, node: Node<'_, '_>, name: &str) -> Result<u32> {
        match self.tags.get(name) {
            Some(tag) => Ok(*tag),
            None => Err(self.error(node, "no field of that name", "define it under <fields>")),
        }
    }

    fn child(&self, name: &str) -> Option<Node<'a, 'a>> {
        self.root.children().find(|node| node.has_tag_name(name))
    }

    /// The elements under `<parent>`, all of which must be `name`.
    fn elements(&self, parent: &str, name: &str) -> Result<Vec<Node<'a, 'a>>> {
        let Some(parent) = self.child(parent) else {
            return Ok(Vec::new());
        };
        let nodes: Vec<_> = parent.children().filter(Node::is_element).collect();
        match nodes.iter().find(|node| !node.has_tag_name(name)) {
            Some(node) => Err(self.error(*node, "it does not belong here", "move or remove it")),
            None => Ok(nodes),
        }
    }

    fn attribute(&self, node: Node<'a, 'a>, name: &str) -> Result<&'a str> {
        node.attribute(name).ok_or_else(|| {
            self.error(
                node,
                &format!("no attribute {name}"),
                "add it, with the value in quotes",
            )
        })
    }

    fn number(&self, node: Node<'a, 'a>, name: &str) -> Result<u32> {
        let text = self.attribute(node, name)?;
        text.parse().map_err(|_| {
            self.error(
                node,
                &format!("{name}='{text}' is no number"),
                "write digits only",
            )
        })
    }

    fn flag(&self, node: Node<'_, '_>, name: &str) -> Result<bool> {
        match node.attribute(name) {
            None | Some("N" | "n" | "false") => Ok(false),
            Some("Y" | "y" | "true") => Ok(true),
            Some(text) => Err(self.error(
                node,
                &format!("{name}='{text}' is neither Y nor N"),
                "write Y or N",
            )),
        }
    }

    #[cold]
    fn error(&self, node: Node<'_, '_>, problem: &str, remedy: &'static str) -> DictionaryError {
        let mut element = format!("<{}", node.tag_name().name());
        for name in ["number", "name", "enum"] {
            if let Some(value) = node.attribute(name) {
                element.push_str(&format!(" {name}='{value}'"));
            }
        }
        element.push('>');
        DictionaryError {
            line: self.document.text_pos_at(node.range().start).row,
            element,
            problem: problem.to_owned(),
            remedy,
        }
    }
}
