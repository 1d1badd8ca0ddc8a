//! `pdbak repair`: brings back what is damaged, and says exactly what cannot be brought back.
//!
//! First what copies have, then what is here twice, then what the account still has; what is left is
//! written down. Nothing is removed: what is replaced is kept in quarantine.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;

use crate::archive::{self, Archive, FileName, Part, Problem, Reading, Remedy, Role, Shelf};
use crate::cli::command::check;
use crate::cli::command::live::{Looking, capture_from};
use crate::cli::command::{consent, target};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::cli::show::damage::{LostView, ProblemView};
use crate::cli::show::repairs::{Fetched, Offer, Plan, Report};
use crate::offsite::{self, Haul, Origin};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak repair --dry-run            what is damaged, and which copy has it
  pdbak repair                      from every [offsite.NAME] of pdbak.toml; shows the plan and asks
  pdbak repair --from /mnt/usb/acme --from acme.tar --yes
                                    from a copy in a folder, then from a bundle
  pdbak repair --live               what no copy has and the account still has unchanged is read from there

What is replaced is kept in quarantine/. What cannot be brought back is written down in losses/, and named.";

/// What a repair brings to light is repaired as well, so many times.
const ROUNDS: usize = 5;

/// Arguments of `pdbak repair`.
#[derive(Args, Debug)]
pub(crate) struct Repair {
    /// A target of pdbak.toml, a folder, an address or a bundle [default: all targets of pdbak.toml]
    #[arg(long, value_name = "TARGET")]
    from: Vec<String>,
    /// Take a snapshot of the hurt objects, so that what is unchanged in the account is here again
    #[arg(long)]
    live: bool,
    /// Say what would be done and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

/// A place that may have whole files, and how it is called.
struct Source {
    name: String,
    origin: Origin,
    haul: Haul,
}

impl Repair {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let shelf = session.shelf()?;
        let sources = self.sources(session)?;
        let mut report = Report { dry_run: self.dry_run, ..Report::default() };
        let archive = match session.archive() {
            Ok(archive) => archive,
            Err(failure) => {
                if !self.way_in(session, &shelf, &sources, &mut report)? {
                    return Err(failure);
                }
                session.archive()?
            }
        };
        if archive.role() != Role::Restore {
            return Err(archive::Error::NeedsKey {
                doing: "repair",
                role: archive.role().as_str(),
                needs: Role::Restore.as_str(),
            }
            .into());
        }
        let (_, problems) = check::problems(&archive, Reading::All)?;
        let todo = problems.iter().filter(|problem| !problem.known).count();
        let offers = self.offers(session, &sources, archive.id(), &wanted(&problems, &shelf));
        let plan = Plan::of(&problems, offers, &shelf, !archive.lost()?.is_empty() && self.live);
        if self.dry_run {
            report.plan = Some(plan);
            return end(session, &archive, problems, report);
        }
        if todo > 0 || plan.goes_on() {
            session.tell(&plan)?;
            if !consent::agree("repair the archive?", self.yes)? {
                return Err(Failure::new(Exit::LeftOver, "nothing has been changed: you did not consent")
                    .hint("run \"pdbak repair --yes\" to do it without being asked"));
            }
            let problems = self.mend(session, &archive, &shelf, &sources, &mut report)?;
            let turn = archive.turn()?;
            let repaired = archive.repair(&problems)?;
            drop(turn);
            report.rewritten.extend(repaired.rewritten);
            report.noted = repaired.noted;
            report.quarantined.extend(repaired.quarantined);
            if self.live {
                report.snapshot = live(session, &archive)?;
            }
        }
        let (_, left) = check::problems(&archive, Reading::All)?;
        end(session, &archive, left, report)
    }

