//! From a model to tables: per message and per group a level, in which a tag leads to its entry without a search.
//!
//! At start only. Always: entries of a level stand in the order of the dictionary, components flattened, header before body
//! before trailer; the first entry of a group's level is its delimiter; groups that messages share are compiled once.

use std::collections::HashMap;

use super::fast::Slots;
use super::format::{self, Format};
use super::model::{Category, FieldModel, Model, Part};
use crate::limits::{DICTIONARY_LEVEL_FIELDS_MAX, FIELDS_MAX};
use crate::wire::fix::msg_type::MsgType;

/// Words of a set of a level's entries.
pub(super) const SET_WORDS: usize = DICTIONARY_LEVEL_FIELDS_MAX / 64;
/// A set of a level's entries.
pub(super) type Set = [u64; SET_WORDS];
/// So many tags, of a level from its lowest one on, of all fields from the first on, are looked up directly.
const DENSE_TAGS: u32 = 4096;
/// Parts looked at for one level: components that contain each other many times make no endless work.
const PARTS_MAX: usize = 64 * DICTIONARY_LEVEL_FIELDS_MAX;
const _: () = assert!(DICTIONARY_LEVEL_FIELDS_MAX.is_multiple_of(64));
const _: () = assert!(FIELDS_MAX < u16::MAX as usize);

/// Which part of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(super) enum Section {
    Header,
    Body,
    Trailer,
}

/// How a field's value is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// By its format alone.
    Plain(Format),
    /// One byte out of a set does; anything else is looked at closely. `detail` leads to the values.
    OneOf,
    /// `detail` leads to the values.
    Listed,
    /// Count of a repeating group. `detail` leads to its level.
    Group,
}

/// A field at its level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub tag: u32,
    pub detail: u16,
    pub kind: Kind,
    pub section: Section,
}
const _: () = assert!(size_of::<Entry>() == 8);

/// The fields of a message, or of a group's instance.
#[derive(Debug)]
pub(super) struct Level {
    first_tag: u32,
    /// From tag less `first_tag` to the entry's position plus one.
    places: Box<[u16]>,
    /// The same for tags beyond, sorted.
    high: Box<[(u32, u16)]>,
    pub entries: Box<[Entry]>,
    pub required: Set,
}

impl Level {
    /// Position plus one of the tag's entry; zero for none.
    #[inline(always)]
    pub fn place(&self, tag: u32) -> u16 {
        match self.places.get(tag.wrapping_sub(self.first_tag) as usize) {
            Some(place) => *place,
            None => self.high_place(tag),
        }
    }

    #[cold]
    fn high_place(&self, tag: u32) -> u16 {
        let at = self.high.binary_search_by_key(&tag, |(tag, _)| *tag);
        at.map_or(0, |at| self.high[at].1)
    }
}

/// The values that a field may have.
#[derive(Debug)]
pub(super) struct Values {
    pub format: Format,
    /// Those of one byte.
    pub mask: [u64; 2],
    /// All of them, sorted.
    list: Box<[Box<[u8]>]>,
    multiple: bool,
    /// Others are taken as well.
    open: bool,
}

impl Values {
    /// Whether the text is one of the values of one byte.
    pub fn takes_one(&self, text: &[u8]) -> bool {
        matches!(*text, [c @ 0..128] if self.mask[c as usize / 64] >> (c % 64) & 1 != 0)
    }

    /// Whether the text is one of the values, or all words of it are.
    pub fn take(&self, text: &[u8]) -> bool {
        let one = |text: &[u8]| {
            self.list
                .binary_search_by(|value| value.as_ref().cmp(text))
                .is_ok()
        };
        match self.multiple {
            _ if self.open => true,
            true => text.split(|&c| c == b' ').all(one),
            false => one(text),
        }
    }
}

/// A message type's table.
#[derive(Debug)]
pub(super) struct MessageTable {
    pub level: Level,
    /// Low tags once more, for the hot path.
    pub slots: Box<Slots>,
    /// Which of [`Tables::fields`] says what is defined.
    pub source: u8,
}

