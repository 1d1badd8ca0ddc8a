//! One line from a person, and nothing that could be mistaken for one.

use std::io::{self, BufRead, Write};

/// No answer is longer; whatever leans on the keyboard does not fill the memory.
const LONGEST: u64 = 1_000;

/// Asks, and reads what was typed, without blanks around it; none at the end of the input.
pub(crate) fn line(question: &str, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<Option<String>> {
    write!(output, "{question}")?;
    output.flush()?;
    let mut line = Vec::new();
    io::Read::take(&mut *input, LONGEST).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        // Nobody pressed enter: what follows must not stand behind the question, and half an answer is none.
        writeln!(output)?;
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()))
}

/// Asks until one of the words is typed; none when the person quits or the input ends.
pub(crate) fn choose<T: Copy>(
    question: &str,
    answers: &[(&str, T)],
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> io::Result<Option<T>> {
    while let Some(typed) = line(question, input, output)? {
        let typed = typed.to_lowercase();
        if matches!(typed.as_str(), "q" | "quit") {
            return Ok(None);
        }
        if let Some((_, answer)) = answers.iter().find(|(word, _)| *word == typed) {
            return Ok(Some(*answer));
        }
        let words: Vec<&str> = answers.iter().map(|(word, _)| *word).collect();
        writeln!(output, "please type one of: {}, q", words.join(", "))?;
    }
    Ok(None)
}
