//! Reads `dialect.txt`; its head says what it looks like.
//!
//! Cold and pure. Errors name the line.

use super::{Block, Dialect, Field, Item, Message, Need, Value, ValueVerb, Verb, What};
use crate::domain::FixVersion;
use crate::wire::fix::dictionary::FieldType;
use crate::wire::fix::versions::Span;

/// Which part of the text a line belongs to.
enum Section {
    Fields,
    About,
    Values(usize),
    Header,
    Trailer,
    Message,
    Block(usize),
    Known,
}

pub(super) fn parse(text: &str) -> Result<Dialect, String> {
    let mut dialect = Dialect {
        fields: Vec::new(),
        header: Vec::new(),
        trailer: Vec::new(),
        messages: Vec::new(),
        blocks: Vec::new(),
        known: Vec::new(),
    };
    // Blocks are used before they are defined.
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("block ") {
            dialect.blocks.push(Block {
                name: name.trim().to_owned(),
                items: Vec::new(),
            });
        }
    }
    let mut section = None;
    for (number, line) in text.lines().enumerate() {
        let at_line = |what: String| format!("line {}: {what}", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_prefix("  ") {
            None => section = Some(heading(&mut dialect, line).map_err(at_line)?),
            Some(line) => match &section {
                Some(section) => content(&mut dialect, section, line).map_err(at_line)?,
                None => return Err(at_line("it stands in no section".to_owned())),
            },
        }
    }
    Ok(dialect)
}

fn heading(dialect: &mut Dialect, line: &str) -> Result<Section, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Ok(match words[..] {
        ["fields"] => Section::Fields,
        ["about"] => Section::About,
        ["values", name] => Section::Values(field(dialect, name)?),
        ["header"] => Section::Header,
        ["trailer"] => Section::Trailer,
        ["message", msg_type, name] => {
            dialect.messages.push(Message {
                msg_type: msg_type.to_owned(),
                name: name.to_owned(),
                items: Vec::new(),
            });
            Section::Message
        }
        ["block", name] => Section::Block(block(dialect, name)?),
        ["known"] => Section::Known,
        _ => return Err(format!("`{line}` begins no section")),
    })
}

fn content(dialect: &mut Dialect, section: &Section, line: &str) -> Result<(), String> {
    let (head, rest) = line.split_once(": ").ok_or_else(|| "no `: `".to_owned())?;
    match section {
        Section::Fields => fields(dialect, head, rest),
        Section::About => {
            let at = field(dialect, head)?;
            dialect.fields[at].about = rest.to_owned();
            Ok(())
        }
        Section::Values(at) => values(&mut dialect.fields[*at], head, rest),
        Section::Known => {
            let span = span(head)?;
            let types = rest.split(' ').map(|word| (span, word.to_owned()));
            dialect.known.extend(types);
            Ok(())
        }
        Section::Header | Section::Trailer | Section::Message | Section::Block(_) => {
            let (verb, versions) = head
                .split_once(' ')
                .ok_or_else(|| "no verb and versions".to_owned())?;
            let mut tokens = Tokens(rest);
            let items = items(dialect, verb_of(verb)?, span(versions)?, &mut tokens)?;
            if !tokens.0.is_empty() {
                return Err(format!("`{}` is left over", tokens.0));
            }
            match section {
                Section::Header => &mut dialect.header,
                Section::Trailer => &mut dialect.trailer,
                Section::Block(at) => &mut dialect.blocks[*at].items,
                _ => match dialect.messages.last_mut() {
                    Some(message) => &mut message.items,
                    None => return Err("no message".to_owned()),
                },
            }
            .extend(items);
            Ok(())
        }
    }
}

fn fields(dialect: &mut Dialect, kind: &str, rest: &str) -> Result<(), String> {
    let kind = FieldType::from_name(kind).ok_or_else(|| format!("no type {kind}"))?;
    for entry in rest.split(", ") {
        let (tag, name) = entry
            .split_once(' ')
            .ok_or_else(|| format!("`{entry}` is no number and name"))?;
        let tag: u32 = tag.parse().map_err(|_| format!("`{tag}` is no tag"))?;
        let at = dialect.fields.partition_point(|field| field.tag < tag);
        let is_new = dialect.fields.get(at).is_none_or(|field| field.tag != tag);
        if !is_new || field(dialect, name).is_ok() {
            return Err(format!("{tag} {name} is there already"));
        }
        let entry = Field {
            tag,
            name: name.to_owned(),
            kind,
            about: String::new(),
            values: Vec::new(),
        };
        dialect.fields.insert(at, entry);
    }
    Ok(())
}