    /// Where whole files may be.
    fn sources(&self, session: &Session) -> Result<Vec<Source>, Failure> {
        let mut sources = Vec::new();
        let (bundles, targets): (Vec<&String>, Vec<&String>) =
            self.from.iter().partition(|name| Path::new(name).is_file());
        let targets: Vec<String> = targets.into_iter().cloned().collect();
        if !targets.is_empty() || (self.from.is_empty() && !session.targets().is_empty()) {
            for chosen in target::all(session, &targets)? {
                let haul = Haul { download: chosen.download, ..Haul::default() };
                sources.push(Source { name: chosen.name, origin: Origin::Copy(Box::new(chosen.target)), haul });
            }
        }
        let bundle =
            |name: &String| Source { name: name.clone(), origin: Origin::Bundle(name.into()), haul: Haul::default() };
        sources.extend(bundles.into_iter().map(bundle));
        Ok(sources)
    }

    /// What copies have of the files that are wanted; a copy that cannot be asked is told and passed over.
    fn offers(&self, session: &Session, sources: &[Source], archive: &str, wanted: &Wanted) -> Vec<Offer> {
        let mut offers: Vec<Offer> = Vec::new();
        for source in sources.iter().filter(|_| !wanted.is_empty()) {
            let files =
                wait(async { Ok(offsite::offers(&source.origin, Some(archive), &|name| wanted.has(name)).await?) });
            let files = files.unwrap_or_else(|failure: Failure| {
                session.say(&format!("{}: {}", source.name, failure.text().trim_end()));
                Vec::new()
            });
            offers.push(Offer { from: source.name.clone(), files });
        }
        offers
    }

