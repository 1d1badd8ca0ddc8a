//! The sources as the rules of architecture and tidiness see them: without comments, texts and tests.
//!
//! A small scanner instead of a parser: it only has to know where comments,
//! literals and braces are, and it must read every file in a blink.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One file of `src/`.
pub(crate) struct Source {
    /// Its path from the package's folder, with slashes: `src/cli/mod.rs`.
    pub(crate) path: String,
    /// The text as it is.
    pub(crate) text: String,
    /// The text with comments and the insides of literals blanked; lines and columns as before.
    pub(crate) code: String,
    /// Like `code`, with the test modules blanked too; empty for a file that is compiled for tests only.
    pub(crate) shipped: String,
}

impl Source {
    /// The file's top-level module; the files beside it have none.
    pub(crate) fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?;
        let module = module.strip_suffix(".rs").unwrap_or(module);
        (!["lib", "main"].contains(&module)).then_some(module)
    }
}

/// Every Rust file of `src/`, in the order of their paths.
pub(crate) fn sources() -> Vec<Source> {
    let mut sources: Vec<Source> = files(&root().join("src"), &["rs"]).iter().map(|path| read(path)).collect();
    let for_tests: Vec<String> = sources.iter().flat_map(test_files).collect();
    for source in &mut sources {
        let only = for_tests
            .iter()
            .any(|path| source.path == format!("{path}.rs") || source.path.starts_with(&format!("{path}/")));
        if only {
            source.shipped = String::new();
        }
    }
    sources
}

/// Every file below a folder with one of the extensions (all files for none), in the order of their paths.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder that can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "node_modules" {
            found.extend(files(&path, extensions));
        } else if path.is_file()
            && (extensions.is_empty() || extensions.iter().any(|end| name.ends_with(&format!(".{end}"))))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let code = blank(&text);
    let shipped = without_tests(&code);
    let path = path.strip_prefix(root()).expect("a path below the package's folder");
    Source { path: path.to_string_lossy().replace('\\', "/"), text, code, shipped }
}

/// Files (without `.rs`) that `#[cfg(test)] mod name;` of this file means.
fn test_files(source: &Source) -> Vec<String> {
    let base = source.path.trim_end_matches(".rs");
    let folder = base.strip_suffix("/mod").or(base.strip_suffix("/lib")).unwrap_or(base);
    let mut files = Vec::new();
    for (at, _) in source.code.match_indices("#[cfg(test)]") {
        let rest = source.code[at + "#[cfg(test)]".len()..].trim_start();
        let rest = rest.strip_prefix("pub(crate) ").or(rest.strip_prefix("pub(super) ")).unwrap_or(rest);
        let Some(name) = rest.strip_prefix("mod ") else { continue };
        let end = name.find(|letter: char| !is_word(letter)).unwrap_or(name.len());
        if name[end..].trim_start().starts_with(';') {
            files.push(format!("{folder}/{}", &name[..end]));
        }
    }
    files
}

/// Blanks `#[cfg(test)]` items.
fn without_tests(code: &str) -> String {
    let mut shipped = code.as_bytes().to_vec();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let ends_early = code[at..].find(';').map(|end| at + end);
        let opens = code[at..].find('{').map(|open| at + open);
        let end = match (opens, ends_early) {
            (Some(open), early) if early.is_none_or(|early| open < early) => closing(code, open),
            (_, early) => early,
        };
        for byte in &mut shipped[at..=end.unwrap_or(code.len() - 1)] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(shipped).expect("blanks instead of whole letters")
}

/// Where the brace that opens at `open` is closed.
pub(crate) fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

pub(crate) fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Blanks comments and the insides of literals, byte for byte.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (from, end) = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => (at, line_end(bytes, at)),
            b'/' if bytes[at..].starts_with(b"/*") => (at, comment_end(bytes, at)),
            b'"' => (at + 1, text_end(bytes, at + 1)),
            b'r' if raw_hashes(bytes, at).is_some() => raw_text(bytes, at),
            b'\'' => letter(text, at),
            _ => (at, at),
        };
        for byte in &mut out[from..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at) + 1;
    }
    String::from_utf8(out).expect("blanks instead of whole letters")
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end)
}

fn comment_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut here) = (0, at);
    while here < bytes.len() {
        if bytes[here..].starts_with(b"/*") {
            depth += 1;
            here += 1;
        } else if bytes[here..].starts_with(b"*/") {
            depth -= 1;
            here += 1;
        }
        here += 1;
        if depth == 0 {
            break;
        }
    }
    here
}

/// Where a text literal that begins at `at` has its closing quote.
fn text_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// How many `#` a raw text literal has that begins here, if one does.
fn raw_hashes(bytes: &[u8], at: usize) -> Option<usize> {
    let prefixed = at > 0 && bytes[at - 1] != b'b' && is_word(char::from(bytes[at - 1]));
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    (!prefixed && bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn raw_text(bytes: &[u8], at: usize) -> (usize, usize) {
    let hashes = raw_hashes(bytes, at).expect("asked before");
    let from = at + 2 + hashes;
    let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let length = bytes[from..].windows(end.len()).position(|window| window == end);
    (from, length.map_or(bytes.len(), |length| from + length + hashes))
}

/// A letter literal; a lifetime is left as it is.
fn letter(text: &str, at: usize) -> (usize, usize) {
    let rest = &text[at + 1..];
    if let Some(escaped) = rest.strip_prefix('\\') {
        let end = escaped.char_indices().skip(1).find(|(_, letter)| *letter == '\'').map_or(0, |(end, _)| end);
        return (at + 1, at + 2 + end);
    }
    match rest.char_indices().nth(1) {
        Some((end, '\'')) => (at + 1, at + 1 + end),
        _ => (at, at),
    }
}

#[test]
fn comments_texts_and_letters_are_blanked_and_nothing_else() {
    let code = blank("a(\"x\\\"{\", 'c', '\\'', '{') // } \n/* { /* */ } */ let r = r#\"{\"#; fn f<'a>() {}");
    assert!(code.contains("let r = r#\"") && code.contains("fn f<'a>() {}"), "{code}");
    assert_eq!(code.matches('{').count(), 1, "{code}");
    assert_eq!(code.lines().count(), 2);
}

#[test]
fn test_modules_are_not_shipped() {
    let shipped = without_tests(
        "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}",
    );
    assert!(shipped.contains("fn a") && shipped.contains("fn c") && shipped.contains("fn d"), "{shipped}");
    assert!(!shipped.contains("fn b") && !shipped.contains("more"), "{shipped}");
}
