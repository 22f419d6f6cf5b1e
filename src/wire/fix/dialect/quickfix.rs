//! The dialect as a dictionary in QuickFIX's XML.
//!
//! Cold. Of a FIXT version there are two files: the transport's and the application's. Types of which nothing is told are left out, since QuickFIX
//! would take them for messages without fields.

use std::fmt::Write;

use crate::wire::fix::dictionary::model::{Category, Model, Part};

/// Writes a model.
pub fn write(model: &Model) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (kind, version) = model.begin_string.split_once('.').unwrap_or(("FIX", "4.4"));
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    line(
        &mut out,
        0,
        format_args!(
            "<fix type=\"{kind}\" major=\"{major}\" minor=\"{minor}\" servicepack=\"{}\">",
            model.service_pack
        ),
    );
    for (name, parts) in [("header", &model.header), ("trailer", &model.trailer)] {
        element(&mut out, model, 1, name, "", parts);
    }
    line(&mut out, 1, format_args!("<messages>"));
    for message in &model.messages {
        let category = match message.category {
            Category::Admin => "admin",
            Category::Application => "app",
        };
        let attributes = format!(
            " name=\"{}\" msgtype=\"{}\" msgcat=\"{category}\"",
            message.name, message.msg_type
        );
        element(&mut out, model, 2, "message", &attributes, &message.parts);
    }
    line(&mut out, 1, format_args!("</messages>"));
    line(&mut out, 1, format_args!("<components>"));
    for component in &model.components {
        let attributes = format!(" name=\"{}\"", component.name);
        element(
            &mut out,
            model,
            2,
            "component",
            &attributes,
            &component.parts,
        );
    }
    line(&mut out, 1, format_args!("</components>"));
    fields(&mut out, model);
    line(&mut out, 0, format_args!("</fix>"));
    out
}

fn fields(out: &mut String, model: &Model) {
    line(out, 1, format_args!("<fields>"));
    for field in &model.fields {
        let attributes = format!(
            "number=\"{}\" name=\"{}\" type=\"{}\"",
            field.tag,
            field.name,
            field.kind.name()
        );
        if field.values.is_empty() {
            line(out, 2, format_args!("<field {attributes}/>"));
            continue;
        }
        line(out, 2, format_args!("<field {attributes}>"));
        for value in &field.values {
            line(
                out,
                3,
                format_args!(
                    "<value enum=\"{}\" description=\"{}\"/>",
                    escaped(&value.value),
                    constant(&value.description)
                ),
            );
        }
        line(out, 2, format_args!("</field>"));
    }
    line(out, 1, format_args!("</fields>"));
}

fn element(
    out: &mut String,
    model: &Model,
    depth: usize,
    name: &str,
    attributes: &str,
    parts: &[Part],
) {
    if parts.is_empty() {
        return line(out, depth, format_args!("<{name}{attributes}/>"));
    }
    line(out, depth, format_args!("<{name}{attributes}>"));
    for part in parts {
        let of = |tag: u32| model.field(tag).map_or("", |field| field.name.as_str());
        let need = |required: bool| if required { 'Y' } else { 'N' };
        match part {
            Part::Field { tag, required } => line(
                out,
                depth + 1,
                format_args!(
                    "<field name=\"{}\" required=\"{}\"/>",
                    of(*tag),
                    need(*required)
                ),
            ),
            Part::Component { index, required } => line(
                out,
                depth + 1,
                format_args!(
                    "<component name=\"{}\" required=\"{}\"/>",
                    model.components[*index].name,
                    need(*required)
                ),
            ),
            Part::Group {
                tag,
                required,
                parts,
            } => {
                let attributes = format!(" name=\"{}\" required=\"{}\"", of(*tag), need(*required));
                element(out, model, depth + 1, "group", &attributes, parts);
            }
        }
    }
    line(out, depth, format_args!("</{name}>"));
}

fn line(out: &mut String, depth: usize, text: std::fmt::Arguments<'_>) {
    for _ in 0..depth {
        out.push(' ');
    }
    // Writing into a string does not fail.
    let _ = writeln!(out, "{text}");
}

/// `GOOD_TILL_CANCEL`
pub(super) fn constant(words: &str) -> String {
    let signs = words.chars().map(|c| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    });
    signs.collect()
}

/// Text between the quotes of an attribute, or between elements.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
