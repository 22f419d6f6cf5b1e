//! `gatehouse dialect`: the dialect that the gateway speaks, for people and for other engines.
//!
//! Reads nothing; writes to stdout or to a file.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::domain::FixVersion;
use crate::wire::fix::dialect::{markdown, orchestra, own, quickfix};

/// The transport of FIX.5.0 and later, which QuickFIX wants in a file of its own.
const TRANSPORT: &str = "FIXT.1.1";

/// Arguments of `gatehouse dialect`.
#[derive(clap::Args, Clone, Debug)]
pub struct DialectArgs {
    /// What to write
    #[arg(long, value_enum, default_value = "markdown")]
    pub format: Format,
    /// FIX version, such as FIX.4.4; with quickfix also FIXT.1.1, the transport of FIX.5.0 and later. Markdown without it: all versions
    #[arg(long)]
    pub version: Option<String>,
    /// File; without it stdout
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// Forms of the dialect.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Data dictionary in QuickFIX's XML
    Quickfix,
    /// Repository of FIX Orchestra 1.0
    Orchestra,
    /// Rules of engagement, a document
    Markdown,
}

/// Runs it.
pub fn run(args: &DialectArgs) -> ExitCode {
    let text = match written(args.format, args.version.as_deref()) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("gatehouse dialect: {error}");
            return ExitCode::from(2);
        }
    };
    let (place, written) = match &args.output {
        None => ("cannot write".to_owned(), super::show(&text)),
        Some(path) => (path.display().to_string(), std::fs::write(path, text)),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&place, error),
    }
}

/// The text; what is wrong with the arguments, and how it is mended.
pub fn written(format: Format, version: Option<&str>) -> Result<String, String> {
    if format == Format::Quickfix && version == Some(TRANSPORT) {
        let (transport, _) = own().models(FixVersion::Fix50Sp2);
        return Ok(quickfix::write(&transport));
    }
    let version = version
        .map(|name| FixVersion::from_name(name).ok_or_else(|| unknown(format, name)))
        .transpose()?;
    let one = || version.ok_or_else(|| format!("--version is missing; name {}", names(format)));
    Ok(match format {
        Format::Markdown => markdown::write(own(), version),
        Format::Orchestra => orchestra::write(own(), one()?),
        Format::Quickfix => {
            let (transport, application) = own().models(one()?);
            quickfix::write(&application.unwrap_or(transport))
        }
    })
}

fn unknown(format: Format, name: &str) -> String {
    format!("no FIX version \"{name}\"; name {}", names(format))
}

fn names(format: Format) -> String {
    let mut names = FixVersion::ALL.map(FixVersion::name).join(", ");
    if format == Format::Quickfix {
        names = format!("{names} or {TRANSPORT}");
    }
    format!("one of {names}")
}