/// How the fields of a dictionary are checked wherever they stand.
#[derive(Debug)]
pub(super) struct Fields {
    /// By tag, position plus one in `dense`; zero for none.
    places: Box<[u16]>,
    dense: Box<[(Kind, u16)]>,
    /// Those with higher tags, by tag.
    high: Box<[(u32, Kind, u16)]>,
}

impl Fields {
    fn new(fields: HashMap<u32, (Kind, u16)>) -> Self {
        let is_dense = |(tag, _): &(u32, (Kind, u16))| *tag < DENSE_TAGS;
        let (mut dense, mut high): (Vec<_>, Vec<_>) = fields.into_iter().partition(is_dense);
        dense.sort_by_key(|(tag, _)| *tag);
        high.sort_by_key(|(tag, _)| *tag);
        let mut places = vec![0; dense.last().map_or(0, |(tag, _)| *tag as usize + 1)];
        for (at, (tag, _)) in dense.iter().enumerate() {
            places[*tag as usize] = at as u16 + 1;
        }
        let parts = |(tag, (kind, detail))| (tag, kind, detail);
        Self {
            places: places.into(),
            dense: dense.into_iter().map(|(_, field)| field).collect(),
            high: high.into_iter().map(parts).collect(),
        }
    }

    /// The field with that tag.
    pub fn get(&self, tag: u32) -> Option<(Kind, u16)> {
        if let Some(place) = self.places.get(tag as usize) {
            return self.dense.get((*place as usize).wrapping_sub(1)).copied();
        }
        let at = self
            .high
            .binary_search_by_key(&tag, |(tag, ..)| *tag)
            .ok()?;
        Some((self.high[at].1, self.high[at].2))
    }
}
const _: () = assert!(DENSE_TAGS < u16::MAX as u32);

/// Everything.
#[derive(Debug)]
pub(super) struct Tables {
    /// By MsgType of one character: position in `messages`.
    one: [u16; 128],
    /// By any other MsgType, sorted.
    more: Box<[([u8; 4], u16)]>,
    messages: Box<[Box<MessageTable>]>,
    /// Types that exist, and of which nothing more is told; sorted.
    known: Box<[[u8; 4]]>,
    /// Header and trailer alone.
    unknown: MessageTable,
    pub groups: Box<[Level]>,
    pub values: Box<[Values]>,
    pub fields: [Fields; 2],
}

impl Tables {
    /// The table of a message type, or that of unknown ones.
    #[inline(always)]
    pub fn message(&self, msg_type: MsgType) -> &MessageTable {
        let (text, _) = msg_type.padded();
        let place = match self.one.get(u32::from_le_bytes(text) as usize) {
            Some(place) => *place as usize,
            None => self.place_of_more(text),
        };
        match self.messages.get(place) {
            Some(table) => table,
            None => &self.unknown,
        }
    }

    /// The table of types that the dictionary does not have.
    pub fn unknown(&self) -> &MessageTable {
        &self.unknown
    }

    /// Whether the type exists, though nothing is told of its body.
    #[cold]
    pub fn is_known_type(&self, msg_type: MsgType) -> bool {
        let (text, _) = msg_type.padded();
        self.known.binary_search(&text).is_ok()
    }

    #[cold]
    #[inline(never)]
    fn place_of_more(&self, text: [u8; 4]) -> usize {
        let at = self.more.binary_search_by_key(&text, |(text, _)| *text);
        at.map_or(NO_MESSAGE, |at| self.more[at].1) as usize
    }
}

/// Position of none.
const NO_MESSAGE: u16 = u16::MAX;

/// Compiles one dictionary, or a transport and an application dictionary into one. What does not fit, in words.
pub(super) fn compile(transport: &Model, application: Option<&Model>) -> Result<Tables, String> {
    let mut compiler = Compiler {
        models: [transport, application.unwrap_or(transport)],
        groups: Vec::new(),
        values: Vec::new(),
        fields: [HashMap::new(), HashMap::new()],
        compiled: HashMap::new(),
    };
    for source in 0..2 {
        compiler.add_fields(source)?;
    }
    compiler.tables(application.is_some())
}

