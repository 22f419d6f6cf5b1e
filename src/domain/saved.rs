//! Values as bytes and back, for what is kept of a state: one value after the other, tables row by row.
//!
//! Pure; called by cold threads. Read by the version that wrote it alone, so that nothing here says what a value is. What does not read
//! back is `None`: the reader then has nothing, and never a guess.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that grow.
#[derive(Default)]
pub struct Saver(Vec<u8>);

/// Writes to the end of bytes.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

impl Saver {
    /// Adds a value.
    pub fn put<T: Serialize>(&mut self, value: &T) {
        let written = postcard::serialize_with_flavor(value, Append(&mut self.0));
        written.expect("plain values are written to memory");
    }

    /// Adds a table: the number of rows, and the rows.
    pub fn rows<T: Serialize>(&mut self, rows: impl ExactSizeIterator<Item = T>) {
        self.put(&rows.len());
        rows.for_each(|row| self.put(&row));
    }

    /// Everything that was added.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// What a [`Saver`] made, from its beginning.
pub struct Saved<'a>(&'a [u8]);

impl<'a> Saved<'a> {
    /// Of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next value.
    pub fn take<T: DeserializeOwned>(&mut self) -> Option<T> {
        let (value, rest) = postcard::take_from_bytes(self.0).ok()?;
        self.0 = rest;
        Some(value)
    }

    /// The rows of the next table, which `row` takes one after the other; `None` also where there are more than `most`.
    pub fn rows<T: DeserializeOwned>(&mut self, most: usize, mut row: impl FnMut(T)) -> Option<()> {
        let count: usize = self.take()?;
        if count > most {
            return None;
        }
        (0..count).try_for_each(|_| {
            row(self.take()?);
            Some(())
        })
    }

    /// What was not taken yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether all was taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// For `#[serde(with)]`: arrays of more than 32.
pub mod array {
    use serde::de::{DeserializeOwned, Error};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// As a slice.
    pub fn serialize<S: Serializer, T: Serialize, const N: usize>(
        array: &[T; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        array.as_slice().serialize(serializer)
    }

    /// Of as many.
    pub fn deserialize<'de, D: Deserializer<'de>, T: DeserializeOwned, const N: usize>(
        deserializer: D,
    ) -> Result<[T; N], D::Error> {
        let rows = Vec::<T>::deserialize(deserializer)?;
        let count = rows.len();
        rows.try_into()
            .map_err(|_| D::Error::custom(format!("{count} rows where {N} belong")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Text;

    #[test]
    fn what_is_put_is_taken_and_nothing_else() {
        let mut saver = Saver::default();
        saver.put(&(7u8, -3i128, Text::<39>::cut(b"abc")));
        saver.rows([1u64, 1 << 60].iter());
        let bytes = saver.into_bytes();
        let mut saved = Saved::new(&bytes);
        assert_eq!(saved.take(), Some((7u8, -3i128, Text::<39>::cut(b"abc"))));
        let mut rows = Vec::new();
        saved.rows(2, |row: u64| rows.push(row)).expect("two rows");
        assert_eq!(rows, [1, 1 << 60]);
        assert!(saved.is_empty() && saved.take::<u64>().is_none());
        let mut saved = Saved::new(&bytes);
        assert_eq!(saved.take::<(u8, i128, Text<2>)>(), None, "too long");
        let mut saved = Saved::new(&bytes[bytes.len() - 11..]);
        assert_eq!(saved.rows(1, |_: u64| ()), None, "more than there may be");
    }
}
