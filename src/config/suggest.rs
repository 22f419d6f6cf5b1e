//! The nearest known word, for misspelt keys, columns and names. Cold code.
//!
//! A suggestion is made only where it is close enough to be meant.

/// The candidate that is nearest to `word`, where it is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None; // no misspelling, and the distance costs the product of the lengths
    }
    let allowed = match word.chars().count() {
        0..4 => 1,
        chars => (chars / 3).max(2), // two letters in the wrong order are a distance of two
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance (insert, delete, change), one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + (from != *to) as usize;
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let words = ["ring_slots", "layout", "idle"];
        assert_eq!(nearest("ring_slot", words), Some("ring_slots"));
        assert_eq!(nearest("Layout", words), Some("layout"));
        assert_eq!(nearest("elephant", words), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
