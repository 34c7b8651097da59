//! What an event does to seats, and whether it is what a command asked for. Each new kind of event or
//! command is told here, once.

use amphi_engine::core::{Amphi, CallRank, Command, Event, PostNumber, Standing};

/// What an event does to one seat; a supernumerary place has no number.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// Somebody gives it back.
    GivesBack(CallRank, PostNumber, Option<u16>),
    /// Somebody takes it.
    Takes(CallRank, PostNumber, Option<u16>),
}

/// What `event` does to seats, in order, where the amphi stood at `before`.
pub fn deeds(before: &Amphi, event: &Event) -> Vec<Deed> {
    match event {
        // A session without effect binds nobody.
        Event::Annulled { .. } => {
            let placed = |(index, standing): (usize, &Standing)| match standing {
                Standing::Placed { post, seat, .. } => {
                    Some(Deed::GivesBack(CallRank::from_index(index), *post, *seat))
                }
                _ => None,
            };
            before.standings().iter().enumerate().filter_map(placed).collect()
        }
        Event::ChoiceCommitted { rank, post, seat, .. } | Event::ChoiceRestored { rank, post, seat, .. } => {
            vec![Deed::Takes(*rank, *post, *seat)]
        }
        Event::SeatExchanged { rank, from_post, from_seat, post, seat } => {
            vec![Deed::GivesBack(*rank, *from_post, *from_seat), Deed::Takes(*rank, *post, Some(*seat))]
        }
        Event::ChoiceAnnulled { rank, post, seat, .. } => vec![Deed::GivesBack(*rank, *post, *seat)],
        Event::Rewound { released, .. } => {
            released.iter().map(|seat| Deed::GivesBack(seat.rank, seat.post, seat.seat)).collect()
        }
        Event::Drafted { .. }
        | Event::Published { .. }
        | Event::Opened
        | Event::TurnOpened { .. }
        | Event::TurnExtended { .. }
        | Event::TurnClosed { .. }
        | Event::TurnSkipped { .. }
        | Event::ChoiceHeld { .. }
        | Event::HeldChoiceRefused { .. }
        | Event::HeldChoiceReleased { .. }
        | Event::Suspended { .. }
        | Event::SuspensionExplained { .. }
        | Event::Resumed { .. }
        | Event::ServiceInterrupted { .. }
        | Event::PlacedElsewhere { .. }
        | Event::NoLongerPlacedElsewhere { .. }
        | Event::EligibilityChecked { .. }
        | Event::Admitted { .. }
        | Event::ParticipantAdded { .. }
        | Event::ProxyGiven { .. }
        | Event::ProxyDocumentFiled { .. }
        | Event::ProxyRevoked { .. }
        | Event::WishesSet { .. }
        | Event::Withdrawn { .. }
        | Event::Closed { .. } => Vec::new(),
    }
}

/// Whether `event` is what `command` asked for.
pub fn carries_out(command: &Command, event: &Event) -> bool {
    match command {
        Command::Draft(asked) => matches!(event, Event::Drafted { setup } if setup == asked),
        Command::Publish => matches!(event, Event::Published { .. }),
        Command::Open => matches!(event, Event::Opened),
        Command::Suspend { reason: asked } => matches!(event, Event::Suspended { reason } if reason == asked),
        Command::ExplainSuspension { reason: asked } => {
            matches!(event, Event::SuspensionExplained { reason } if reason == asked)
        }
        Command::Resume => matches!(event, Event::Resumed { .. }),
        Command::Close => matches!(event, Event::Closed { .. }),
        Command::Annul { reason: asked } => matches!(event, Event::Annulled { reason } if reason == asked),
        Command::Choose { rank, post, supernumerary }
        | Command::ChooseFor { rank, post, supernumerary, .. } => {
            chooses(event, *rank, *post, *supernumerary)
        }
        Command::Exchange { rank: by, post: wanted } => {
            matches!(event, Event::SeatExchanged { rank, post, .. } if (rank, post) == (by, wanted))
        }
        Command::ReleaseHeld { rank: by } => {
            matches!(event, Event::HeldChoiceReleased { rank } if rank == by)
        }
        Command::Pass { rank: by } | Command::EndTurn { rank: by, .. } => {
            matches!(event, Event::TurnClosed { rank, .. } if rank == by)
        }
        Command::SetWishes { rank: by, wishes: asked, safety_net: net } => {
            matches!(event, Event::WishesSet { rank, wishes, safety_net, .. }
                if (rank, wishes, safety_net) == (by, asked, net))
        }
        Command::GiveProxy { rank: by, proxy: given } => {
            matches!(event, Event::ProxyGiven { rank, proxy } if (rank, proxy) == (by, given))
        }
        Command::FileProxyDocument { rank: by, document: filed } => {
            matches!(event, Event::ProxyDocumentFiled { rank, document, .. } if (rank, document) == (by, filed))
        }
        Command::RevokeProxy { rank: by } | Command::RevertProxy { rank: by, .. } => {
            matches!(event, Event::ProxyRevoked { rank, .. } if rank == by)
        }
        Command::Extend { rank: by, .. } => matches!(event, Event::TurnExtended { rank, .. } if rank == by),
        Command::Withdraw { rank: by, .. } => matches!(event, Event::Withdrawn { rank, .. } if rank == by),
        Command::Add { participant: asked, .. } => {
            matches!(event, Event::ParticipantAdded { participant, .. } if participant == asked)
        }
        Command::AnnulChoice { rank: of, .. } => {
            matches!(event, Event::ChoiceAnnulled { rank, .. } if rank == of)
        }
        Command::Rewind { to: asked, .. } => matches!(event, Event::Rewound { to, .. } if to == asked),
        Command::Assign { rank, post, .. } => chooses(event, *rank, *post, false),
        Command::Admit { rank: of, .. } => matches!(event, Event::Admitted { rank, .. } if rank == of),
        Command::NoteIneligible { .. } => matches!(event, Event::EligibilityChecked { .. }),
        Command::NotePlacedElsewhere { rank: of } => {
            matches!(event, Event::PlacedElsewhere { rank } if rank == of)
        }
        Command::NoteNoLongerPlacedElsewhere { rank: of } => {
            matches!(event, Event::NoLongerPlacedElsewhere { rank } if rank == of)
        }
        Command::Recover { .. } => matches!(event, Event::ServiceInterrupted { .. }),
        Command::Tick => true,
    }
}

fn chooses(event: &Event, by: CallRank, wanted: PostNumber, supernumerary: bool) -> bool {
    match event {
        Event::ChoiceCommitted { rank, post, seat, .. } => {
            (*rank, *post, seat.is_none()) == (by, wanted, supernumerary)
        }
        Event::ChoiceHeld { rank, post, .. } => (*rank, *post, false) == (by, wanted, supernumerary),
        _ => false,
    }
}
