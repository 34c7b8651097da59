//! `amphi import`: from the files people really send to an amphi.
//!
//! Nothing is created while anything in the files is wrong. Creating many amphis is not one transaction: what interrupts
//! it leaves those of the lines before, and the same command goes on with the others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use amphi_engine::clock::SystemClock;
use amphi_engine::core::call_list::RankBasis;
use amphi_engine::core::setup::SetupError;
use amphi_engine::core::{Actor, AmphiId, Command, CommandId, InternId, Millis, Period, Setup};
use amphi_engine::protocol::Outcome;
use amphi_engine::registry::Registry;
use amphi_engine::room::{ADMINISTRATOR_BY_LINK, Room};
use amphi_portal::drafting::{Frame, in_call_order, listing, setup, warnings};
use amphi_portal::import::{Imported, ImportedIntern, ImportedPost, Problem, Problems, Source};
use amphi_portal::import::{read_file, read_interns, read_posts};
use amphi_portal::pages::wording::rules;
use amphi_portal::people;
use anyhow::{Context as _, bail};
use chrono_tz::Tz;
use clap::Args;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Database, DatabaseSettings};
use crate::manifest::{Defaults, Planned, read_manifest};
use crate::opening::{parse_duration, parse_opening};
use crate::policies::PolicyArguments;
use crate::publish::{Stage, draft_room, stage};
use crate::site::registry;

/// What `amphi import` may be told.
#[derive(Debug, Args)]
pub struct ImportArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// Liste des internes (CSV ou XLSX)
    #[arg(long, value_name = "FICHIER", required_unless_present = "manifest")]
    interns: Option<PathBuf>,
    /// Liste des postes (CSV ou XLSX)
    #[arg(long, value_name = "FICHIER", required_unless_present = "manifest")]
    posts: Option<PathBuf>,
    /// Titre de l’amphi
    #[arg(long, required_unless_present = "manifest")]
    title: Option<String>,
    /// Semestre choisi : AAAA-05 (mai à octobre) ou AAAA-11 (novembre à avril)
    #[arg(long, value_parser = parse_period, required_unless_present = "manifest")]
    period: Option<Period>,
    /// Beaucoup d’amphis à la fois : un CSV, une ligne par amphi, aux colonnes titre, semestre, internes, postes,
    /// ouverture (les jours séparés par « | »), et si besoin tour, fuseau et options (les options de cette
    /// commande) ; les fichiers sont cherchés à côté de lui, et rien n’est créé tant qu’une ligne est fausse. À
    /// relancer sans crainte : un amphi du même titre pour le même semestre n’est pas créé deux fois
    #[arg(long, value_name = "FICHIER", conflicts_with_all = ["interns", "posts", "title", "period", "opening"])]
    manifest: Option<PathBuf>,
    /// Fuseau horaire de l’amphi
    #[arg(long, default_value = "Europe/Paris", value_name = "ZONE")]
    time_zone: String,
    /// Un jour et ses plages, par exemple « 2027-03-29 09:00-12:30,14:00-18:00 » ; à répéter par jour
    #[arg(long, required_unless_present = "manifest", value_name = "JOUR HEURES")]
    opening: Vec<String>,
    /// Durée d’un tour (3m, 150s) ; par défaut 3 min, 5 min pour moins de 30 internes
    #[arg(long, value_parser = parse_duration, value_name = "DURÉE")]
    turn: Option<Millis>,
    #[command(flatten)]
    policies: PolicyArguments,
    /// Montre la liste d’appel telle qu’elle sera, sans rien enregistrer
    #[arg(long)]
    dry_run: bool,
    /// Publie aussitôt : la liste, les postes et les heures ne changent plus ; sinon, c’est un brouillon (amphi publish)
    #[arg(long, conflicts_with = "dry_run")]
    publish: bool,
}

pub fn parse_period(text: &str) -> anyhow::Result<Period> {
    let error = "le semestre s’écrit AAAA-05 (mai à octobre) ou AAAA-11 (novembre à avril)";
    Period::try_from(text.to_owned()).map_err(|_| anyhow::anyhow!(error))
}

/// The two lists, read and sound.
pub struct Lists {
    /// The interns.
    pub interns: Imported<ImportedIntern>,
    /// The posts.
    pub posts: Imported<ImportedPost>,
}

