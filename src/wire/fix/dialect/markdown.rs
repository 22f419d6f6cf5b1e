//! The dialect as a document for clients' developers: the rules of engagement.
//!
//! Cold. Prose of `rules.md`, and tables out of the dialect and of the reject table. For all versions, or for one.

use std::fmt::Write;

use super::{Dialect, Field, Item, Message, Need, ValueVerb, Verb, What};
use crate::domain::FixVersion;
use crate::domain::reject::REJECTS;
use crate::wire::fix::versions::{Span, cxl_rej_reason, ord_rej_reason};
use crate::wire::fix::{BusinessRejectReason, SessionRejectReason};

const RULES: &str = include_str!("rules.md");

/// Writes the document; `None`: for all versions.
pub fn write(dialect: &Dialect, version: Option<FixVersion>) -> String {
    let versions = match version {
        Some(version) => version.name().to_owned(),
        None => FixVersion::ALL.map(FixVersion::name).join(", "),
    };
    let mut out = format!(
        "# Rules of engagement\n\nHow to trade through Gatehouse with {versions}. Made by `gatehouse dialect --format markdown`; the same in a form for \
         engines: `--format quickfix` and `--format orchestra`.\n\n{RULES}\n"
    );
    let writer = Writer { dialect, version };
    writer.messages(&mut out);
    rejects(&mut out, version);
    out
}

struct Writer<'d> {
    dialect: &'d Dialect,
    version: Option<FixVersion>,
}