fn values(field: &mut Field, head: &str, rest: &str) -> Result<(), String> {
    let (verb, versions) = head
        .split_once(' ')
        .ok_or_else(|| "no verb and versions".to_owned())?;
    let verb = match verb {
        "taken" => ValueVerb::Taken,
        "refused" => ValueVerb::Refused,
        "written" => ValueVerb::Written,
        _ => return Err(format!("no verb `{verb}`")),
    };
    let span = span(versions)?;
    for entry in rest.split(", ") {
        let (value, meaning) = entry
            .split_once(' ')
            .ok_or_else(|| format!("`{entry}` is no value and meaning"))?;
        field.values.push(Value {
            value: value.to_owned(),
            meaning: meaning.to_owned(),
            verb,
            span,
        });
    }
    Ok(())
}

fn verb_of(word: &str) -> Result<Verb, String> {
    Ok(match word {
        "has" => Verb::Has,
        "reads" => Verb::Reads,
        "refuses" => Verb::Refuses,
        "ignores" => Verb::Ignores,
        "writes" => Verb::Writes,
        _ => return Err(format!("no verb `{word}`")),
    })
}

fn span(text: &str) -> Result<Span, String> {
    let version =
        |name: &str| FixVersion::from_name(name).ok_or_else(|| format!("no version `{name}`"));
    let (first, last) = match text.split_once('-') {
        None => (version(text)?, version(text)?),
        Some((first, "")) => (version(first)?, FixVersion::Fix50Sp2),
        Some((first, last)) => (version(first)?, version(last)?),
    };
    match first <= last {
        true => Ok(Span { first, last }),
        false => Err(format!("`{text}` ends before it begins")),
    }
}

/// What is left of a line.
struct Tokens<'t>(&'t str);

impl<'t> Tokens<'t> {
    fn take(&mut self, one: char) -> bool {
        match self.0.strip_prefix(one) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'t str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        let end = self.0.find(|c| !is_part(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word
    }
}

/// Items up to the end of the line, or up to the bracket that closes the group.
fn items(
    dialect: &Dialect,
    verb: Verb,
    span_outside: Span,
    tokens: &mut Tokens<'_>,
) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    loop {
        items.push(item(dialect, verb, span_outside, tokens)?);
        if !tokens.take(' ') {
            return Ok(items);
        }
    }
}

fn item(
    dialect: &Dialect,
    verb: Verb,
    span_outside: Span,
    tokens: &mut Tokens<'_>,
) -> Result<Item, String> {
    let is_block = tokens.take('[');
    let name = tokens.word();
    let mut what = match is_block {
        true => What::Block(block(dialect, name)?),
        false => What::Field(field(dialect, name)?),
    };
    if is_block && !tokens.take(']') {
        return Err(format!("[{name} is not closed"));
    }
    let need = if tokens.take('!') {
        Need::Required
    } else if tokens.take('?') {
        Need::Conditional
    } else {
        Need::Optional
    };
    let span = match tokens.take('@') {
        true => span(tokens.word())?,
        false => span_outside,
    };
    if let What::Field(count) = what
        && tokens.take('(')
    {
        let members = items(dialect, verb, span, tokens)?;
        if !tokens.take(')') {
            return Err(format!("{name}( is not closed"));
        }
        what = What::Group(count, members);
    }
    Ok(Item {
        verb,
        span,
        need,
        what,
    })
}

fn field(dialect: &Dialect, name: &str) -> Result<usize, String> {
    let position = dialect.fields.iter().position(|field| field.name == name);
    position.ok_or_else(|| format!("no field {name}"))
}

fn block(dialect: &Dialect, name: &str) -> Result<usize, String> {
    let position = dialect.blocks.iter().position(|block| block.name == name);
    position.ok_or_else(|| format!("no block {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_with_their_lines() {
        for (text, wrong) in [
            ("  x: y", "line 1: it stands in no section"),
            ("fields\n  STRING: 1 A, 1 B", "line 2: 1 B is there already"),
            ("fields\n  STRING: 1 A, 2 A", "line 2: 2 A is there already"),
            ("fields\n  TEXT: 1 A", "line 2: no type TEXT"),
            ("header\n  has 4.0-: A", "line 2: no field A"),
            ("header\n  has 4.9-: A", "line 2: no version `4.9`"),
            ("values A", "line 1: no field A"),
            ("stuff", "line 1: `stuff` begins no section"),
            (
                "fields\n  STRING: 1 A\nheader\n  has 4.4-4.0: A",
                "line 4: `4.4-4.0` ends before it begins",
            ),
            (
                "fields\n  STRING: 1 A, 2 B\nheader\n  has 4.0-: A(B",
                "line 4: A( is not closed",
            ),
            (
                "fields\n  STRING: 1 A\nheader\n  has 4.0-: A)",
                "line 4: `)` is left over",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), wrong, "{text}");
        }
    }
}
