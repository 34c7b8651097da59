//! `amphi`: the live choice of placements. The only place that knows every crate; no rule lives here.

mod backup;
mod database;
mod demo;
mod descriptors;
mod export;
mod import;
mod links;
mod mails;
mod manifest;
mod metrics;
mod minutes;
mod opening;
mod policies;
mod private_postgres;
mod public_url;
mod publish;
mod robots;
mod serve;
mod site;
mod telemetry;
mod verify;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Le choix des stages des internes, en direct : chacun à son tour, dans l’ordre légal.
#[derive(Parser)]
#[command(name = "amphi", version, about, long_about = None)]
struct Cli {
    /// Journaux techniques en JSON
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Démonstration : une base jetable, un amphi prêt à commencer, des robots, et les adresses à ouvrir
    Demo(demo::DemoArguments),
    /// Sert le site et tous les amphis qui ne sont pas clos
    Serve(serve::ServeArguments),
    /// Crée un amphi à partir de la liste des internes et de celle des postes (CSV ou XLSX)
    Import(import::ImportArguments),
    /// Publie des amphis créés en brouillon : leur liste, leurs postes et leurs heures ne changent plus
    Publish(publish::PublishArguments),
    /// Donne les liens personnels d’un amphi
    Links(links::LinksArguments),
    /// Écrit le journal d’un amphi dans un fichier que chacun peut vérifier
    Export(export::ExportArguments),
    /// Établit le procès-verbal d’une séance, à partir de son journal
    Minutes(minutes::MinutesArguments),
    /// S’occupe des courriels
    Mails(mails::MailsArguments),
    /// Sauvegarde toute la base, séances en cours comprises
    Backup(backup::BackupArguments),
    /// Restaure une sauvegarde et la prouve : chaque journal relu, chaque place comparée
    Restore(backup::RestoreArguments),
    /// Vérifie un journal exporté, sans base ni serveur, et au besoin un reçu
    Verify(verify::VerifyArguments),
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    telemetry::start("warn", cli.log_json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match cli.command {
                Command::Demo(arguments) => demo::run(arguments).await,
                Command::Serve(arguments) => serve::run(arguments).await,
                Command::Import(arguments) => import::run(arguments).await,
                Command::Publish(arguments) => publish::run(arguments).await,
                Command::Links(arguments) => links::run(arguments).await,
                Command::Export(arguments) => export::run(arguments).await,
                Command::Minutes(arguments) => minutes::run(arguments).await,
                Command::Mails(arguments) => mails::run(arguments).await,
                Command::Backup(arguments) => backup::backup(arguments).await,
                Command::Restore(arguments) => backup::restore(arguments).await,
                Command::Verify(arguments) => verify::run(&arguments),
            }
        })
    });
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