impl Writer<'_> {
    fn concerns(&self, span: Span) -> bool {
        self.version.is_none_or(|version| span.covers(version))
    }

    fn messages(&self, out: &mut String) {
        out.push_str(
            "## Messages\n\nNeed: *required* always, *by context* as the meaning says, *optional*. Fields that are *refused* would change what an order means: they are \
             taken with a value that says nothing (0, or the value listed), and refused otherwise. Values that are *refused* are answered with a reason, values that \
             are not listed with `Value is incorrect`. Fields of the header and of the trailer may stand in every message.\n\n",
        );
        self.section(out, "Header", &self.dialect.header);
        self.section(out, "Trailer", &self.dialect.trailer);
        for message in &self.dialect.messages {
            if message.items.iter().any(|item| self.concerns(item.span)) {
                let title = format!(
                    "{} (35={}), {}",
                    message.name,
                    message.msg_type,
                    direction(message)
                );
                self.section(out, &title, &message.items);
            }
        }
        let blocks = self.dialect.blocks.iter();
        let blocks = blocks.map(|block| (&block.name, self.names(block.items.iter(), EVER)));
        let blocks: Vec<_> = blocks.filter(|(_, items)| !items.is_empty()).collect();
        if blocks.is_empty() {
            return;
        }
        out.push_str("### Blocks\n\nGroups of fields that messages share; repeating groups with their members in order.\n\n");
        for (name, items) in blocks {
            let _ = writeln!(out, "* **{name}**: {}", items.join(", "));
        }
        out.push('\n');
    }

    fn section(&self, out: &mut String, title: &str, items: &[Item]) {
        let _ = writeln!(out, "### {title}\n");
        let told = items.iter().filter(|item| {
            item.verb != Verb::Ignores
                && matches!(item.what, What::Field(_))
                && self.concerns(item.span)
        });
        let mut rows: Vec<_> = told.collect();
        rows.sort_by_key(|item| match item.what {
            What::Field(at) => (self.dialect.fields[at].tag, item.span.first),
            _ => (0, item.span.first),
        });
        let versions = self.version.is_none();
        out.push_str(match versions {
            true => {
                "| tag | field | versions | need | values | meaning |\n|---|---|---|---|---|---|\n"
            }
            false => "| tag | field | need | values | meaning |\n|---|---|---|---|---|\n",
        });
        for item in rows {
            let What::Field(at) = item.what else {
                continue;
            };
            let field = &self.dialect.fields[at];
            let versions = match versions {
                true => format!("{} | ", span_text(item.span)),
                false => String::new(),
            };
            let need = match (item.verb, item.need) {
                (Verb::Refuses, _) => "refused",
                (_, Need::Required) => "required",
                (_, Need::Conditional) => "by context",
                (_, Need::Optional) => "optional",
            };
            let _ = writeln!(
                out,
                "| {} | {} | {versions}{need} | {} | {} |",
                field.tag,
                field.name,
                self.values(field, item),
                field.about
            );
        }
        self.rest(out, items);
        out.push('\n');
    }

    /// What is not in the table, by versions.
    fn rest(&self, out: &mut String, items: &[Item]) {
        let is_rest =
            |item: &&Item| item.verb == Verb::Ignores || !matches!(item.what, What::Field(_));
        let mut spans: Vec<Span> = items.iter().filter(is_rest).map(|item| item.span).collect();
        spans.retain(|span| self.concerns(*span));
        spans.sort_by_key(|span| (span.first, span.last));
        spans.dedup();
        if self.version.is_some() {
            // One version: it does not matter since when.
            spans.truncate(1);
        }
        let is_read = items.iter().any(|item| item.verb == Verb::Ignores);
        let title = if is_read {
            "Taken and not used"
        } else {
            "Also"
        };
        for span in spans {
            let here = items.iter().filter(is_rest);
            let here = here.filter(|item| item.span == span || self.version.is_some());
            let names = self.names(here, span).join(", ");
            let _ = match self.version {
                Some(_) => write!(out, "\n{title}: {names}.\n"),
                None => write!(out, "\n{title}, {}: {names}.\n", span_text(span)),
            };
        }
    }

    fn values(&self, field: &Field, item: &Item) -> String {
        let span = item.span;
        let mut texts = Vec::new();
        for (verb, word) in [
            (ValueVerb::Taken, ""),
            (ValueVerb::Written, ""),
            (ValueVerb::Refused, "refused: "),
        ] {
            // What the gateway refuses, it does not send.
            if verb == ValueVerb::Refused && item.verb == Verb::Writes {
                continue;
            }
            let values = field.values.iter().filter(|value| {
                let both = Span {
                    first: value.span.first.max(span.first),
                    last: value.span.last.min(span.last),
                };
                value.verb == verb && both.first <= both.last && self.concerns(value.span)
            });
            let listed: Vec<String> = values
                .map(|value| {
                    let whole = value.span.first <= span.first && value.span.last >= span.last;
                    let only = match whole || self.version.is_some() {
                        true => String::new(),
                        false => format!(" ({})", span_text(value.span)),
                    };
                    format!("`{}` {}{only}", value.value, value.meaning)
                })
                .collect();
            if !listed.is_empty() {
                texts.push(format!("{word}{}", listed.join(", ")));
            }
        }
        texts.join("; ")
    }

    /// Names, with the versions of those that other versions than `outside` have.
    fn names<'i>(&self, items: impl Iterator<Item = &'i Item>, outside: Span) -> Vec<String> {
        items
            .filter(|item| self.concerns(item.span))
            .map(|item| {
                let only = match self.version.is_some() || item.span == outside {
                    true => String::new(),
                    false => format!(" ({})", span_text(item.span)),
                };
                let need = match item.need {
                    Need::Required => ", required",
                    _ => "",
                };
                match &item.what {
                    What::Field(at) => format!("{}{need}{only}", self.name(*at)),
                    What::Block(at) => format!("[{}]{only}", self.dialect.blocks[*at].name),
                    What::Group(at, members) => {
                        let members = self.names(members.iter(), item.span);
                        format!("{} ({}){only}", self.name(*at), members.join(", "))
                    }
                }
            })
            .collect()
    }

    fn name(&self, at: usize) -> String {
        let field = &self.dialect.fields[at];
        format!("{}({})", field.name, field.tag)
    }
}