impl Lists {
    /// Reads both files; every problem of both is told at once.
    pub fn read(interns: &Path, posts: &Path) -> Result<Self, Problems> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let both = (
            read_file(interns)
                .and_then(|bytes| read_interns(&Source { file_name: &name(interns), bytes: &bytes })),
            read_file(posts).and_then(|bytes| read_posts(&Source { file_name: &name(posts), bytes: &bytes })),
        );
        match both {
            (Ok(interns), Ok(posts)) => Ok(Self { interns, posts }),
            (Err(Problems(mut all)), Err(Problems(more))) => {
                all.extend(more);
                Err(Problems(all))
            }
            (Err(problems), _) | (_, Err(problems)) => Err(problems),
        }
    }
}

/// Imports, or shows what would be imported.
pub async fn run(arguments: ImportArguments) -> anyhow::Result<()> {
    match arguments.manifest.clone() {
        Some(manifest) => import_many(&arguments, &manifest).await,
        None => import_one(arguments).await,
    }
}

async fn import_one(arguments: ImportArguments) -> anyhow::Result<()> {
    let (Some(interns), Some(posts), Some(title), Some(period)) =
        (arguments.interns, arguments.posts, arguments.title, arguments.period)
    else {
        bail!("donnez --interns, --posts, --title et --period, ou bien --manifest");
    };
    let zone = parse_zone(&arguments.time_zone)?;
    let opening = parse_opening(zone, &arguments.opening)?;
    let lists = match Lists::read(&interns, &posts) {
        Ok(lists) => lists,
        Err(problems) => {
            eprintln!("{problems}");
            bail!("Rien n’a été importé : {} problème(s) à corriger.", problems.0.len());
        }
    };
    let frame = Frame {
        title: title.trim().to_owned(),
        period,
        time_zone: arguments.time_zone,
        opening,
        turn_duration: arguments.turn,
        round: arguments.policies.round(),
        policies: arguments.policies.policies(),
    };
    if frame.title.is_empty() {
        bail!("Donnez un titre à l’amphi (--title).");
    }
    tell_warnings(lists.interns.warnings.iter().chain(&lists.posts.warnings));
    let ranked = in_call_order(lists.interns.rows.clone());
    // Before the database is even opened: is the amphi sound?
    let draft = sound_draft(&frame, &ranked, &lists.posts.rows)?;
    if arguments.dry_run {
        dry_run(&draft, &ranked);
        return Ok(());
    }
    let database = Database::open(&arguments.database).await?;
    let registry = registry(&database.pool, Arc::new(SystemClock::real())).await?;
    let created = create(&database.pool, &registry, &frame, lists, arguments.publish).await;
    registry.stop().await?;
    database.close().await?;
    let amphi = created?;
    println!("amphi {amphi}");
    if !arguments.publish {
        eprintln!("C’est un brouillon : personne n’est convoqué. Pour le publier : amphi publish {amphi}");
    }
    Ok(())
}

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Became {
    /// A new amphi.
    Created,
    /// The list of a draft that an earlier run had left, or begun.
    SetAnew,
    /// Nothing: its amphi is published.
    LeftAlone,
}

impl Became {
    fn said(self) -> &'static str {
        match self {
            Self::Created => "",
            Self::SetAnew => "\tbrouillon repris",
            Self::LeftAlone => "\tdéjà publié, laissé tel quel",
        }
    }
}

/// One amphi for each line of `manifest`; none while a line is wrong, and none twice.
async fn import_many(arguments: &ImportArguments, manifest: &Path) -> anyhow::Result<()> {
    let defaults =
        Defaults { time_zone: &arguments.time_zone, turn: arguments.turn, policies: &arguments.policies };
    let planned = match read_manifest(manifest, &defaults) {
        Ok(planned) => planned,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            bail!("Rien n’a été importé : {} problème(s) à corriger.", problems.len());
        }
    };
    let interns: usize = planned.iter().map(|planned| planned.ranked.len()).sum();
    eprintln!("{} amphis, {interns} internes.", planned.len());
    if arguments.dry_run {
        for amphi in &planned {
            let (title, interns, posts) = (&amphi.frame.title, amphi.ranked.len(), amphi.posts.len());
            println!("ligne {} : « {title} », {interns} internes, {posts} postes", amphi.line);
        }
        println!("Essai seulement : rien n’a été enregistré.");
        return Ok(());
    }
    let database = Database::open(&arguments.database).await?;
    let registry = registry(&database.pool, Arc::new(SystemClock::real())).await?;
    let (mut done, mut created, mut left_alone) = (Ok(()), 0, 0);
    for planned in &planned {
        match bring_about(&database.pool, &registry, planned, arguments.publish).await {
            Ok((amphi, became)) => {
                println!("amphi {amphi}\t{}{}", planned.frame.title, became.said());
                created += usize::from(became == Became::Created);
                left_alone += usize::from(became == Became::LeftAlone);
            }
            Err(error) => {
                done = Err(error.context(format!(
                    "ligne {} : l’amphi n’a pas pu être créé ; ceux des lignes précédentes le sont. La même commande \
                     reprend ici",
                    planned.line
                )));
                break;
            }
        }
    }
    registry.stop().await?;
    database.close().await?;
    eprintln!("{created} amphi(s) créé(s), {left_alone} déjà publié(s).");
    if !arguments.publish {
        eprintln!(
            "Ce sont des brouillons : personne n’est convoqué. Pour les publier : amphi publish AMPHI…"
        );
    }
    done
}

