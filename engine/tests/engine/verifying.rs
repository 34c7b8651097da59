//! The offline check (audit) of what rooms really write: sound as it is, refused once a byte is changed.

use amphi_engine::core::{CallRank, Command};
use amphi_engine::journal::{Entry, header_line};
use amphi_engine::protocol::Outcome;
use amphi_engine::verify::{Proof, check_receipt, verify};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::scene::{ADMINISTRATOR, amphi, choose, intern, pass, setup};
use crate::stage::{Stage, done, suspend};

/// The journal as `amphi export` writes it.
pub fn exported(number: u128, entries: &[Entry]) -> String {
    let lines = entries.iter().map(Entry::line);
    std::iter::once(header_line(amphi(number))).chain(lines).map(|line| line + "\n").collect()
}

/// A short session with one of everything.
async fn session() -> Stage {
    let stage = Stage::begun(setup(5, &[1, 2, 2])).await;
    done(stage.does(intern(1), pass(1)).await);
    stage.until("09:03").await;
    assert!(matches!(stage.does(intern(1), choose(1, 1)).await, Outcome::Held { .. }));
    done(stage.does(ADMINISTRATOR, suspend()).await);
    stage.until("09:20").await;
    done(stage.does(ADMINISTRATOR, Command::Resume).await);
    let stage = stage.crashes_and_returns("09:21").await;
    done(stage.does(intern(2), choose(2, 2)).await);
    stage.until("09:25").await;
    stage.until("09:29").await;
    let reason = "Démission, « é🙂 »".to_owned();
    done(stage.does(ADMINISTRATOR, Command::Withdraw { rank: CallRank(5), reason }).await);
    done(stage.does(intern(3), choose(3, 3)).await);
    stage.until("09:40").await;
    done(stage.does(ADMINISTRATOR, Command::Close).await);
    stage
}

#[tokio::test]
async fn p8_what_a_room_wrote_verifies_and_gives_the_same_result() {
    let stage = session().await;
    let verified = verify(exported(1, &stage.entries().await).as_bytes()).unwrap();
    assert!(verified.closed);
    assert_eq!((verified.amphi, verified.title.as_str()), (amphi(1), "Cardiologie, Paris"));
    assert_eq!(verified.entries, stage.position().seq);
    for rank in 1..=5 {
        let receipt = stage.receipt(rank);
        let read = verified.allocation.get(&CallRank(rank));
        assert_eq!(read.map(|a| (a.post, a.seat, a.at)), receipt.as_ref().map(|r| (r.post, r.seat, r.at)));
        if let Some(receipt) = receipt {
            let proof = check_receipt(&verified, &receipt.code()).unwrap();
            assert!(matches!(proof, Proof::Choice(CallRank(named), _) if named == rank));
        }
    }
    assert_eq!(verified.allocation.len(), 3);
}

#[tokio::test]
async fn r3_3_what_is_held_may_be_settled_while_the_session_is_suspended() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    done(stage.does(intern(1), pass(1)).await);
    stage.until("09:03").await;
    assert!(matches!(stage.does(intern(1), choose(1, 1)).await, Outcome::Held { .. }));
    done(stage.does(ADMINISTRATOR, suspend()).await);
    let reason = "Démission".to_owned();
    done(stage.does(ADMINISTRATOR, Command::Withdraw { rank: CallRank(2), reason }).await);
    assert!(stage.receipt(1).is_some(), "the turn it waited for is over");
    let verified = verify(exported(1, &stage.entries().await).as_bytes()).unwrap();
    assert_eq!(verified.allocation.len(), 1);
}

#[tokio::test]
async fn a_receipt_proves_one_choice_of_one_journal() {
    let stage = session().await;
    let verified = verify(exported(1, &stage.entries().await).as_bytes()).unwrap();
    let receipt = stage.receipt(2).unwrap();
    let (seq, hash) = (receipt.seq, receipt.hash.clone());
    let digit = if hash.starts_with('0') { "1" } else { "0" };
    let first_seat = &verified.allocation[&CallRank(1)];
    let cases = [
        (format!("{}:{seq}:{hash}", amphi(2)), "another amphi"),
        (format!("{}:{}:{hash}", amphi(1), first_seat.seq), "another choice’s number"),
        (format!("{}:{}:{hash}", amphi(1), seq + 1), "an entry that is no choice"),
        (format!("{}:{}:{hash}", amphi(1), 10_000), "an entry that does not exist"),
        (format!("{}:{seq}:{}", amphi(1), first_seat.hash), "another choice’s hash"),
        (format!("{}:{seq}:{digit}{}", amphi(1), &hash[1..]), "one digit changed"),
        (format!("{}:{seq}:{}", amphi(1), &hash[..63]), "cut short"),
        (format!("{}:{seq}:{}", amphi(1), hash.to_uppercase()), "not as it was given"),
        (format!("{}:{seq}", amphi(1)), "no hash"),
        (format!("{}:x:{hash}", amphi(1)), "no number"),
        (String::new(), "nothing"),
    ];
    for (code, case) in cases {
        assert!(check_receipt(&verified, &code).is_err(), "{case}: {code}");
    }
    assert!(
        check_receipt(&verified, &format!("  {}\n", receipt.code())).is_ok(),
        "spaces around are forgiven"
    );
}