struct Compiler<'m> {
    models: [&'m Model; 2],
    groups: Vec<Level>,
    values: Vec<Values>,
    fields: [HashMap<u32, (Kind, u16)>; 2],
    /// Groups by where their parts stand.
    compiled: HashMap<(*const Part, usize), u16>,
}

/// A level in the making.
#[derive(Default)]
struct Draft {
    entries: Vec<Entry>,
    places: HashMap<u32, usize>,
    required: Set,
    parts: usize,
}

impl<'m> Compiler<'m> {
    fn tables(mut self, is_combined: bool) -> Result<Tables, String> {
        let [transport, application] = self.models;
        let mut messages = Vec::new();
        let mut one = [NO_MESSAGE; 128];
        let mut more = HashMap::new();
        for (source, model) in [(0, transport), (1, application)] {
            if source == 1 && !is_combined {
                continue;
            }
            for message in &model.messages {
                let is_ours = match message.category {
                    Category::Admin => source == 0,
                    Category::Application => true,
                };
                if !is_ours {
                    continue;
                }
                let level = self
                    .message_level(source, &message.parts)
                    .map_err(|what| format!("message {}: {what}", message.name))?;
                let place = messages.len() as u16;
                if place == NO_MESSAGE {
                    return Err("too many messages".to_owned());
                }
                messages.push(Box::new(self.table(level, source)));
                let (text, _) = MsgType::from_bytes(message.msg_type.as_bytes()).padded();
                // The application's word counts for its messages.
                match text {
                    [c @ 0..128, 0, 0, 0] => one[c as usize] = place,
                    _ => {
                        more.insert(text, place);
                    }
                }
            }
        }
        let level = self.message_level(0, &[])?;
        let mut unknown = self.table(level, is_combined as usize);
        unknown.slots.forbid();
        let known = self.models.iter().flat_map(|model| &model.known_types);
        let mut known: Vec<_> = known
            .map(|text| MsgType::from_bytes(text.as_bytes()).padded().0)
            .collect();
        known.sort_unstable();
        let mut more: Vec<_> = more.into_iter().collect();
        more.sort();
        let fields = self.fields.map(Fields::new);
        Ok(Tables {
            one,
            more: more.into(),
            messages: messages.into(),
            known: known.into(),
            unknown,
            groups: self.groups.into(),
            values: self.values.into(),
            fields,
        })
    }

    fn table(&self, level: Level, source: usize) -> MessageTable {
        MessageTable {
            slots: Box::new(Slots::new(&level, &self.values)),
            level,
            source: source as u8,
        }
    }

    fn message_level(&mut self, source: usize, body: &'m [Part]) -> Result<Level, String> {
        let transport = self.models[0];
        let mut draft = Draft::default();
        self.add_parts(&mut draft, 0, Section::Header, &transport.header, true)?;
        self.add_parts(&mut draft, source, Section::Body, body, true)?;
        self.add_parts(&mut draft, 0, Section::Trailer, &transport.trailer, true)?;
        Ok(draft.level())
    }

    fn add_fields(&mut self, source: usize) -> Result<(), String> {
        if source == 1 && std::ptr::eq(self.models[0], self.models[1]) {
            self.fields[1] = self.fields[0].clone();
            return Ok(());
        }
        for field in &self.models[source].fields {
            let kind = self.kind(field, self.models[source].field_format(field))?;
            self.fields[source].insert(field.tag, kind);
        }
        Ok(())
    }

