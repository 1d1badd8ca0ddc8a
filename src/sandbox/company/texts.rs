//! Words put together: names, titles, addresses, notes.

use serde_json::{Map, Value, json};

use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::words;

/// A person's given and family name.
pub(super) fn person(dice: &mut Dice) -> (&'static str, &'static str) {
    let (given, family) = dice.pick(words::PEOPLE);
    let (given, family): (&&str, &&str) = (dice.pick(given), dice.pick(family));
    (given, family)
}

/// A company's name.
pub(super) fn firm(dice: &mut Dice) -> String {
    let (first, second, form) =
        (dice.pick(words::FIRM_FIRST), dice.pick(words::FIRM_SECOND), dice.pick(words::FIRM_FORM));
    let mut name = String::with_capacity(48);
    name.push_str(first);
    name.push(' ');
    name.push_str(second);
    if !form.is_empty() {
        name.push(' ');
        name.push_str(form);
    }
    name
}

/// A name of goods; the index keeps names apart, as people do with article numbers.
pub(super) fn goods(dice: &mut Dice, index: u64) -> String {
    let (first, second) = (dice.pick(words::GOODS.0), dice.pick(words::GOODS.1));
    if dice.chance(400) { format!("{first} {second}") } else { format!("{first} {second} {}", 100 + index) }
}

/// A sentence without line breaks.
pub(super) fn sentence(dice: &mut Dice) -> String {
    let mut text = String::with_capacity(96);
    push_sentence(&mut text, dice);
    text
}

fn push_sentence(text: &mut String, dice: &mut Dice) {
    let sentence = dice.pick(words::SENTENCES);
    let Some((before, rest)) = sentence.split_once('{') else {
        text.push_str(sentence);
        return;
    };
    let (gap, after) = rest.split_once('}').expect("the vocabulary closes what it opens");
    text.push_str(before);
    match gap {
        "f" => text.push_str(&firm(dice)),
        "s" => text.push_str(&format!("{} EUR", dice.between(2, 900) * 100)),
        "d" => text.push_str(&format!("{}.{}.", dice.between(1, 28), dice.between(1, 12))),
        _ => {
            let (given, family) = person(dice);
            text.push_str(given);
            text.push(' ');
            text.push_str(family);
        }
    }
    text.push_str(after);
}

/// `sentences` sentences with a line break now and then, as in a large text field.
pub(super) fn lines(dice: &mut Dice, sentences: u64) -> String {
    let mut text = String::with_capacity(80 * sentences as usize);
    for number in 0..sentences {
        if number > 0 {
            text.push_str(if dice.chance(300) { "\n" } else { " " });
        }
        push_sentence(&mut text, dice);
    }
    text
}

/// A note as the service keeps it: its sanitiser would not change a letter of it.
pub(super) fn note(dice: &mut Dice) -> String {
    // Most notes are a line, a few are minutes of a meeting, one in a hundred is a pasted document.
    let paragraphs = match dice.below(100) {
        0 => dice.between(20, 60),
        1..=25 => dice.between(3, 8),
        _ => dice.between(1, 2),
    };
    let mut html = String::with_capacity(200 * paragraphs as usize);
    for _ in 0..paragraphs {
        push_paragraph(&mut html, dice);
    }
    html
}

fn push_paragraph(html: &mut String, dice: &mut Dice) {
    let plain = |html: &mut String, dice: &mut Dice| {
        let text = sentence(dice);
        push_escaped(html, &text);
    };
    match dice.below(10) {
        0 => {
            html.push_str("<ul>");
            for _ in 0..dice.between(2, 4) {
                html.push_str("<li>");
                plain(html, dice);
                html.push_str("</li>");
            }
            html.push_str("</ul>");
        }
        1 => {
            html.push_str("<p>");
            plain(html, dice);
            html.push_str("<br>");
            plain(html, dice);
            html.push_str("</p>");
        }
        2 => {
            html.push_str("<p><b>");
            plain(html, dice);
            html.push_str("</b> ");
            plain(html, dice);
            html.push_str("</p>");
        }
        3 => {
            let number = dice.between(1, 99_999);
            html.push_str(&format!(
                "<p><a href=\"https://files.example/{number}?v=1&amp;lang=de\" rel=\"noopener noreferrer\">"
            ));
            plain(html, dice);
            html.push_str("</a></p>");
        }
        _ => {
            html.push_str("<p>");
            for number in 0..dice.between(1, 3) {
                if number > 0 {
                    html.push(' ');
                }
                plain(html, dice);
            }
            html.push_str("</p>");
        }
    }
}

fn push_escaped(html: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            other => html.push(other),
        }
    }
}

/// Lower-case ASCII letters of a name, for mail and web addresses.
pub(super) fn ascii(name: &str) -> String {
    let text: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    if text.is_empty() { "info".to_owned() } else { text }
}

/// A telephone number of a place.
pub(super) fn phone(dice: &mut Dice) -> String {
    let dial = dice.pick(words::PLACES).dial;
    format!("+{dial} {} {:07}", dice.between(10, 999), dice.below(10_000_000))
}

/// An address with all its parts, as v2 shows it; `with_formatted` adds the part that only custom fields have.
pub(super) fn address(dice: &mut Dice, with_formatted: bool) -> Map<String, Value> {
    let place = dice.pick(words::PLACES);
    let house = dice.between(1, 240).to_string();
    let postal_code = dice.between(10_000, 99_999).to_string();
    let whole = format!("{} {house}, {postal_code} {}, {}", place.street, place.town, place.country);
    let flat = dice.chance(150).then(|| format!("Apt {}", dice.between(1, 60)));
    let mut parts = Map::new();
    let mut set = |key: &str, value: Value| parts.insert(key.to_owned(), value);
    set("street_number", house.into());
    set("route", place.street.into());
    set("subpremise", flat.into());
    set("sublocality", Value::Null);
    set("locality", place.town.into());
    set("admin_area_level_1", place.region.into());
    set("admin_area_level_2", Value::Null);
    set("country", place.country.into());
    set("postal_code", postal_code.into());
    if with_formatted {
        set("formatted_address", whole.as_str().into());
    }
    set("value", whole.into());
    parts
}

/// Mail addresses or telephone numbers as v2 shows them: the first is the primary one.
pub(super) fn contacts(values: Vec<(String, &'static str)>) -> Value {
    let rows = values.into_iter().enumerate();
    rows.map(|(place, (value, label))| json!({"value": value, "primary": place == 0, "label": label})).collect()
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_sanitiser_of_the_service_would_leave_notes_alone() {
        for index in 0..500 {
            let note = super::note(&mut Dice::of(3, "note", index));
            assert_eq!(ammonia::clean(&note), note);
        }
    }
}
