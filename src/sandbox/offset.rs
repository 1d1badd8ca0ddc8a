//! v1 lists: offset paging and `sort`.

use serde_json::{Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, Outcome, offset_page, refusal};
use crate::sandbox::call::Call;
use crate::sandbox::row::Id;
use crate::sandbox::store::{Row, Table};

/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    start: usize,
    limit: usize,
}

impl Window {
    /// Reads `start` and `limit`. v1 cuts a limit that is too large: nothing says that it refuses one.
    pub(super) fn read(call: &Call<'_>, largest: usize) -> Result<Self, Answer> {
        let start = call.asked_number("start")?.unwrap_or(0) as usize;
        let limit = call.asked_number("limit")?.unwrap_or(100) as usize;
        Ok(Self { start, limit: limit.clamp(1, largest) })
    }

    /// The first row after the window.
    pub(super) fn end(&self) -> usize {
        self.start + self.limit
    }

    /// The rows in the window.
    pub(super) fn of<'a, T>(&self, rows: &'a [T]) -> &'a [T] {
        let from = self.start.min(rows.len());
        &rows[from..(from + self.limit).min(rows.len())]
    }

    /// The pagination of the answer.
    pub(super) fn pagination(&self, account: &Account, total: usize) -> Value {
        let next = self.start + self.limit;
        let more = next < total;
        let mut pagination = json!({"start": self.start, "limit": self.limit, "more_items_in_collection": more});
        if more {
            pagination["next_start"] = json!(next);
        } else if account.assume.is("last-page", "odd") {
            // api/wire.md: a third party saw this on the last page.
            pagination["more_items_in_collection"] = json!(true);
            pagination["next_start"] = Value::Null;
        }
        pagination
    }
}

/// A page of rows that pass, in the order asked for, each written by `write`.
pub(super) fn page(
    account: &Account,
    call: &Call<'_>,
    kind: &'static str,
    list: &List<'_>,
    write: &dyn Fn(&mut String, &Id, &Row),
) -> Outcome {
    let (rows, pagination) = rows(account, call, kind, list, write)?;
    offset_page(&rows, Some(pagination), None)
}

/// The rows of such a page as text, and its pagination.
pub(super) fn rows(
    account: &Account,
    call: &Call<'_>,
    kind: &'static str,
    list: &List<'_>,
    write: &dyn Fn(&mut String, &Id, &Row),
) -> Result<(String, Value), Answer> {
    let window = Window::read(call, list.largest)?;
    let table = account.store.table(kind);
    let order = Order::read(call.asked("sort").unwrap_or(list.sort), list.sortable)?;
    let kept = order.walk(table).filter(|(id, row)| (list.keep)(id, row)).skip(window.start);
    // One more than asked tells whether there is a next page, so that a long list is never walked to its end.
    let found: Vec<(&Id, &Row)> = kept.take(window.limit + 1).collect();
    let mut text = String::with_capacity(found.len() * 1024);
    for (at, (id, row)) in found.iter().take(window.limit).enumerate() {
        if at > 0 {
            text.push(',');
        }
        write(&mut text, id, row);
    }
    Ok((text, window.pagination(account, window.start + found.len())))
}

/// What a v1 list holds and in which order.
pub(super) struct List<'a> {
    pub(super) largest: usize,
    /// The order when none is asked for.
    pub(super) sort: &'a str,
    /// Members that may be sorted by; empty means every member.
    pub(super) sortable: &'a [&'a str],
    pub(super) keep: &'a dyn Fn(&Id, &Row) -> bool,
}

struct Order(Vec<(String, bool)>);

impl Order {
    /// Reads `field ASC, field2 DESC`; a bare field means ASC.
    fn read(text: &str, sortable: &[&str]) -> Result<Self, Answer> {
        let one = |part: &str| {
            let mut words = part.split_whitespace();
            let member = words.next().unwrap_or_default().to_owned();
            let down = words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc"));
            if !sortable.is_empty() && !sortable.contains(&member.as_str()) {
                return Err(refusal(400, format!("Sorting by {member} is not supported.")));
            }
            Ok((member, down))
        };
        text.split(',').filter(|part| !part.trim().is_empty()).map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Every row of the table, in order. The orders that an index holds are walked, others are sorted.
    fn walk<'a>(&self, table: &'a Table) -> Box<dyn Iterator<Item = (&'a Id, &'a Row)> + 'a> {
        let with_row = |(_, id): &'a (i64, Id)| (id, &table.rows[id]);
        match self.0.as_slice() {
            [] => Box::new(table.rows.iter()),
            [(member, false)] if member == "id" => Box::new(table.rows.iter()),
            [(member, true)] if member == "id" => Box::new(table.rows.iter().rev()),
            [(member, false)] if member == "update_time" => Box::new(table.updates.iter().map(with_row)),
            [(member, true)] if member == "update_time" => Box::new(table.updates.iter().rev().map(with_row)),
            [(member, false)] if member == "add_time" && !table.births.is_empty() => {
                Box::new(table.births.iter().map(with_row))
            }
            _ => Box::new(self.sorted(table.rows.iter().collect()).into_iter()),
        }
    }

    fn sorted<'a>(&self, rows: Vec<(&'a Id, &'a Row)>) -> Vec<(&'a Id, &'a Row)> {
        // Numbers are padded so that they compare as text.
        let key = |row: &Row, member: &str| {
            let text = row.member(member).unwrap_or_default();
            if text.bytes().all(|byte| byte.is_ascii_digit()) { format!("{text:0>20}") } else { text.to_owned() }
        };
        let keys = |row: &Row| self.0.iter().map(|(member, _)| key(row, member)).collect::<Vec<_>>();
        let mut keyed: Vec<_> = rows.into_iter().map(|(id, row)| (keys(row), id, row)).collect();
        keyed.sort_by(|(one, one_id, _), (two, two_id, _)| {
            let pairs = one.iter().zip(two).zip(&self.0);
            let order = pairs.map(|((one, two), (_, down))| if *down { two.cmp(one) } else { one.cmp(two) });
            order.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then_with(|| one_id.cmp(two_id))
        });
        keyed.into_iter().map(|(_, id, row)| (id, row)).collect()
    }
}
