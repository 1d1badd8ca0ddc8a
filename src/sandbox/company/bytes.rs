//! Contents of files, made again whenever they are downloaded.
//!
//! An account of a million records would hold hundreds of megabytes of attachments; a seed and a size cost nothing. The bytes carry
//! the signature of their type and a mixture of text and noise, so that compressors and readers meet something like the real thing.

use bytes::Bytes;

use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::texts;

/// The contents that belong to (seed, size, mime): always the same bytes, exactly `size` of them.
pub fn made_bytes(seed: u64, size: u64, mime: &str) -> Bytes {
    let mut dice = Dice::of(seed, mime, size);
    let wanted = usize::try_from(size).unwrap_or(usize::MAX);
    let mut made = Vec::with_capacity(wanted.saturating_add(512));
    made.extend_from_slice(head(mime));
    let tail = tail(mime);
    let body = wanted.saturating_sub(tail.len());
    while made.len() < body {
        grow(&mut made, mime, &mut dice);
    }
    made.truncate(body);
    made.extend_from_slice(tail);
    made.truncate(wanted);
    Bytes::from(made)
}

fn head(mime: &str) -> &'static [u8] {
    match mime {
        "application/pdf" => b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n",
        "image/png" => b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0",
        "image/jpeg" => b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0",
        "text/csv" => b"\xef\xbb\xbfdate;name;amount;comment\r\n",
        _ => b"",
    }
}

fn tail(mime: &str) -> &'static [u8] {
    match mime {
        "application/pdf" => b"\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n",
        "image/png" => b"\0\0\0\0IEND\xaeB`\x82",
        "image/jpeg" => b"\xff\xd9",
        _ => b"",
    }
}

/// Adds the next piece: noise for pictures, half noise for PDF, text for the rest.
fn grow(made: &mut Vec<u8>, mime: &str, dice: &mut Dice) {
    match mime {
        "image/png" | "image/jpeg" => noise(made, dice, 32),
        "application/pdf" => {
            made.extend_from_slice(b"<< /Length 256 /Filter /FlateDecode >>\nstream\n");
            noise(made, dice, 32);
            made.extend_from_slice(b"\nendstream\nendobj\n");
        }
        "text/csv" => {
            let (given, family) = texts::person(dice);
            let (day, month, amount) = (dice.between(1, 28), dice.between(1, 12), dice.below(1_000_000));
            let comment = texts::sentence(dice).replace('"', "\"\"");
            let line = format!(
                "2024-{month:02}-{day:02};{given} {family};{},{:02};\"{comment}\"\r\n",
                amount / 100,
                amount % 100
            );
            made.extend_from_slice(line.as_bytes());
        }
        _ => {
            made.extend_from_slice(texts::lines(dice, 4).as_bytes());
            made.push(b'\n');
        }
    }
}

fn noise(made: &mut Vec<u8>, dice: &mut Dice, words: usize) {
    for _ in 0..words {
        made.extend_from_slice(&dice.next().to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::made_bytes;

    #[test]
    fn contents_have_their_size_and_are_the_same_each_time() {
        for mime in ["application/pdf", "image/png", "image/jpeg", "text/csv", "text/plain"] {
            for size in [0, 1, 20, 1000, 70_001] {
                let made = made_bytes(5, size, mime);
                assert_eq!(made.len() as u64, size);
                assert_eq!(made, made_bytes(5, size, mime));
            }
        }
        assert!(made_bytes(5, 5000, "application/pdf").starts_with(b"%PDF-1.4"));
        assert!(made_bytes(5, 5000, "image/png").ends_with(b"IEND\xaeB`\x82"));
        assert_ne!(made_bytes(5, 5000, "text/plain"), made_bytes(6, 5000, "text/plain"));
    }
}