    fn kind(&mut self, field: &FieldModel, format: Format) -> Result<(Kind, u16), String> {
        if field.values.is_empty() || format == Format::Boolean {
            return Ok((Kind::Plain(format), 0));
        }
        let mut list: Vec<Box<[u8]>> = field
            .values
            .iter()
            .map(|value| value.value.as_bytes().into())
            .collect();
        list.sort();
        list.dedup();
        let mut mask = [0; 2];
        for value in &list {
            // One that does not fit the field's own type is found out by the closer look.
            if let [c @ 0..128] = **value
                && format::fits(format, value)
            {
                mask[c as usize / 64] |= 1 << (c % 64);
            }
        }
        let detail = u16::try_from(self.values.len()).map_err(|_| "too many enumerations")?;
        let has_short = mask != [0; 2];
        self.values.push(Values {
            format,
            mask,
            list: list.into(),
            multiple: field.kind.is_multiple(),
            open: field.allow_other_values,
        });
        Ok((if has_short { Kind::OneOf } else { Kind::Listed }, detail))
    }

    fn add_parts(
        &mut self,
        draft: &mut Draft,
        source: usize,
        section: Section,
        parts: &'m [Part],
        is_required: bool,
    ) -> Result<(), String> {
        for part in parts {
            draft.parts += 1;
            if draft.parts > PARTS_MAX {
                return Err(format!("more than {PARTS_MAX} parts at one level"));
            }
            let (tag, required, kind, detail) = match part {
                Part::Component { index, required } => {
                    let component = &self.models[source].components[*index];
                    self.add_parts(
                        draft,
                        source,
                        section,
                        &component.parts,
                        is_required && *required,
                    )?;
                    continue;
                }
                Part::Field { tag, required } => {
                    let (kind, detail) = self.fields[source][tag];
                    (*tag, *required, kind, detail)
                }
                Part::Group {
                    tag,
                    required,
                    parts,
                } => {
                    let group = self
                        .group(source, section, parts)
                        .map_err(|what| format!("group {tag}: {what}"))?;
                    (*tag, *required, Kind::Group, group)
                }
            };
            draft.add(
                Entry {
                    tag,
                    detail,
                    kind,
                    section,
                },
                required && is_required,
            )?;
        }
        Ok(())
    }

    fn group(&mut self, source: usize, section: Section, parts: &'m [Part]) -> Result<u16, String> {
        let key = (parts.as_ptr(), source);
        if let Some(group) = self.compiled.get(&key) {
            return Ok(*group);
        }
        let mut draft = Draft::default();
        self.add_parts(&mut draft, source, section, parts, true)?;
        if draft.entries.is_empty() {
            return Err("no members".to_owned());
        }
        let group = u16::try_from(self.groups.len()).map_err(|_| "too many groups")?;
        self.groups.push(draft.level());
        self.compiled.insert(key, group);
        Ok(group)
    }
}

impl Draft {
    /// A field that stands twice at a level keeps its first place.
    fn add(&mut self, entry: Entry, required: bool) -> Result<(), String> {
        let next = self.entries.len();
        let at = *self.places.entry(entry.tag).or_insert(next);
        if at == next {
            if next == DICTIONARY_LEVEL_FIELDS_MAX {
                return Err(format!(
                    "more than {DICTIONARY_LEVEL_FIELDS_MAX} fields at one level"
                ));
            }
            self.entries.push(entry);
        }
        if required {
            self.required[at / 64] |= 1 << (at % 64);
        }
        Ok(())
    }

    fn level(self) -> Level {
        let first_tag = self
            .entries
            .iter()
            .map(|entry| entry.tag)
            .min()
            .unwrap_or(0);
        let dense = |tag: u32| tag - first_tag < DENSE_TAGS;
        let span = self
            .entries
            .iter()
            .map(|entry| entry.tag)
            .filter(|&tag| dense(tag))
            .max()
            .map_or(0, |last| (last - first_tag + 1) as usize);
        let mut places = vec![0; span];
        let mut high = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let place = at as u16 + 1;
            match dense(entry.tag) {
                true => places[(entry.tag - first_tag) as usize] = place,
                false => high.push((entry.tag, place)),
            }
        }
        high.sort();
        Level {
            first_tag,
            places: places.into(),
            high: high.into(),
            entries: self.entries.into(),
            required: self.required,
        }
    }
}