/// Creates the amphi of a line, or goes on with the one that there is of that title and semester: what is published is
/// left as it is, a draft gets the list of this line. An annulled one does not count: it may be held anew.
async fn bring_about(
    pool: &PgPool,
    registry: &Registry,
    planned: &Planned,
    publish: bool,
) -> anyhow::Result<(AmphiId, Became)> {
    let Planned { frame, ranked, posts, .. } = planned;
    let known = sqlx::query!(
        "SELECT id FROM amphis WHERE title = $1 AND period = $2 ORDER BY id",
        frame.title.as_str(),
        String::from(frame.period),
    )
    .fetch_all(pool)
    .await?;
    let (mut draft, mut annulled) = (None, 0);
    for amphi in known.into_iter().map(|known| AmphiId(known.id)) {
        match stage(registry, amphi).await? {
            Some(Stage::Published) => return Ok((amphi, Became::LeftAlone)),
            Some(Stage::Annulled) => annulled += 1,
            Some(Stage::Draft | Stage::Empty) => draft = draft.or(Some(amphi)),
            None => {}
        }
    }
    let (room, became) = match draft {
        Some(amphi) => (draft_room(pool, registry, amphi).await?, Became::SetAnew),
        None => {
            let amphi = AmphiId(line_id(&frame.title, frame.period, annulled));
            (registry.create(amphi, &frame.title, frame.period).await?, Became::Created)
        }
    };
    set_up(pool, &room, frame, ranked, posts, publish).await?;
    Ok((room.id(), became))
}

/// The id of a line's amphi: the same in every run, so that two runs at once do not create it twice.
fn line_id(title: &str, period: Period, annulled_before: usize) -> Uuid {
    let digest: [u8; 32] =
        Sha256::digest(format!("{}\n{annulled_before}\n{title}", String::from(period))).into();
    let (half, _) = digest.split_at(16);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(half);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// A zone known by its IANA name.
pub fn parse_zone(name: &str) -> anyhow::Result<Tz> {
    name.parse().map_err(|_| {
        anyhow::anyhow!(
            "« {name} » n’est pas un fuseau connu : écrivez par exemple Europe/Paris ou Indian/Reunion"
        )
    })
}

fn tell_warnings<'a>(warnings: impl Iterator<Item = &'a Problem>) {
    for warning in warnings {
        eprintln!("Attention : {warning}");
    }
}

fn dry_run(draft: &Setup, ranked: &[(ImportedIntern, RankBasis)]) {
    for line in listing(draft, ranked) {
        println!("{line}");
    }
    println!("Les règles de cette séance :");
    for rule in rules(draft.round, &draft.policies, draft.turn_duration) {
        println!("  {}", rule.says);
    }
    tell_draft(draft);
    println!("Essai seulement : rien n’a été enregistré.");
}

/// The draft of these lists, with placeholders for the people, if an amphi can be made of it.
pub fn sound_draft(
    frame: &Frame,
    ranked: &[(ImportedIntern, RankBasis)],
    posts: &[ImportedPost],
) -> anyhow::Result<Setup> {
    let placeholders: Vec<InternId> =
        (0..ranked.len()).map(|n| InternId(Uuid::from_u128(n as u128))).collect();
    let draft = setup(frame, ranked, &placeholders, posts);
    draft
        .validate()
        .map_err(|problem| anyhow::anyhow!("cet amphi ne peut pas être créé : {}", said(&problem)))?;
    Ok(draft)
}

