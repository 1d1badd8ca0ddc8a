//! The mailboxes: threads, their messages with bodies, and the attachments that stand among the files.
//!
//! Mail comes on top of the `records` asked for and draws from dice of its own, so that a company with mail has the same other rows as
//! one without. Most threads are in the mailbox of the token's user; colleagues' threads show only where they are shared.

use serde_json::{Map, Value, json};

use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::facts::Company;
use crate::sandbox::company::links::Parents;
use crate::sandbox::company::rows::set;
use crate::sandbox::company::time::{self, DAY};
use crate::sandbox::company::{activities, deals, texts};
use crate::sandbox::row::{Content, Id, Sink};

/// What others need to know of a thread; numbers are positions.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    /// Whose mailbox it is in: 0 is the token's user.
    pub(super) owner: usize,
    pub(super) on: Parents,
    pub(super) shared: bool,
    archived: bool,
    read: bool,
    pub(super) letters: Vec<Letter>,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter {
    pub(super) at: i64,
    pub(super) sent: bool,
    pub(super) draft: bool,
    pub(super) attached: bool,
}

impl Thread {
    /// Whether the records it hangs on show it to the token's user.
    pub(super) fn is_seen(&self) -> bool {
        self.owner == 0 || self.shared
    }

    fn any(&self, wanted: impl Fn(&Letter) -> bool) -> bool {
        self.letters.iter().any(wanted)
    }

    fn last(&self, wanted: impl Fn(&Letter) -> bool) -> Option<i64> {
        self.letters.iter().filter(|letter| wanted(letter)).map(|letter| letter.at).max()
    }
}

impl Letter {
    /// Received from somebody outside.
    pub(super) fn came(&self) -> bool {
        !self.sent && !self.draft
    }
}

impl Company {
    /// The facts of a thread. The first five show every case in the smallest company.
    pub(super) fn thread(&self, index: u64) -> Thread {
        let mut dice = self.dice("mail thread", index);
        let (count, users) = (self.counts.threads, self.users.len() as u64);
        let foreign = index == 3 || (index > 4 && dice.chance(200));
        let owner = if foreign && users > 1 { dice.between(1, users - 1) as usize } else { 0 };
        let on = match (index, dice.below(100)) {
            (0 | 3, _) | (_, 0..=54) => self.of_deal(self.earlier(&mut dice, index, count, self.counts.deals)),
            (1, _) | (_, 55..=64) => self.of_lead(self.earlier(&mut dice, index, count, self.counts.leads)),
            (_, 65..=89) => self.of_person(self.earlier(&mut dice, index, count, self.counts.persons)),
            _ => Parents::default(),
        };
        let archived = index == 1 || (index > 4 && dice.chance(150));
        let (first, mut at) = (self.added("mail threads", index, count), 0);
        let many = if index == 0 { 3 } else { 1 + dice.skewed(5) };
        let drafted = index == 2 || (index > 4 && dice.chance(40));
        let letters = (0..many).map(|number| {
            at = if number == 0 { first } else { at + 600 + dice.below(3 * DAY as u64) as i64 };
            let draft = drafted && number + 1 == many;
            // An archived thread was in the inbox before, so something in it was received.
            let came = number == 0 && (index < 5 || archived) || dice.chance(600);
            let attached = (index, number) == (0, 0) || dice.chance(60);
            Letter { at: at.min(self.now), sent: !draft && !came, draft, attached: attached && !draft }
        });
        let letters = letters.collect();
        let shared = index == 3 || (owner == 0 && on.deal.is_some() && dice.chance(700)) || dice.chance(300);
        let read = index != 4 && dice.chance(850);
        Thread { owner, on, shared, archived: archived && !drafted, read, letters }
    }
}

/// A party of a mail: the colleague whose mailbox it is, or the contact.
#[derive(Clone)]
struct Party {
    id: u64,
    address: String,
    name: String,
    person: Option<u64>,
    organization: Option<u64>,
}

impl Party {
    /// As a message shows it.
    fn shown(&self, message: u64) -> Value {
        json!({
            "id": self.id, "email_address": self.address, "name": self.name, "linked_person_id": self.person,
            "linked_person_name": if self.person.is_some() { self.name.as_str() } else { "" }, "mail_message_party_id": message * 2,
        })
    }

    /// As a thread shows it.
    fn listed(&self, message: u64, at: i64, latest: bool) -> Value {
        let mut shown = self.shown(message);
        shown["latest_sent"] = json!(latest);
        shown["message_time"] = json!(at * 1000);
        shown["linked_organization_id"] = json!(self.organization);
        shown
    }
}

