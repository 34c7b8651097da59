//! `amphi verify`: checks an exported journal, and receipts against it, without database or server.

use std::path::PathBuf;

use amphi_engine::verify::{Proof, check_receipt, verify};
use anyhow::{Context as _, bail};
use clap::Args;

/// What `amphi verify` may be told.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Journal exporté (amphi export)
    journal: PathBuf,
    /// Reçu à vérifier, sur une ligne : AMPHI:ENTRÉE:EMPREINTE ; peut être répété
    #[arg(long, value_name = "REÇU")]
    receipt: Vec<String>,
    /// Montre l’affectation recalculée à partir du journal
    #[arg(long)]
    allocation: bool,
}

/// Checks, and says what is sound or where it is not.
pub fn run(arguments: &VerifyArguments) -> anyhow::Result<()> {
    let bytes = std::fs::read(&arguments.journal)
        .with_context(|| format!("le fichier {} ne peut pas être lu", arguments.journal.display()))?;
    let verified = match verify(&bytes) {
        Ok(verified) => verified,
        Err(fault) => bail!("Journal REFUSÉ, ligne {} : {}", fault.line, fault.problem),
    };
    println!(
        "Journal sain : « {} », {} entrées, {} places attribuées{}.\nAmphi {}\nEmpreinte {}",
        verified.title,
        verified.entries,
        verified.allocation.len(),
        if verified.closed { ", séance close" } else { ", séance non close" },
        verified.amphi,
        verified.hash,
    );
    for receipt in &arguments.receipt {
        match check_receipt(&verified, receipt) {
            Ok(Proof::Choice(rank, allocation)) => println!(
                "Reçu confirmé : le rang {rank} a obtenu le poste {} ({}), entrée {}, le {}.",
                allocation.post,
                place(allocation.seat),
                allocation.seq,
                allocation.at
            ),
            Ok(Proof::UndoneChoice(undone)) => println!(
                "Reçu authentique, mais ce choix ne vaut plus : le rang {} avait obtenu le poste {} ; défait à l’entrée {}.",
                undone.rank, undone.post, undone.by
            ),
            Ok(Proof::Wishes(wishes)) => println!(
                "Reçu confirmé : vœux du rang {}, version {}, enregistrés le {}.",
                wishes.rank, wishes.version, wishes.at
            ),
            Err(problem) => bail!("Reçu REFUSÉ : {problem}"),
        }
    }
    if arguments.allocation {
        for (rank, allocation) in &verified.allocation {
            println!("rang {rank}\tposte {}\t{}\t{}", allocation.post, place(allocation.seat), allocation.at);
        }
    }
    Ok(())
}

/// « place 2 », or that none is used.
fn place(seat: Option<u16>) -> String {
    seat.map_or_else(|| "en surnombre".to_owned(), |seat| format!("place {seat}"))
}
