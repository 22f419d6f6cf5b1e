//! Dictionaries of the sessions: the gateway's own, or read from their files at start, each pair of files once.
//!
//! Used by whoever makes the peers, before the first turn; a dictionary is then shared by all sessions that name its files, and
//! immutable.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::plan::{DictionaryFiles, DictionaryPlan, FixPlan, FixVersion, Plan};
use crate::limits::DICTIONARY_BYTES_MAX;
use crate::wire::fix::dialect;
use crate::wire::fix::dictionary::{Dictionary, DictionaryError, Model};

/// A file that cannot be used as a dictionary.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{path}: {error}", path = .path.display())]
pub struct DictionaryFault {
    /// The file.
    pub path: PathBuf,
    /// Where in it, why, and how it is mended.
    pub error: DictionaryError,
}

/// What was read so far.
#[derive(Default)]
pub struct Dictionaries {
    /// What cannot be used is not read again either: a thousand sessions may name it.
    read: Vec<(DictionaryFiles, Result<Loaded, DictionaryFault>)>,
}

struct Loaded {
    /// What the files say that they are.
    names: Vec<String>,
    dictionary: Arc<Dictionary>,
}

impl Dictionaries {
    /// The dictionary that the plan of a session names.
    pub fn of(&mut self, fix: &FixPlan) -> Result<Option<Arc<Dictionary>>, DictionaryFault> {
        match &fix.dictionary {
            DictionaryPlan::None => Ok(None),
            DictionaryPlan::Dialect => Ok(Some(dialect::dictionary(fix.version))),
            DictionaryPlan::Files(files) => {
                let loaded = self.loaded(files)?;
                fits(files, loaded, fix.version)?;
                Ok(Some(loaded.dictionary.clone()))
            }
        }
    }

    /// What is wrong with the dictionaries that the plan names, each once, with the first that names it: `session ALPHA1`.
    pub fn faults(plan: &Plan) -> Vec<(String, DictionaryFault)> {
        let mut all = Self::default();
        let sessions = plan.sessions.iter();
        let sessions = sessions.map(|session| ("session", &session.name, &session.fix));
        let links = plan.desks.iter().flat_map(|desk| &desk.links);
        let links = links.map(|link| ("link", &link.name, &link.fix));
        let mut faults: Vec<(String, DictionaryFault)> = Vec::new();
        for (kind, name, fix) in sessions.chain(links) {
            if let Err(fault) = all.of(fix)
                && faults.iter().all(|(_, known)| *known != fault)
            {
                faults.push((format!("{kind} {name}"), fault));
            }
        }
        faults
    }

    /// The dictionary of these files, whatever version it is of.
    pub fn load(&mut self, files: &DictionaryFiles) -> Result<Arc<Dictionary>, DictionaryFault> {
        self.loaded(files).map(|loaded| loaded.dictionary.clone())
    }

    fn loaded(&mut self, files: &DictionaryFiles) -> Result<&Loaded, DictionaryFault> {
        let known = self.read.iter().position(|(named, _)| named == files);
        let at = known.unwrap_or_else(|| {
            self.read.push((files.clone(), load(files)));
            self.read.len() - 1
        });
        self.read[at].1.as_ref().map_err(Clone::clone)
    }
}

fn load(files: &DictionaryFiles) -> Result<Loaded, DictionaryFault> {
    let transport = read(&files.transport)?;
    let application = files.application.as_deref().map(read).transpose()?;
    let dictionary = Dictionary::compile(&transport, application.as_ref())
        .map_err(|error| fault(&files.transport, error))?;
    let models = [Some(&transport), application.as_ref()];
    Ok(Loaded {
        names: models.into_iter().flatten().map(name).collect(),
        dictionary: Arc::new(dictionary),
    })
}

/// `FIX.5.0SP2`
fn name(model: &Model) -> String {
    match model.service_pack {
        0 => model.begin_string.clone(),
        pack => format!("{}SP{pack}", model.begin_string),
    }
}

/// Whether the files are of the version.
fn fits(
    files: &DictionaryFiles,
    loaded: &Loaded,
    version: FixVersion,
) -> Result<(), DictionaryFault> {
    let begin_string = String::from_utf8_lossy(version.begin_string());
    let paths = [Some(&files.transport), files.application.as_ref()];
    let wanted = [&*begin_string, version.name()];
    for ((path, wanted), found) in paths.into_iter().flatten().zip(wanted).zip(&loaded.names) {
        if found != wanted {
            let error = DictionaryError {
                line: 1,
                element: "<fix>".to_owned(),
                problem: format!("it is of {found}, and the session needs one of {wanted}"),
                remedy: "name another dictionary, or correct fix_version",
            };
            return Err(fault(path, error));
        }
    }
    Ok(())
}

/// Text of a dictionary: not more of it than shows that it is too long, whatever the path leads to.
pub fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let most = DICTIONARY_BYTES_MAX as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == most {
        let what = format!("it has more than {DICTIONARY_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

fn read(path: &Path) -> Result<Model, DictionaryFault> {
    let text = text(path).map_err(|error| {
        let error = DictionaryError {
            line: 1,
            element: "the file".to_owned(),
            problem: error.to_string(),
            remedy: "write it, or name another",
        };
        fault(path, error)
    })?;
    Dictionary::from_quickfix_xml(&text).map_err(|error| fault(path, error))
}

fn fault(path: &Path, error: DictionaryError) -> DictionaryFault {
    DictionaryFault {
        path: path.to_owned(),
        error,
    }
}
