//! Text to tree: a lexer and one function for each level of the grammar.
//!
//! Written by hand, because the message is the point: each names the place of the
//! mistake and what would stand there.

use chrono::{DateTime, NaiveDate, Utc};

use super::NotAFilter;

/// How deep parentheses and `not` may go: an expression from a file must not exhaust the stack.
const DEEPEST: usize = 50;

/// Words that mean something where a field could stand.
const KEYWORDS: [&str; 5] = ["and", "or", "not", "in", "contains"];

/// What a record has to be.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Test(Test),
}

/// What one field of a record has to be.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// As it was typed.
    pub(super) field: String,
    /// Where it stands, in bytes.
    pub(super) at: usize,
    pub(super) wanted: Wanted,
}

#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// One of these.
    OneOf(Vec<Literal>),
    /// A text that holds this one.
    Contains(String),
    /// A number or a time on this side of that one.
    Beside(Side, Literal),
}

/// On which side of a number or a time a value lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Below,
    UpTo,
    From,
    Above,
}

/// A value as it was typed.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    Nothing,
    Truth(bool),
    Number(f64),
    Text(String),
    /// From the first moment to the one after the last: a day, or an instant.
    Time(DateTime<Utc>, DateTime<Utc>),
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
    End,
}

impl Token {
    fn told(&self) -> String {
        match self {
            Token::Word(word) => word.clone(),
            Token::Quoted(text) => format!("\"{text}\""),
            Token::Sign(sign) => (*sign).to_owned(),
            Token::End => "the end".to_owned(),
        }
    }

