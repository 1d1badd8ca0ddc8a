//! Markdown to roff, for the part of Markdown that our own pages use.
//!
//! Headings, paragraphs, lists, tables, fenced and indented code, `code`, **bold**
//! and *emphasis*. Own code, because the input is ours and the output must be the
//! same on every machine: a page is compared byte by byte.

/// What makes a line one of code where no other block goes on.
const INDENT: &str = "    ";

/// A whole page.
pub(super) fn page(name: &str, section: u8, about: &str, markdown: &str) -> String {
    let head = format!(".TH {} {section}\n.SH NAME\n{} \\- {}\n", name.to_uppercase(), escape(name), escape(about));
    head + &sections(markdown)
}

/// The body of a page.
pub(super) fn sections(markdown: &str) -> String {
    let mut page = Page::default();
    for line in markdown.lines() {
        page.line(line);
    }
    page.end_block();
    page.out
}

/// What the lines before were.
#[derive(Default, PartialEq, Eq)]
enum Block {
    #[default]
    None,
    Paragraph,
    Item,
    Code,
    IndentedCode,
    Table,
}

#[derive(Default)]
struct Page {
    out: String,
    block: Block,
    /// Words of a paragraph or item that goes on.
    words: String,
    rows: Vec<Vec<String>>,
}

impl Page {
    fn line(&mut self, line: &str) {
        let trimmed = line.trim_start();
        let indented = line.strip_prefix(INDENT);
        if self.block == Block::IndentedCode && indented.is_none() {
            self.end_block();
        }
        if trimmed.starts_with("```") {
            let opens = self.block != Block::Code;
            self.end_block();
            if opens {
                self.begin_code(Block::Code);
            }
        } else if self.block == Block::Code {
            self.verbatim(line);
        } else if let (Some(code), Block::None | Block::IndentedCode, false) =
            (indented, &self.block, trimmed.is_empty())
        {
            if self.block == Block::None {
                self.begin_code(Block::IndentedCode);
            }
            self.verbatim(code);
        } else if trimmed.is_empty() {
            self.end_block();
        } else if let Some(heading) = heading(trimmed) {
            self.end_block();
            self.out.push_str(&heading);
        } else if trimmed.starts_with('|') {
            self.row(trimmed);
        } else if let Some(item) = item(trimmed) {
            self.end_block();
            self.block = Block::Item;
            self.words = item.to_owned();
        } else {
            if self.block == Block::None {
                self.block = Block::Paragraph;
            }
            if !self.words.is_empty() {
                self.words.push(' ');
            }
            self.words.push_str(trimmed);
        }
    }

    fn begin_code(&mut self, block: Block) {
        self.out.push_str(".PP\n.RS 4\n.nf\n");
        self.block = block;
    }

    /// A line that somebody may copy into a shell: no quote may turn into a finer one.
    fn verbatim(&mut self, line: &str) {
        let plain = [('\'', "\\(aq"), ('`', "\\(ga"), ('^', "\\(ha"), ('~', "\\(ti")];
        let text = plain.iter().fold(escape(line), |text, (letter, name)| text.replace(*letter, name));
        self.out.push_str(&guard(&text));
        self.out.push('\n');
    }

    fn row(&mut self, line: &str) {
        if self.block != Block::Table {
            self.end_block();
            self.block = Block::Table;
        }
        let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let ruler = cells.iter().all(|cell| cell.chars().all(|letter| "-: ".contains(letter)) && !cell.is_empty());
        if !ruler {
            self.rows.push(cells);
        }
    }

    fn end_block(&mut self) {
        let words = std::mem::take(&mut self.words);
        match std::mem::take(&mut self.block) {
            Block::None => {}
            Block::Paragraph => self.out.push_str(&format!(".PP\n{}\n", guard(&inline(&words)))),
            Block::Item => self.out.push_str(&format!(".IP \\(bu 3\n{}\n", guard(&inline(&words)))),
            Block::Code | Block::IndentedCode => self.out.push_str(".fi\n.RE\n"),
            Block::Table => self.table(),
        }
    }