/// Lines at which a change of `line` may be found: a header is bound by the first hash after it.
fn found_at(line: usize) -> std::ops::RangeInclusive<usize> {
    if line == 1 { 1..=2 } else { line..=line }
}

fn line_of(journal: &[u8], offset: usize) -> usize {
    1 + journal[..offset].iter().filter(|byte| **byte == b'\n').count()
}

#[track_caller]
fn assert_refused(changed: &[u8], line: usize, what: &str) {
    match verify(changed) {
        Err(fault) => {
            assert!(found_at(line).contains(&fault.line), "{what}, line {line}: {fault}");
            assert!(fault.to_string().starts_with(&format!("ligne {} : ", fault.line)), "in French: {fault}");
        }
        Ok(_) => panic!("{what}, line {line}: not found"),
    }
}

#[tokio::test]
async fn a_byte_changed_anywhere_is_found_and_located() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    done(stage.does(intern(1), choose(1, 1)).await);
    let journal = exported(1, &stage.entries().await).into_bytes();
    for offset in 0..journal.len() {
        for flip in [0x01, 0x80] {
            let mut changed = journal.clone();
            changed[offset] ^= flip;
            assert_refused(&changed, line_of(&journal, offset), &format!("byte {offset} ^ {flip:#x}"));
        }
    }
}

#[tokio::test]
async fn any_flip_in_a_longer_journal_is_found_and_located() {
    let journal = exported(1, &session().await.entries().await).into_bytes();
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    for _ in 0..1_500 {
        let offset = rng.random_range(0..journal.len());
        let flip = rng.random_range(1..=255_u8);
        let mut changed = journal.clone();
        changed[offset] ^= flip;
        assert_refused(&changed, line_of(&journal, offset), &format!("byte {offset} ^ {flip:#x}"));
    }
}

#[tokio::test]
async fn lines_removed_repeated_or_swapped_are_found() {
    let journal = exported(1, &session().await.entries().await);
    let lines: Vec<&str> = journal.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    for index in 0..lines.len() {
        let mut removed = lines.clone();
        removed.remove(index);
        if index + 1 < lines.len() {
            assert_refused(joined(&removed).as_bytes(), index + 1, "removed");
        }
        let mut repeated = lines.clone();
        repeated.insert(index, lines[index]);
        assert_refused(joined(&repeated).as_bytes(), index + 2, "repeated");
        let mut blank = lines.clone();
        blank.insert(index, "");
        assert_refused(joined(&blank).as_bytes(), index + 1, "a blank line");
        if index + 1 < lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(index, index + 1);
            assert_refused(joined(&swapped).as_bytes(), index + 1, "swapped");
        }
    }
    assert_refused(journal.trim_end().as_bytes(), lines.len(), "the last line cut short");
    assert_refused(journal.replace('\n', "\r\n").as_bytes(), 1, "another end of line");
    assert_refused(b"", 1, "nothing");
}

#[tokio::test]
async fn a_journal_cut_at_a_line_is_sound_but_lacks_the_receipts_after_it() {
    let stage = session().await;
    let journal = exported(1, &stage.entries().await);
    let receipt = stage.receipt(3).unwrap();
    let cut: String =
        journal.lines().take(usize::try_from(receipt.seq).unwrap()).map(|line| format!("{line}\n")).collect();
    let verified = verify(cut.as_bytes()).unwrap();
    assert!(!verified.closed);
    assert!(check_receipt(&verified, &receipt.code()).is_err());
}

#[tokio::test]
async fn two_journals_are_not_one() {
    let (one, other) = (session().await.entries().await, session().await.entries().await);
    let journal = exported(1, &one);
    assert_refused(exported(2, &one).as_bytes(), 1, "under another amphi’s name");
    let mixed: String = journal
        .lines()
        .take(5)
        .map(|line| format!("{line}\n"))
        .chain(other[4..].iter().map(|e| e.line() + "\n"))
        .collect();
    assert!(verify(mixed.as_bytes()).is_err() || one == other);
}