    /// Brings back what opens the archive, where that is what is damaged; true if something came back.
    fn way_in(
        &self,
        session: &Session,
        shelf: &Shelf,
        sources: &[Source],
        report: &mut Report,
    ) -> Result<bool, Failure> {
        let header = shelf.header().ok().flatten();
        let files = shelf.files()?;
        if files.is_empty() {
            return Ok(false);
        }
        let holders: Vec<&FileName> =
            files.iter().map(|file| &file.name).filter(|name| name.part() == Part::Holder).collect();
        let whole = |name: &FileName| shelf.hash(name).ok().as_deref() == name.hash();
        let broken: BTreeSet<FileName> =
            holders.iter().filter(|name| !whole(name)).map(|name| (*name).clone()).collect();
        let wanted = |name: &FileName| match name.part() {
            Part::Header => header.is_none(),
            // A key that is merely not here may have been taken away on purpose.
            Part::Holder => broken.contains(name) || holders.is_empty(),
            _ => false,
        };
        if header.is_some() && broken.is_empty() && !holders.is_empty() {
            return Ok(false);
        }
        for source in sources {
            let archive = header.as_ref().map(|header| header.archive.as_str());
            let files = wait(async { Ok(offsite::offers(&source.origin, archive, &wanted).await?) })?;
            if files.is_empty() {
                continue;
            }
            let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
            session.say(&format!("the archive does not open; {} has {}", source.name, names.join(", ")));
            if self.dry_run || !consent::agree("put these in the place of what is damaged here?", self.yes)? {
                return Ok(false);
            }
            fetch(session, shelf, source, &files, report)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Fetches what copies have, until that brings nothing more to light; returns the problems that are left.
    fn mend(
        &self,
        session: &Session,
        archive: &Archive,
        shelf: &Shelf,
        sources: &[Source],
        report: &mut Report,
    ) -> Result<Vec<Problem>, Failure> {
        let _turn = archive.turn()?;
        for _ in 0..ROUNDS {
            let (_, problems) = check::problems(archive, Reading::All)?;
            let (mut wanted, mut came) = (wanted(&problems, shelf), Vec::new());
            for (source, offer) in sources.iter().zip(self.offers(session, sources, archive.id(), &wanted)) {
                let files: Vec<_> = offer.files.into_iter().filter(|file| wanted.has(&file.name)).collect();
                for name in fetch(session, shelf, source, &files, report)? {
                    wanted.found(&name);
                    came.push(name);
                }
            }
            if came.is_empty() {
                return Ok(problems);
            }
            archive.brought_back(&came)?;
        }
        Ok(check::problems(archive, Reading::All)?.1)
    }
}

/// Puts files of a copy in the place of those here; returns which came.
fn fetch(
    session: &Session,
    shelf: &Shelf,
    source: &Source,
    files: &[archive::StoredFile],
    report: &mut Report,
) -> Result<Vec<FileName>, Failure> {
    let traffic = session.traffic();
    let mended = wait(async { Ok(offsite::mend(&source.origin, shelf, files, source.haul, &traffic).await?) })?;
    drop(traffic);
    let mut came = Vec::new();
    for mend in mended.mended {
        report.quarantined.extend(mend.kept.iter().cloned());
        came.push(mend.file.clone());
        report.fetched.push(Fetched { from: source.name.clone(), mend });
    }
    report.faults.extend(mended.faults);
    Ok(came)
}

/// Reads hurt objects from the account again; returns the snapshot that has them.
fn live(session: &Session, archive: &Archive) -> Result<Option<String>, Failure> {
    if archive.lost()?.is_empty() {
        return Ok(None);
    }
    let manifest = wait(async {
        let account = session.account(None).await?;
        capture_from(session, archive, &account, Looking::default()).await
    })?;
    Ok(Some(manifest.id.to_string()))
}

fn end(session: &Session, archive: &Archive, left: Vec<Problem>, mut report: Report) -> Result<Exit, Failure> {
    let (known, problems): (Vec<Problem>, Vec<Problem>) = left.into_iter().partition(|problem| problem.known);
    report.sound = problems.is_empty();
    report.problems = problems.into_iter().map(ProblemView::from).collect();
    report.known = known.into_iter().map(ProblemView::from).collect();
    report.lost = archive.lost()?.into_iter().map(LostView::from).collect();
    let (sound, gaps) = (report.sound, !report.lost.is_empty() || !report.known.is_empty());
    let dry_run = report.dry_run;
    session.show(&report)?;
    match (sound, gaps) {
        (true, false) => Ok(Exit::Done),
        (true, true) => Ok(Exit::Gaps),
        (false, _) if dry_run => Ok(Exit::LeftOver),
        (false, _) => Err(Failure::new(Exit::Failed, "the archive is still damaged")
            .hint("what each problem above says comes next; \"pdbak check --read-data\" looks again")),
    }
}

/// Files that copies are asked for.
#[derive(Default)]
struct Wanted {
    names: BTreeSet<FileName>,
    /// Marks that are not here, whatever they are called.
    marks: Option<BTreeSet<FileName>>,
}

impl Wanted {
    fn has(&self, name: &FileName) -> bool {
        let mark = |here: &BTreeSet<FileName>| name.part() == Part::Mark && !here.contains(name);
        self.names.contains(name) || self.marks.as_ref().is_some_and(mark)
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.marks.is_none()
    }

    fn found(&mut self, name: &FileName) {
        self.names.remove(name);
        if let Some(here) = &mut self.marks {
            here.insert(name.clone());
        }
    }
}

/// What copies may have of what is damaged; also of what is known to be lost, in case one turned up.
fn wanted(problems: &[Problem], shelf: &Shelf) -> Wanted {
    let mut wanted = Wanted::default();
    for problem in problems {
        match problem.remedy {
            Remedy::Fetch | Remedy::Log => wanted.names.extend(problem.name(shelf.root())),
            Remedy::FetchMarks => {
                let marks = shelf.files().unwrap_or_default().into_iter().map(|file| file.name);
                wanted.marks = Some(marks.filter(|name| name.part() == Part::Mark).collect());
            }
            Remedy::Header | Remedy::Drop | Remedy::MoveOut | Remedy::None => {}
        }
    }
    wanted
}