    /// The first cell of a row as a term, the others behind it: tables of a manual are lists of terms.
    fn table(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let Some((header, rows)) = rows.split_first() else { return };
        for row in rows {
            let Some((term, cells)) = row.split_first() else { continue };
            self.out.push_str(&format!(".TP\n{}\n", guard(&format!("\\fB{}\\fR", plain(term)))));
            let several = cells.len() > 1;
            let told = cells.iter().zip(header.iter().skip(1)).filter(|(cell, _)| !cell.is_empty());
            let told = told.map(|(cell, name)| match several && !name.is_empty() {
                true => format!("{}: {}", escape(name), inline(cell)),
                false => inline(cell),
            });
            self.out.push_str(&guard(&told.collect::<Vec<_>>().join("; ")));
            self.out.push('\n');
        }
    }
}

fn heading(line: &str) -> Option<String> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let text = line.get(level..)?.strip_prefix(' ')?;
    match level {
        1 => Some(format!(".SH {}\n", plain(text).to_uppercase())),
        2 | 3 => Some(format!(".SS {}\n", plain(text))),
        _ => None,
    }
}

fn item(line: &str) -> Option<&str> {
    let numbered = || {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then(|| line.get(digits..)?.strip_prefix(". ")).flatten()
    };
    line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")).or_else(numbered)
}

/// Text with its marks of Markdown taken away.
fn plain(text: &str) -> String {
    escape(&text.replace(['`', '*'], ""))
}

/// Text with `code` and **bold** in bold, *emphasis* in italics.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*']) {
        out.push_str(&escape(&rest[..at]));
        let mark = ["**", "`", "*"].into_iter().find(|mark| rest[at..].starts_with(mark)).unwrap_or("*");
        let inside = &rest[at + mark.len()..];
        match inside.find(mark).filter(|end| *end > 0) {
            Some(end) => {
                let font = if mark == "*" { "\\fI" } else { "\\fB" };
                out.push_str(&format!("{font}{}\\fR", escape(&inside[..end])));
                rest = &inside[end + mark.len()..];
            }
            None => {
                out.push_str(&escape(mark));
                rest = inside;
            }
        }
    }
    out + &escape(rest)
}

/// What roff would take for its own. Letters beyond ASCII stay: every man reads UTF-8 today.
fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// A line of text that begins like a request is no request.
fn guard(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{page, sections};

    #[test]
    fn a_page_has_a_title_and_a_name() {
        assert!(page("a-b", 7, "c", "").starts_with(".TH A-B 7\n.SH NAME\na\\-b \\- c\n"));
    }

    #[test]
    fn headings_paragraphs_and_items_become_requests() {
        let roff = sections("# One\n\nTwo\nlines.\n\n## Three\n- an `item`\n  of two lines\n1. **next**\n");
        let expected = ".SH ONE\n.PP\nTwo lines.\n.SS Three\n.IP \\(bu 3\nan \\fBitem\\fR of two lines\n.IP \\(bu 3\n\\fBnext\\fR\n";
        assert_eq!(roff, expected);
    }

    #[test]
    fn code_is_kept_as_it_is() {
        let expected = ".PP\n.RS 4\n.nf\n\\&.dot\na \\-b \\ec\n.fi\n.RE\n";
        assert_eq!(sections("```\n.dot\na -b \\c\n```\n"), expected);
    }

    #[test]
    fn indented_lines_are_one_block_that_a_shell_takes() {
        let expected = ".PP\n.RS 4\n.nf\nfor a; do\n  echo \\(aq\\(ga\\(ha\\(ti\\(aq\ndone\n.fi\n.RE\n.PP\nAfter.\n";
        assert_eq!(sections("    for a; do\n      echo '`^~'\n    done\n\nAfter.\n"), expected);
        assert_eq!(sections("    for a; do\n      echo '`^~'\n    done\nAfter.\n"), expected);
    }

    #[test]
    fn a_table_becomes_a_list_of_terms() {
        assert_eq!(sections("| name | means |\n|---|---|\n| `a` | first |\n"), ".TP\n\\fBa\\fR\nfirst\n");
    }

    #[test]
    fn a_single_star_is_a_star() {
        assert_eq!(sections("2 * 3"), ".PP\n2 * 3\n");
    }
}
