//! What is known of a gateway's starts outside its logs: the highest start number that was used, and which logs are still kept.
//!
//! A small file beside the log directory (`log.starts` for `log`), so that it stays where it is when logs are moved away: the start number is
//! part of every order id, and no number is ever used again. Written at the start and when old logs are removed, by one thread. What
//! always holds: it is replaced whole and durably, before what it says is done.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::sys::log_file::sync_directory;

/// What it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Starts {
    /// Highest start number that was given out; zero: none.
    pub highest: u16,
    /// Highest start number whose logs began.
    pub begun: u16,
    /// First start whose logs are kept; those before it are removed, or are being removed.
    pub first: u16,
    /// Last sequences of the client, order and desk log before that start.
    pub before: [u64; 3],
}

const WORDS: &str = "gatehouse starts 1:";

/// The file of the logs in this directory.
pub fn path(log_directory: &Path) -> PathBuf {
    let mut name = log_directory.file_name().unwrap_or_default().to_owned();
    name.push(".starts");
    log_directory.with_file_name(name)
}

/// Reads it; nothing of note where there is none. A file that cannot be understood is an error of the kind `InvalidData`.
pub fn read(log_directory: &Path) -> io::Result<Option<Starts>> {
    let path = path(log_directory);
    match fs::read_to_string(&path) {
        Ok(text) => match parse(&text) {
            Some(starts) => Ok(Some(starts)),
            None => Err(invalid()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not what was written")
}

/// Replaces it, durably.
pub fn write(log_directory: &Path, starts: &Starts) -> io::Result<()> {
    let path = path(log_directory);
    let new = path.with_extension("starts.new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text(starts).as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

fn text(starts: &Starts) -> String {
    let Starts {
        highest,
        begun,
        first,
        before: [client, order, desk],
    } = starts;
    let words = format!("{WORDS} {highest} {begun} {first} {client} {order} {desk}");
    let check = crc32c::crc32c(words.as_bytes());
    format!("{words} {check:08x}\n")
}

fn parse(text: &str) -> Option<Starts> {
    let (words, check) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    if check != format!("{:08x}", crc32c::crc32c(words.as_bytes())) {
        return None;
    }
    let numbers = words.strip_prefix(WORDS)?.trim_start().split(' ');
    let numbers: Vec<u64> = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [highest, begun, first, client, order, desk] = numbers[..] else {
        return None;
    };
    Some(Starts {
        highest: highest.try_into().ok()?,
        begun: begun.try_into().ok()?,
        first: first.try_into().ok()?,
        before: [client, order, desk],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_beside_each_other_have_files_of_their_own() {
        for (directory, file) in [
            ("/data/log", "/data/log.starts"),
            ("/data/log/", "/data/log.starts"),
            ("/data/log.a", "/data/log.a.starts"),
            ("log.b", "log.b.starts"),
        ] {
            assert_eq!(path(Path::new(directory)), Path::new(file));
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let room = tempfile::tempdir().expect("directory");
        let logs = room.path().join("log");
        assert_eq!(read(&logs).expect("nothing"), None);
        let starts = Starts {
            highest: 9,
            begun: 8,
            first: 3,
            before: [1, 2, u64::MAX],
        };
        write(&logs, &Starts::default()).expect("written");
        write(&logs, &starts).expect("written");
        assert_eq!(read(&logs).expect("read"), Some(starts));
        let path = room.path().join("log.starts");
        let whole = fs::read(&path).expect("there");
        for bit in 0..whole.len() * 8 {
            let mut wrong = whole.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, wrong).expect("written");
            let error = read(&logs).expect_err("not what was written");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "bit {bit}");
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).expect("written");
            read(&logs).expect_err("cut");
        }
    }
}