    fn is(&self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Expr, NotAFilter> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
    let root = parser.any()?;
    match parser.peek() {
        Token::End => Ok(root),
        other => Err(parser.expected("\"and\", \"or\" or the end", &other.told())),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Token {
        self.tokens[self.next].0.clone()
    }

    fn at(&self) -> usize {
        self.tokens[self.next].1
    }

    fn take(&mut self) -> (Token, usize) {
        let taken = self.tokens[self.next].clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        taken
    }

    /// Takes the next token if it is this keyword or sign.
    fn takes(&mut self, word: &str) -> bool {
        let next = self.peek();
        let found = next.is(word) || matches!(next, Token::Sign(sign) if sign == word);
        if found {
            self.take();
        }
        found
    }

    fn error(&self, at: usize, what: impl Into<String>) -> NotAFilter {
        NotAFilter::new(self.text, at, what)
    }

    fn expected(&self, what: &str, found: &str) -> NotAFilter {
        self.error(self.at(), format!("{what} was expected, not {found}"))
    }

    fn any(&mut self) -> Result<Expr, NotAFilter> {
        let mut parts = vec![self.all()?];
        while self.takes("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn all(&mut self) -> Result<Expr, NotAFilter> {
        let mut parts = vec![self.part()?];
        while self.takes("and") {
            parts.push(self.part()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn part(&mut self) -> Result<Expr, NotAFilter> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(self.at(), format!("nested deeper than {DEEPEST} levels")));
        }
        let part = if self.takes("not") {
            Expr::Not(Box::new(self.part()?))
        } else if self.takes("(") {
            let inner = self.any()?;
            if !self.takes(")") {
                return Err(self.expected("\")\"", &self.peek().told()));
            }
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(part)
    }

    fn test(&mut self) -> Result<Expr, NotAFilter> {
        let field = match self.peek() {
            Token::Word(word) if !KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) => word,
            Token::Quoted(text) => text,
            other => return Err(self.expected("the name of a field", &other.told())),
        };
        let (_, at) = self.take();
        let not = self.takes("not");
        let (denied, wanted) = self.wanted(&field)?;
        let test = Expr::Test(Test { field, at, wanted });
        Ok(if not != denied { Expr::Not(Box::new(test)) } else { test })
    }

    /// What stands after a field, and whether the sign denies it.
    fn wanted(&mut self, field: &str) -> Result<(bool, Wanted), NotAFilter> {
        if self.takes("contains") {
            return match self.take() {
                (Token::Quoted(text), _) => Ok((false, Wanted::Contains(text))),
                (other, at) => Err(self.error(at, format!("a text in quotes was expected, not {}", other.told()))),
            };
        }
        if self.takes("in") {
            return Ok((false, Wanted::OneOf(self.list()?)));
        }
        let sign = match self.peek() {
            Token::Sign(sign) if !matches!(sign, "(" | ")" | ",") => sign,
            Token::Word(other) if !KEYWORDS.contains(&other.as_str()) => {
                let both = format!("{field} {other}");
                let what = format!(
                    "a sign such as = was expected after {field}; a name of several words is written in quotes: \"{both} …\""
                );
                return Err(self.error(self.at(), what));
            }
            other => return Err(self.expected("one of = != < <= > >= in contains", &other.told())),
        };
        self.take();
        let at = self.at();
        let literal = self.literal()?;
        if matches!(sign, "=" | "!=") {
            return Ok((sign == "!=", Wanted::OneOf(vec![literal])));
        }
        if !matches!(literal, Literal::Number(_) | Literal::Time(..)) {
            return Err(self.error(at, format!("{sign} compares numbers and dates")));
        }
        let side = match sign {
            "<" => Side::Below,
            "<=" => Side::UpTo,
            ">=" => Side::From,
            _ => Side::Above,
        };
        Ok((false, Wanted::Beside(side, literal)))
    }

    fn list(&mut self) -> Result<Vec<Literal>, NotAFilter> {
        if !self.takes("(") {
            return Err(self.expected("\"(\"", &self.peek().told()));
        }
        let mut values = vec![self.literal()?];
        while self.takes(",") {
            values.push(self.literal()?);
        }
        match self.takes(")") {
            true => Ok(values),
            false => Err(self.expected("\",\" or \")\"", &self.peek().told())),
        }
    }

    fn literal(&mut self) -> Result<Literal, NotAFilter> {
        match self.take() {
            (Token::Quoted(text), _) => Ok(Literal::Text(text)),
            (Token::Word(word), at) => plain(&word).ok_or_else(|| {
                self.error(at, format!("a value was expected, not {word}; texts are written in quotes: \"{word}\""))
            }),
            (other, at) => Err(self.error(at, format!("a value was expected, not {}", other.told()))),
        }
    }
}

/// A value without quotes: null, true, false, a number, a day or a moment.
fn plain(word: &str) -> Option<Literal> {
    match word.to_ascii_lowercase().as_str() {
        "null" => return Some(Literal::Nothing),
        "true" => return Some(Literal::Truth(true)),
        "false" => return Some(Literal::Truth(false)),
        _ => {}
    }
    let is_number = word.starts_with(|first: char| first.is_ascii_digit() || first == '-' || first == '.');
    if let Some(number) = word.parse::<f64>().ok().filter(|number| is_number && number.is_finite()) {
        return Some(Literal::Number(number));
    }
    time(word).map(|(from, to)| Literal::Time(from, to))
}

/// A day or a moment, as it is typed or as the service writes it; from the first moment to the one after the last.
pub(super) fn time(text: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        let midnight = |day: NaiveDate| Some(day.and_hms_opt(0, 0, 0)?.and_utc());
        return Some((midnight(day)?, midnight(day.succ_opt()?)?));
    }
    let bare = || text.replacen(' ', "T", 1).trim_end_matches('Z').parse::<chrono::NaiveDateTime>().ok();
    let moment = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc()).ok();
    let moment = moment.or_else(|| bare().map(|moment| moment.and_utc()))?;
    Some((moment, moment + chrono::Duration::seconds(1)))
}

/// The words of an expression, each with its place.
fn tokens(text: &str) -> Result<Vec<(Token, usize)>, NotAFilter> {
    const SIGNS: [&str; 10] = ["!=", "<=", ">=", "<>", "=", "<", ">", "(", ")", ","];
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        if letter.is_whitespace() {
            at += letter.len_utf8();
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push((Token::Sign(if *sign == "<>" { "!=" } else { sign }), at));
            at += sign.len();
        } else if letter == '"' || letter == '\'' {
            let (quoted, length) = quoted(text, at, letter)?;
            found.push((Token::Quoted(quoted), at));
            at += length;
        } else {
            let ends = |letter: char| letter.is_whitespace() || "!<>=(),\"'".contains(letter);
            let length = rest.find(ends).unwrap_or(rest.len());
            if length == 0 {
                return Err(NotAFilter::new(text, at, format!("{letter} means nothing here")));
            }
            found.push((Token::Word(rest[..length].to_owned()), at));
            at += length;
        }
    }
    found.push((Token::End, text.len()));
    Ok(found)
}

/// A text in quotes, and how many bytes it takes; a backslash stands before a quote or a backslash of its own.
fn quoted(text: &str, at: usize, quote: char) -> Result<(String, usize), NotAFilter> {
    let mut inner = String::new();
    let mut letters = text[at + 1..].char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '\\' => inner.extend(letters.next().map(|(_, letter)| letter)),
            letter if letter == quote => return Ok((inner, place + 2)),
            letter => inner.push(letter),
        }
    }
    Err(NotAFilter::new(text, at, "the quote is not closed"))
}