/// What the rows of one thread have in common.
struct Writing<'a> {
    company: &'a Company,
    thread: &'a Thread,
    id: u64,
    subject: String,
    ours: Party,
    theirs: Party,
}

/// Sends every thread with its messages and their attachments.
pub(super) fn mail(company: &Company, sink: &mut dyn Sink) {
    let (mut messages, mut files) = (0, company.counts.files);
    for index in 0..company.counts.threads {
        let mut dice = company.dice("mail text", index);
        let thread = company.thread(index);
        let (ours, theirs) = parties(company, &thread, &mut dice, index);
        let subject = texts::sentence(&mut dice);
        let writing =
            Writing { company, thread: &thread, id: company.id_of("mailThreads", index), subject, ours, theirs };
        let mut snippets = Vec::with_capacity(thread.letters.len());
        let first = messages;
        for letter in &thread.letters {
            let id = company.id_of("mailMessages", messages);
            let body = texts::note(&mut dice);
            let snippet = texts::sentence(&mut dice);
            message(&writing, letter, id, (&body, &snippet), sink);
            if letter.attached {
                attachment(&writing, letter, id, files, sink);
                files += 1;
            }
            snippets.push(snippet);
            messages += 1;
        }
        let ids = (company.id_of("mailMessages", first), company.id_of("mailMessages", messages - 1));
        thread_row(&writing, &snippets, ids, sink);
    }
}

fn parties(company: &Company, thread: &Thread, dice: &mut Dice, index: u64) -> (Party, Party) {
    let user = &company.users[thread.owner];
    let ours =
        Party { id: user.id, address: user.email.clone(), name: user.name.clone(), person: None, organization: None };
    let (given, family) = texts::person(dice);
    let theirs = Party {
        id: 1_000_000 + index,
        address: format!("{}.{}@mail.example", texts::ascii(given), texts::ascii(family)),
        name: format!("{given} {family}"),
        person: thread.on.person.map(|person| company.id_of("persons", person)),
        organization: thread.on.organization.map(|organization| company.id_of("organizations", organization)),
    };
    (ours, theirs)
}

fn message(writing: &Writing<'_>, letter: &Letter, id: u64, (body, snippet): (&str, &str), sink: &mut dyn Sink) {
    let Writing { company, thread, ours, theirs, .. } = writing;
    let (from, to) = if letter.came() { (theirs, ours) } else { (ours, theirs) };
    let at = time::millis(letter.at, 0);
    let on = |kind: &str, index: Option<u64>| index.map(|index| company.id_of(kind, index));
    let draft = letter.draft.then(|| json!({"id": id, "subject": writing.subject}).to_string());
    let row = json!({
        "id": id, "mail_thread_id": writing.id, "user_id": company.users[thread.owner].id, "account_id": account(writing),
        "from": [from.shown(id)], "to": [to.shown(id)], "cc": [], "bcc": [],
        "subject": writing.subject, "snippet": snippet, "body": format!("<html><body>{body}</body></html>"),
        "draft": draft, "draft_flag": u8::from(letter.draft), "sent_flag": u8::from(letter.sent),
        "sent_from_pipedrive_flag": u8::from(letter.sent), "read_flag": u8::from(thread.read || !letter.came()),
        "mail_tracking_status": letter.sent.then_some("not opened"), "mail_link_tracking_enabled_flag": u8::from(letter.sent),
        "synced_flag": 1, "deleted_flag": 0, "has_body_flag": 1, "smart_bcc_flag": 0,
        "has_attachments_flag": u8::from(letter.attached), "has_inline_attachments_flag": 0,
        "has_real_attachments_flag": u8::from(letter.attached),
        "message_time": at, "add_time": at, "update_time": at,
        "deal_id": on("deals", thread.on.deal), "person_id": theirs.person, "org_id": theirs.organization,
    });
    sink.row("mailMessages", Id::Number(id), row.as_object().expect("it is written as an object"));
}

fn account(writing: &Writing<'_>) -> String {
    writing.company.dice("mail account", writing.thread.owner as u64).hex(25)
}

