//! A host: its `/proc`, `/sys` and `/dev` below a root, so that a test can make one up.
//!
//! Reads and writes text of one value. What cannot be read is `None`: a kernel without the knob, a container without the file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files of a host.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The machine that this runs on.
    pub fn this() -> Self {
        Self::below("/")
    }

    /// A host whose files lie below `root`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where a file of the host is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file.trim_start_matches('/'))
    }

    /// The file's text without the space around it.
    pub fn read(&self, file: &str) -> Option<String> {
        let text = fs::read_to_string(self.path(file)).ok()?;
        Some(text.trim().to_owned())
    }

    /// The file's text as a number.
    pub fn number(&self, file: &str) -> Option<i64> {
        self.read(file)?.parse().ok()
    }

    /// Writes a value.
    pub fn write(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.path(file), format!("{value}\n"))
    }

    /// Files that a pattern names; one part of the path may have one `*`. Sorted; the pattern itself where it has no `*`.
    pub fn expand(&self, pattern: &str) -> Vec<String> {
        let Some((before, after)) = pattern.split_once('*') else {
            return vec![pattern.to_owned()];
        };
        let (directory, prefix) = before.rsplit_once('/').unwrap_or(("", before));
        let (suffix, rest) = after.split_at(after.find('/').unwrap_or(after.len()));
        let Ok(entries) = fs::read_dir(self.path(directory)) else {
            return Vec::new();
        };
        let mut found: Vec<_> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| {
                let middle = name
                    .strip_prefix(prefix)
                    .and_then(|n| n.strip_suffix(suffix));
                // `cpu*` means cpu0, cpu1, not cpufreq.
                middle.is_some_and(|m| !m.is_empty() && (prefix != "cpu" || is_number(m)))
            })
            .map(|name| format!("{directory}/{name}{rest}"))
            .filter(|file| self.path(file).exists())
            .collect();
        found.sort_by_key(|file| (file.len(), file.clone()));
        found
    }

    /// Words of the kernel's command line.
    pub fn command_line(&self) -> Vec<String> {
        let line = self.read("/proc/cmdline").unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The chosen word of a file such as `always [madvise] never`; the whole text where none is marked.
pub fn chosen(text: &str) -> &str {
    let marked = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    marked.map_or(text, |(word, _)| word)
}

/// Whether `path` is in a directory that exists.
pub fn parent_exists(path: &Path) -> bool {
    path.parent().is_some_and(Path::is_dir)
}
