//! A made-up call list and offer, in the format of `amphi import`.
//!
//! Everybody has validated the same number of semesters, so the call rank is the national rank and the row.

use std::fmt::Write;

/// Seats of each post.
pub const SEATS_PER_POST: usize = 3;

/// The interns' file.
pub fn interns_csv(interns: usize) -> String {
    interns_csv_of("", interns)
}

/// The interns' file of one amphi of several: nobody is in two, because nobody may choose in two.
pub fn interns_csv_of(amphi: &str, interns: usize) -> String {
    let mut csv = "email;nom;prenom;annee_concours;rang_national;effectif_promotion;semestres_valides;des;\
                   subdivision;majoration_temps\n"
        .to_owned();
    for rank in 1..=interns {
        // Writing to a string cannot fail.
        let _ = writeln!(
            csv,
            "interne{amphi}.essai{rank}@exemple.fr;Essai{rank};Dominique{rank};2025;{rank};9024;4;Médecine générale;\
             Île-de-France;"
        );
    }
    csv
}

/// The posts' file: at least `seats` seats.
pub fn posts_csv(seats: usize) -> String {
    const SERVICES: [&str; 5] =
        ["Urgences adultes", "Pédiatrie", "Gériatrie", "Médecine interne", "Cardiologie"];
    const CRITERIA: [&str; 4] = ["CHU", "périphérie", "ambulatoire", ""];
    let mut csv = "imotep;etablissement;service;des;phase;places;criteres\n".to_owned();
    for post in 1..=seats.div_ceil(SEATS_PER_POST) {
        let _ = writeln!(
            csv,
            "{};Hôpital d'essai {};{} {post};Médecine générale;approfondissement;{SEATS_PER_POST};{}",
            1_900_000 + post,
            post.div_ceil(SERVICES.len()),
            SERVICES[post % SERVICES.len()],
            CRITERIA[post % CRITERIA.len()],
        );
    }
    csv
}

/// Seats for `interns`, a tenth more than interns: more than the law's 107 %.
pub fn seats_for(interns: usize) -> usize {
    interns + interns.div_ceil(10) + SEATS_PER_POST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_lines() {
        assert_eq!(interns_csv(490).lines().count(), 491);
        assert_eq!(posts_csv(seats_for(490)).lines().count(), 1 + 181);
        assert!(seats_for(10) * 100 >= 107 * 10);
    }
}