/// The same attachment as an upload, but for the message it came with.
fn attachment(writing: &Writing<'_>, letter: &Letter, message: u64, index: u64, sink: &mut dyn Sink) {
    let Writing { company, thread, .. } = writing;
    let mut dice = company.dice("mail attachment", index);
    let (id, size) = (company.id_of("files", index), dice.between(300, 12_000));
    let name = format!("attachment {}.pdf", dice.between(1, 9999));
    let stored = format!("{}_{}.pdf", texts::ascii(&name), dice.hex(40));
    let mut row = Map::new();
    activities::parents(company, &thread.on, &mut row);
    let rest = json!({
        "id": id, "user_id": company.users[thread.owner].id, "product_id": null, "activity_id": null, "log_id": null,
        "add_time": time::plain(letter.at), "update_time": time::plain(letter.at),
        "remote_id": format!("company/{}/{stored}", company.id), "file_name": stored, "file_type": "pdf", "file_size": size,
        "active_flag": true, "inline_flag": false, "remote_location": "s3", "cid": "", "s3_bucket": "",
        "mail_message_id": message.to_string(), "mail_template_id": "", "name": name, "description": "",
    });
    row.extend(rest.as_object().cloned().unwrap_or_default());
    sink.row("files", Id::Number(id), &row);
    sink.content("files", Id::Number(id), Content::Made { seed: dice.next(), size, mime: "application/pdf" });
}

fn thread_row(writing: &Writing<'_>, snippets: &[String], (first, last): (u64, u64), sink: &mut dyn Sink) {
    let Writing { company, thread, ours, theirs, .. } = writing;
    let [begin, end] =
        [thread.letters.first(), thread.letters.last()].map(|letter| letter.map_or(0, |letter| letter.at));
    let snippet = |wanted: fn(&Letter) -> bool| {
        let at = thread.letters.iter().rposition(wanted);
        at.map(|at| snippets[at].as_str())
    };
    let stamp = |at: Option<i64>| at.map(|at| time::millis(at, 0));
    let (came, sent, draft) = (thread.any(Letter::came), thread.any(|one| one.sent), thread.any(|one| one.draft));
    let attached = u8::from(thread.any(|one| one.attached));
    let starts_here = thread.letters.first().is_some_and(Letter::came);
    let mut row = json!({
        "id": writing.id, "user_id": company.users[thread.owner].id, "account_id": account(writing),
        "subject": writing.subject, "version": thread.letters.len() + 1, "message_count": thread.letters.len(),
        "parties": {
            "from": [if starts_here { theirs } else { ours }.listed(first, begin, false)],
            "to": [if starts_here { ours } else { theirs }.listed(last, end, sent)],
        },
        "snippet": snippets.last(), "snippet_draft": snippet(|one| one.draft), "snippet_sent": snippet(|one| one.sent).unwrap_or_default(),
        "first_message_timestamp": time::millis(begin, 0), "last_message_timestamp": time::millis(end, 0),
        "last_message_sent_timestamp": stamp(thread.last(|one| one.sent)),
        "last_message_received_timestamp": stamp(thread.last(Letter::came)),
        "add_time": time::millis(begin, 0), "update_time": time::millis(end, 0),
    });
    let row = row.as_object_mut().expect("it is written as an object");
    let folders = folders(thread.archived, came, sent, draft);
    let flags = json!({
        "folders": folders, "drafts_parties": [], "archived_flag": u8::from(thread.archived), "deleted_flag": 0,
        "shared_flag": u8::from(thread.shared), "read_flag": u8::from(thread.read), "synced_flag": 1,
        "external_deleted_flag": 0, "smart_bcc_flag": 0, "first_message_to_me_flag": u8::from(starts_here),
        "mail_link_tracking_enabled_flag": u8::from(sent), "mail_tracking_status": null,
        "has_attachments_flag": attached, "has_inline_attachments_flag": 0, "has_real_attachments_flag": attached,
        "has_draft_flag": u8::from(draft), "has_sent_flag": u8::from(sent), "all_messages_sent_flag": u8::from(!came && !draft),
    });
    row.extend(flags.as_object().cloned().unwrap_or_default());
    set(row, "deal_id", thread.on.deal.map(|deal| company.id_of("deals", deal)));
    set(row, "lead_id", thread.on.lead.map(|lead| deals::lead_id(company, lead)));
    sink.row("mailThreads", Id::Number(writing.id), row);
}

/// The folders in which a thread with such messages stands; an archived one has left the inbox.
fn folders(archived: bool, came: bool, sent: bool, draft: bool) -> Vec<&'static str> {
    let places = [("inbox", came && !archived), ("drafts", draft), ("sent", sent), ("archive", archived)];
    places.into_iter().filter(|(_, there)| *there).map(|(folder, _)| folder).collect()
}