const EVER: Span = Span {
    first: FixVersion::Fix40,
    last: FixVersion::Fix50Sp2,
};

fn direction(message: &Message) -> &'static str {
    let has = |verb| message.items.iter().any(|item| item.verb == verb);
    if has(Verb::Writes) {
        "to the client"
    } else if has(Verb::Reads) {
        "from the client"
    } else {
        "both ways"
    }
}

fn span_text(span: Span) -> String {
    let short = |version: FixVersion| &version.name()[4..];
    match span {
        EVER => "all".to_owned(),
        Span { first, last } if first == last => short(first).to_owned(),
        Span { first, last } if last == EVER.last => format!("from {}", short(first)),
        Span { first, last } => format!("{} to {}", short(first), short(last)),
    }
}

fn rejects(out: &mut String, version: Option<FixVersion>) {
    let versions: Vec<FixVersion> = match version {
        Some(version) => vec![version],
        None => FixVersion::ALL.to_vec(),
    };
    out.push_str(
        "## Reject reasons\n\nA request that the gateway refuses: ExecutionReport with OrdStatus(39) 8 and OrdRejReason(103) for orders, OrderCancelReject with CxlRejReason(102) for \
         cancels and replaces; Text(58) in both. A version gets the codes that it has: `-` where none of them is true, and the field is left out.\n\n| Text(58) |",
    );
    for version in &versions {
        let _ = write!(out, " 103 in {} |", &version.name()[4..]);
    }
    for version in &versions {
        let _ = write!(out, " 102 in {} |", &version.name()[4..]);
    }
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(2 * versions.len()));
    for row in REJECTS.iter().filter(|row| !row.text.is_empty()) {
        let _ = write!(out, "| {} |", row.text);
        for &version in &versions {
            let _ = write!(out, " {} |", ord_rej_reason(version, row));
        }
        for &version in &versions {
            match cxl_rej_reason(version, row.cxl_rej_reason) {
                Some(code) => _ = write!(out, " {code} |"),
                None => out.push_str(" - |"),
            }
        }
        out.push('\n');
    }
    out.push_str(
        "\nA message that breaks the standard is answered with Reject (35=3): the message's number in RefSeqNum(45), Text(58) and, from FIX.4.2 on, RefTagID(371), RefMsgType(372) and \
         SessionRejectReason(373); in FIX.4.0 and 4.1 the tag stands in brackets behind the text. A reject uses up the number.\n\n| 373 | Text(58) | not in |\n|---|---|---|\n",
    );
    for reason in SessionRejectReason::ALL {
        let lacking: Vec<&str> = FixVersion::ALL
            .into_iter()
            .filter(|version| reason.code(*version).is_none())
            .map(|version| &version.name()[4..])
            .collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            *reason as u16,
            reason.text(),
            lacking.join(", ")
        );
    }
    out.push_str(
        "\nA message that the standard allows and the gateway cannot do is answered with BusinessMessageReject (35=j), in FIX.4.0 and 4.1 with Reject:\n\n\
         | 380 | when |\n|---|---|\n",
    );
    for (reason, when) in [
        (
            BusinessRejectReason::Other,
            "a value, or a field, that the gateway does not support; Text(58) names it",
        ),
        (
            BusinessRejectReason::UnsupportedMessageType,
            "a message of the standard that the gateway does not take",
        ),
        (
            BusinessRejectReason::ApplicationNotAvailable,
            "the gateway is starting, stopping or under pressure",
        ),
        (
            BusinessRejectReason::ConditionallyRequiredFieldMissing,
            "a field that the context requires; Text(58) names it",
        ),
        (
            BusinessRejectReason::NotAuthorized,
            "not permitted for the session (from FIX.4.3 on; before it 0)",
        ),
    ] {
        let _ = writeln!(out, "| {} | {when} |", reason as u16);
    }
}