/// What makes a draft unusable, and what to do about it.
fn said(problem: &SetupError) -> String {
    match problem {
        SetupError::NoParticipant => "la liste des internes est vide".to_owned(),
        SetupError::TooManyParticipants(n) => {
            format!("{n} internes, c’est trop pour un seul amphi ; faites-en plusieurs")
        }
        SetupError::SameInternTwice(one, other) => {
            format!("les rangs {one} et {other} sont la même personne")
        }
        SetupError::NoPost => "il n’y a aucun poste".to_owned(),
        SetupError::TooManyPosts(n) => {
            format!("{n} postes, c’est trop pour un seul amphi ; faites-en plusieurs")
        }
        SetupError::TooManySeats(post) => format!("le poste n° {post} a trop de places"),
        SetupError::TurnDuration => "un tour dure de 10 secondes à 1 heure (--turn)".to_owned(),
        SetupError::ExtraTime(rank) => format!("le rang {rank} a plus de 200 % de temps majoré"),
        SetupError::ExtensionSteps => {
            "les prolongations possibles vont en croissant, de 10 secondes à 30 minutes, six au plus (--extension-steps)"
                .to_owned()
        }
        SetupError::TimeZone(zone) => format!("« {zone} » n’est pas un fuseau connu"),
    }
}

fn tell_draft(draft: &Setup) {
    for warning in warnings(draft) {
        eprintln!("Attention : {warning}");
    }
    eprintln!(
        "{} internes, {} postes, {} places.",
        draft.participants.len(),
        draft.posts.len(),
        draft.seats()
    );
}

/// Creates the amphi of these lists, and publishes it if asked to.
pub async fn create(
    pool: &PgPool,
    registry: &Registry,
    frame: &Frame,
    lists: Lists,
    publish: bool,
) -> anyhow::Result<AmphiId> {
    let ranked = in_call_order(lists.interns.rows);
    tell_draft(&sound_draft(frame, &ranked, &lists.posts.rows)?);
    establish(pool, registry, frame, &ranked, &lists.posts.rows, publish).await
}

/// The same without a word, for lists that are known to be sound.
async fn establish(
    pool: &PgPool,
    registry: &Registry,
    frame: &Frame,
    ranked: &[(ImportedIntern, RankBasis)],
    posts: &[ImportedPost],
    publish: bool,
) -> anyhow::Result<AmphiId> {
    let amphi = AmphiId(Uuid::now_v7());
    let room = registry.create(amphi, &frame.title, frame.period).await?;
    set_up(pool, &room, frame, ranked, posts, publish).await?;
    Ok(amphi)
}

/// Gives a draft its list, posts and hours, whatever it had before, and publishes it if asked to.
async fn set_up(
    pool: &PgPool,
    room: &Room,
    frame: &Frame,
    ranked: &[(ImportedIntern, RankBasis)],
    posts: &[ImportedPost],
    publish: bool,
) -> anyhow::Result<()> {
    let people: Vec<ImportedIntern> = ranked.iter().map(|(intern, _)| intern.clone()).collect();
    let ids = people::register(pool, &people).await?;
    let draft = setup(frame, ranked, &ids, posts);
    people::unseat(pool, room.id()).await?;
    people::seat(pool, room.id(), &ids).await?;
    administrate(room, Command::Draft(Box::new(draft))).await?;
    if publish {
        administrate(room, Command::Publish).await?;
    }
    Ok(())
}

/// Issues a command as the administrator who runs this program.
pub async fn administrate(room: &Room, command: Command) -> anyhow::Result<()> {
    let actor = Actor::Administrator { id: ADMINISTRATOR_BY_LINK };
    let outcome = room.ask(actor, command, CommandId(Uuid::new_v4())).await;
    match outcome.context("l’amphi ne répond pas")? {
        Outcome::Done { .. } | Outcome::Held { .. } => Ok(()),
        Outcome::Refused { rejection } => bail!("l’amphi refuse : {rejection}"),
    }
}

#[cfg(test)]
mod tests {
    use amphi_engine::core::Half;

    use super::*;

    #[test]
    fn a_line_has_one_id_in_every_run_and_another_line_another() {
        let period = |year| Period { year, half: Half::May };
        let first = line_id("Psychiatrie, Lille", period(2027), 0);
        assert_eq!(first, line_id("Psychiatrie, Lille", period(2027), 0));
        assert_eq!(first.get_version_num(), 8);
        let others = [
            line_id("Psychiatrie, Nice", period(2027), 0),
            line_id("Psychiatrie, Lille", period(2028), 0),
            line_id("Psychiatrie, Lille", period(2027), 1),
        ];
        assert!(others.iter().all(|other| *other != first));
    }
}
