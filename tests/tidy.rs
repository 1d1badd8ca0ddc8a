//! The house style, executed: a rule that no test runs is decoration.

use std::fs;

use crate::source::{Source, closing, files, is_word, root, sources};

/// Lines of a file, tests in a file of their own excepted.
const FILE_LINES: usize = 500;
/// Lines of a function, from its signature to its closing brace.
const FUNCTION_LINES: usize = 60;
/// Parameters of a function.
const PARAMETERS: usize = 5;

/// A function that ships: name, line, lines, parameters.
struct Function {
    name: String,
    line: usize,
    lines: usize,
    parameters: usize,
}

fn functions(source: &Source) -> Vec<Function> {
    let code = &source.shipped;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let stands_alone = code[..at].chars().next_back().is_none_or(|letter| !is_word(letter));
        let name: String = code[at + 3..].chars().take_while(|letter| is_word(*letter)).collect();
        if !stands_alone || name.is_empty() {
            continue;
        }
        let Some(parameters) = parameters(&code[at..]) else { continue };
        let body = code[at..].find(['{', ';']).map(|end| at + end).filter(|end| code[*end..].starts_with('{'));
        let Some(end) = body.and_then(|open| closing(code, open)) else { continue };
        let line = code[..at].lines().count();
        found.push(Function { name, line, lines: code[at..=end].lines().count(), parameters });
    }
    found
}

/// Parameters of a signature, the receiver not counted.
fn parameters(signature: &str) -> Option<usize> {
    let open = signature.find('(')?;
    let (mut depth, mut commas, mut some, mut receiver) = (0, 0, false, false);
    let mut word = String::new();
    for letter in signature[open..].chars() {
        match letter {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if !word.ends_with('-') => depth -= 1,
            ',' if depth == 1 => {
                commas += usize::from(some);
                some = false;
            }
            letter if depth == 1 && !letter.is_whitespace() => some = true,
            _ => {}
        }
        word.push(letter);
        receiver |= commas == 0 && word.ends_with("self");
        if depth == 0 {
            break;
        }
    }
    let all = commas + usize::from(some);
    Some(all.saturating_sub(usize::from(receiver)))
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let folders = ["src", "tests"].map(|folder| root().join(folder));
    for path in folders.iter().flat_map(|folder| files(folder, &["rs"])) {
        let text = fs::read_to_string(&path).expect("a file that can be read");
        assert!(text.starts_with("//! "), "{} does not begin with //!", path.display());
    }
}

#[test]
fn no_file_is_longer_than_can_be_held_in_mind() {
    for source in sources().iter().filter(|source| !source.path.ends_with("tests.rs")) {
        let lines = source.text.lines().count();
        assert!(lines <= FILE_LINES, "{} has {lines} lines", source.path);
    }
}

#[test]
fn no_function_is_longer_than_a_page_or_takes_too_much() {
    let mut bad = Vec::new();
    for source in sources() {
        for Function { name, line, lines, parameters } in functions(&source) {
            if lines > FUNCTION_LINES {
                bad.push(format!("{}:{line}: {name} has {lines} lines", source.path));
            }
            if parameters > PARAMETERS {
                bad.push(format!("{}:{line}: {name} takes {parameters} parameters", source.path));
            }
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn only_the_command_line_prints() {
    for source in sources().iter().filter(|source| !source.path.starts_with("src/cli/")) {
        for print in ["println!", "eprintln!", "print!", "eprint!"] {
            assert!(!source.shipped.contains(print), "{} prints by itself: {print}", source.path);
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    for source in sources() {
        for left in ["todo!", "unimplemented!", "dbg!"] {
            assert!(!source.code.contains(left), "{}: {left}", source.path);
        }
        for mark in [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()] {
            let alone = |(at, _): (usize, &str)| {
                let word = |letter: Option<char>| letter.is_some_and(is_word);
                !word(source.text[..at].chars().next_back()) && !word(source.text[at + mark.len()..].chars().next())
            };
            assert!(!source.text.match_indices(&mark).any(alone), "{}: {mark}", source.path);
        }
    }
}

#[test]
fn nothing_ships_that_panics_without_saying_why_it_cannot() {
    for source in sources() {
        assert!(!source.shipped.contains(".unwrap()"), "{}: unwrap() outside tests", source.path);
    }
}

#[test]
fn no_file_names_a_machine_of_ours() {
    let places = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/home", "/"],
        ["index.crates", ".io"],
        ["registry.npm", "js"],
        ["pypi", ".org"],
    ];
    let places = places.map(|halves| halves.concat());
    let folders = ["src", "tests", "fixtures", "man", ".ci"].map(|folder| root().join(folder));
    let mut all: Vec<_> = folders.iter().flat_map(|folder| files(folder, &[])).collect();
    all.extend(["README.md", "CHANGELOG.md", "Cargo.toml"].map(|name| root().join(name)));
    for path in all {
        // What is no text names nobody.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for place in &places {
            assert!(!text.contains(place), "{} names {place}", path.display());
        }
    }
}

#[test]
fn the_changelog_has_its_shape() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).expect("a changelog");
    let known = ["Archive format", "Breaking", "New", "Fixed"];
    let mut headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(headings.next(), Some("Unreleased"), "what is not released yet stands on top");
    for line in text.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(known.contains(&line), "the changelog has a heading {line}");
    }
    for line in text.lines().filter(|line| line.starts_with("- ")) {
        assert!(line.len() > 20, "says too little: {line}");
    }
    assert!(text.lines().all(|line| line.len() <= 120), "a line of the changelog is too long");
}

#[test]
fn functions_are_measured_with_their_parameters() {
    let code = "fn a(&self, b: Vec<(u8, u8)>, c: &mut dyn FnMut(u8, u8) -> u8) {\n\n}\nfn b();\nfn c() {}\n";
    let source = Source { path: String::new(), text: code.into(), code: code.into(), shipped: code.into() };
    let found: Vec<_> = functions(&source).iter().map(|one| (one.name.clone(), one.lines, one.parameters)).collect();
    assert_eq!(found, [("a".to_owned(), 3, 2), ("c".to_owned(), 1, 0)]);
}
