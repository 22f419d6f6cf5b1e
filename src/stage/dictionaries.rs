//! Dictionaries of the sessions: the gateway's own, or read from their files at start, each pair of files once.
//!
//! Used by whoever makes the peers, before the first turn; a dictionary is then shared by all sessions that name its files, and
//! immutable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::plan::{DictionaryFiles, DictionaryPlan, FixPlan, FixVersion, Plan};
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
    loaded: Vec<Loaded>,
}

struct Loaded {
    files: DictionaryFiles,
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
                fits(loaded, fix.version)?;
                Ok(Some(loaded.dictionary.clone()))
            }
        }
    }

    /// What is wrong with the dictionaries that the plan names, session by session, each once.
    pub fn faults(plan: &Plan) -> Vec<DictionaryFault> {
        let mut all = Self::default();
        let sessions = plan.sessions.iter().map(|session| &session.fix);
        let links = plan.desks.iter().flat_map(|desk| &desk.links);
        let mut faults = Vec::new();
        for fix in sessions.chain(links.map(|link| &link.fix)) {
            if let Err(fault) = all.of(fix)
                && !faults.contains(&fault)
            {
                faults.push(fault);
            }
        }
        faults
    }

    /// The dictionary of these files, whatever version it is of.
    pub fn load(&mut self, files: &DictionaryFiles) -> Result<Arc<Dictionary>, DictionaryFault> {
        self.loaded(files).map(|loaded| loaded.dictionary.clone())
    }

    fn loaded(&mut self, files: &DictionaryFiles) -> Result<&Loaded, DictionaryFault> {
        let known = self.loaded.iter().position(|one| one.files == *files);
        let at = match known {
            Some(at) => at,
            None => {
                self.loaded.push(load(files)?);
                self.loaded.len() - 1
            }
        };
        Ok(&self.loaded[at])
    }
}

fn load(files: &DictionaryFiles) -> Result<Loaded, DictionaryFault> {
    let transport = read(&files.transport)?;
    let application = files.application.as_deref().map(read).transpose()?;
    let dictionary = Dictionary::compile(&transport, application.as_ref())
        .map_err(|error| fault(&files.transport, error))?;
    let models = [Some(&transport), application.as_ref()];
    Ok(Loaded {
        files: files.clone(),
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
fn fits(loaded: &Loaded, version: FixVersion) -> Result<(), DictionaryFault> {
    let begin_string = String::from_utf8_lossy(version.begin_string());
    let paths = [
        Some(&loaded.files.transport),
        loaded.files.application.as_ref(),
    ];
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

fn read(path: &Path) -> Result<Model, DictionaryFault> {
    let text = std::fs::read_to_string(path).map_err(|error| {
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
