//! The files of dictionaries as a start reads them: bounded, and each once, however many sessions name them.
//! The command `gatehouse check` is the reader here, and dictionaries are written for each test.

use std::fs::{self, File};
use std::path::Path;

use gatehouse::config::plan::{DictionaryFiles, DictionaryPlan, FixPlan, FixVersion};
use gatehouse::stage::Dictionaries;

fn session(file: &Path) -> FixPlan {
    let files = DictionaryFiles {
        transport: file.to_owned(),
        application: None,
    };
    FixPlan {
        dictionary: DictionaryPlan::Files(files),
        ..FixPlan::new(FixVersion::Fix44, b"US", b"PEER")
    }
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huge.xml");
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let fault = Dictionaries::default().of(&session(&path)).unwrap_err();
    let text = fault.to_string();
    assert!(text.contains("more than 16777216 bytes"), "{text}");
}

#[test]
fn what_cannot_be_used_is_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.xml");
    fs::write(&path, "<fix>").unwrap();
    let mut dictionaries = Dictionaries::default();
    let first = dictionaries.of(&session(&path)).unwrap_err();
    fs::remove_file(&path).unwrap();
    let second = dictionaries.of(&session(&path)).unwrap_err();
    assert_eq!(first, second);
}
