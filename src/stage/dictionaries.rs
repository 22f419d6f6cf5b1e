//! Dictionaries of the sessions: read from their files at start, each pair of files once.
//!
//! Used by whoever makes the peers, before the first turn; a dictionary is then shared by all sessions that name its files, and
//! immutable.

use std::path::Path;
use std::sync::Arc;

use crate::config::plan::DictionaryFiles;
use crate::wire::fix::dictionary::{Dictionary, Model};

/// What was read so far.
#[derive(Default)]
pub struct Dictionaries {
    loaded: Vec<(DictionaryFiles, Arc<Dictionary>)>,
}

impl Dictionaries {
    /// The dictionary of these files. An error names file, line and element.
    pub fn load(&mut self, files: &DictionaryFiles) -> Result<Arc<Dictionary>, String> {
        if let Some((_, dictionary)) = self.loaded.iter().find(|(name, _)| name == files) {
            return Ok(dictionary.clone());
        }
        let transport = read(&files.transport)?;
        let application = files.application.as_deref().map(read).transpose()?;
        let dictionary = Dictionary::compile(&transport, application.as_ref())
            .map_err(|error| format!("{}: {error}", files.transport.display()))?;
        let dictionary = Arc::new(dictionary);
        self.loaded.push((files.clone(), dictionary.clone()));
        Ok(dictionary)
    }
}

fn read(path: &Path) -> Result<Model, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    Dictionary::from_quickfix_xml(&text).map_err(|error| named(&error))
}
