//! What the steps of a plan do to the world.

use std::time::Duration;

use amphi_engine::core::{Actor, CallRank, Command, Rejection};
use amphi_engine::protocol::{Outcome, Role};
use tokio::time::Instant;

use crate::asking::{ADMINISTRATOR, meant, on_behalf_of, rightful, wrong};
use crate::device::Device;
use crate::names::ActKind;
use crate::oracle::{Asked, Promise};
use crate::plan::{Act, Ask, Begun, How, Onlooker, amphi_id, command_id};
use crate::simulation::{Simulation, lock};

/// Command ids of the simulation itself begin here; those of steps stay below.
pub const OWN_IDS_FROM: u32 = 1_000_000;

impl Simulation<'_> {
    pub(crate) async fn act(&mut self, number: u32, act: &Act) {
        self.oracle().count(&format!("act.{}", ActKind::of(act).name()));
        self.oracle().tell(|| format!("{act:?}"));
        match *act {
            Act::Wait => {}
            Act::Connect { amphi, who } => {
                let amphi = self.amphi(amphi);
                let Some(role) = self.role(amphi, who) else { return };
                self.devices.push(Device::new(amphi, role));
                self.connect(self.devices.len() - 1).await;
            }
            Act::Disconnect { device } => {
                if let Some(index) = self.nth_device(device, Device::is_connected) {
                    self.devices[index].disconnect();
                }
            }
            Act::Return { device } => {
                if let Some(index) = self.nth_device(device, |device| !device.is_connected()) {
                    self.connect(index).await;
                }
            }
            Act::StopReading { device } => {
                if let Some(index) = self.nth_device(device, Device::is_connected) {
                    self.devices[index].reads(false);
                }
            }
            Act::ReadAgain => self.devices.iter_mut().for_each(|device| device.reads(true)),
            Act::Resync { device } => {
                if let Some(index) = self.nth_device(device, Device::is_connected) {
                    self.devices[index].resync();
                }
            }
            Act::Ask { amphi, ref ask, how } => self.ask(number, self.amphi(amphi), ask, how).await,
            Act::Resend { back, stolen } => self.resend(back, stolen).await,
            Act::Retry => self.retry().await,
            _ => self.strike(act).await,
        }
    }

    /// What happens to servers, journals and clocks.
    async fn strike(&mut self, act: &Act) {
        match *act {
            Act::Write { server, fault } => {
                if let Some(server) = &self.machines[self.machine(server)].server {
                    server.journal.plan_write(fault);
                }
            }
            Act::Read { server, times } => {
                if let Some(server) = &self.machines[self.machine(server)].server {
                    server.journal.fail_reads(times.into());
                }
            }
            Act::Outage { server, ms } => {
                if let Some(server) = &self.machines[self.machine(server)].server {
                    server.journal.outage(Instant::now() + Duration::from_millis(ms.into()));
                }
            }
            Act::Crash { server, switches, write_lands, down_ms } => {
                for _ in 0..switches {
                    tokio::task::yield_now().await;
                }
                self.kill(self.machine(server), write_lands, down_ms);
            }
            Act::Deploy { server, down_ms } => self.deploy(self.machine(server), down_ms).await,
            Act::Replace { server } => self.replace(self.machine(server)).await,
            Act::Clock { server, shift } => self.machines[self.machine(server)].wall.shift(shift),
            Act::Stall { ms } => tokio::time::advance(Duration::from_millis(ms.into())).await,
            _ => {}
        }
    }

    pub(crate) fn machine(&self, number: u8) -> usize {
        usize::from(number) % self.machines.len()
    }

    fn role(&self, amphi: usize, who: Onlooker) -> Option<Role> {
        match who {
            Onlooker::Administrator => Some(Role::Administrator),
            Onlooker::Spectator => Some(Role::Spectator),
            Onlooker::Intern(number) => {
                let people = self.plan.world.amphis[amphi].setup.participants.len();
                Some(Role::Intern { rank: CallRank::from_index(usize::from(number) % people) })
            }
            Onlooker::Holder(nth) => {
                let state = self.oracle().book(amphi_id(amphi)).state();
                let ranks = (0..state.standings().len()).map(CallRank::from_index);
                let given = ranks.filter_map(|rank| Some((rank, state.proxy_given(rank)?.id)));
                let given: Vec<_> = given.collect();
                let (rank, proxy) = given.get(usize::from(nth) % given.len().max(1)).copied()?;
                Some(Role::Holder { rank, proxy })
            }
        }
    }

    /// The `nth` (modulo) of the devices that are `so`.
    fn nth_device(&self, nth: u8, so: impl Fn(&Device) -> bool) -> Option<usize> {
        let such: Vec<usize> = self
            .devices
            .iter()
            .enumerate()
            .filter(|(_, device)| so(device))
            .map(|(index, _)| index)
            .collect();
        such.get(usize::from(nth) % such.len().max(1)).copied()
    }

    // --- asking -----------------------------------------------------------------------------

    async fn ask(&mut self, number: u32, amphi: usize, ask: &Ask, how: How) {
        let state = self.oracle().book(amphi_id(amphi)).state();
        let setup = &self.plan.world.amphis[amphi].setup;
        let Some(command) = meant(ask, number, &state, setup) else { return };
        let former = self.oracle().book(amphi_id(amphi)).former_holder();
        let rightful = rightful(&command, &state, how == How::ByHolder);
        let (actor, command) = match (how, former) {
            (How::Wrongly, _) => (wrong(rightful), command),
            (How::ByFormerHolder, Some((rank, proxy))) => {
                (Actor::Holder { rank, proxy }, on_behalf_of(rank, command))
            }
            _ => (rightful, command),
        };
        let asked = self.note(number, amphi, actor, command);
        self.send(asked, how == How::OfTheReplaced).await;
        if how == How::Twice {
            self.send(asked, false).await;
        }
    }

    fn note(&mut self, number: u32, amphi: usize, actor: Actor, command: Command) -> usize {
        let id = command_id(self.plan.seed, number);
        self.oracle().asks(Asked { amphi: amphi_id(amphi), actor, command, id, answer: None })
    }

    /// Sends what was noted to whoever serves the amphi, or to the server that was replaced and may not
    /// know it yet. When there is nobody, it stays without an answer.
    async fn send(&mut self, index: usize, to_the_replaced: bool) {
        let asked = self.oracle().asked()[index].clone();
        let amphi = self.index_of(&asked);
        let machine = self.machine_of(amphi);
        let machine = &mut self.machines[machine];
        let server = match machine.replaced.last_mut().filter(|_| to_the_replaced) {
            Some(replaced) => Some(replaced),
            None => machine.server.as_mut(),
        };
        let Some(server) = server else { return };
        let known = server.rooms().find(|(of, room)| *of == amphi && room.is_in_service());
        let room = match known.map(|(_, room)| std::sync::Arc::clone(room)) {
            Some(room) => room,
            None => match server.room(amphi).await {
                Some(room) => room,
                None => return,
            },
        };
        let (oracle, number) = (std::sync::Arc::clone(&self.oracle), server.number);
        let submitted = room.submit(asked.actor, asked.command, Some(asked.id), move |outcome| {
            lock(&oracle).answered(index, number, outcome);
        });
        if submitted.is_err() {
            self.oracle().count("busy");
        }
    }

    fn index_of(&self, asked: &Asked) -> usize {
        (0..self.plan.world.amphis.len()).find(|index| amphi_id(*index) == asked.amphi).unwrap_or_default()
    }

    async fn resend(&mut self, back: u8, stolen: bool) {
        let count = self.oracle().asked().len();
        let Some(index) = count.checked_sub(1 + usize::from(back) % count.max(1)) else { return };
        if !stolen {
            return self.send(index, false).await;
        }
        let asked = self.oracle().asked()[index].clone();
        let thief = Asked { actor: wrong(asked.actor), answer: None, ..asked };
        let index = self.oracle().asks(thief);
        self.send(index, false).await;
    }

    /// Sends again whatever has no answer.
    pub(crate) async fn retry(&mut self) {
        let unanswered: Vec<usize> = {
            let oracle = self.oracle();
            let open = oracle.asked().iter().enumerate().filter(|(_, asked)| asked.answer.is_none());
            open.map(|(index, _)| index).collect()
        };
        for index in unanswered {
            self.oracle().count("retried");
            self.send(index, false).await;
        }
    }

    /// Asks, without waiting for the answer; its place among all that was asked.
    pub(crate) async fn ask_once(
        &mut self,
        step: u32,
        amphi: usize,
        actor: Actor,
        command: Command,
    ) -> usize {
        let asked = self.note(step, amphi, actor, command);
        self.send(asked, false).await;
        asked
    }

    /// Asks, as an administrator, until there is an answer; for the simulation's own needs.
    pub(crate) async fn insist(&mut self, amphi: usize, command: Command) -> Option<Outcome> {
        self.insist_as(amphi, ADMINISTRATOR, command).await
    }

    /// Asks, as `actor`, until there is an answer.
    pub(crate) async fn insist_as(
        &mut self,
        amphi: usize,
        actor: Actor,
        command: Command,
    ) -> Option<Outcome> {
        let number = OWN_IDS_FROM + u32::try_from(self.oracle().asked().len()).ok()?;
        let index = self.note(number, amphi, actor, command);
        for _ in 0..INSISTENCE {
            self.send(index, false).await;
            for _ in 0..LOOKS {
                if let Some((_, outcome)) = &self.oracle().asked()[index].answer {
                    return Some(outcome.clone());
                }
                self.pass(LOOK_EVERY).await;
            }
        }
        self.oracle().broken(Promise::Progress, "somebody who insists gets no answer");
        None
    }

    /// Brings an amphi as far as it is when the steps begin.
    pub(crate) async fn bring_about(&mut self, amphi: usize) {
        let planned = &self.plan.world.amphis[amphi];
        let steps = [
            (Begun::Drafted, Command::Draft(Box::new(planned.setup.clone()))),
            (Begun::Published, Command::Publish),
        ];
        for (begun, command) in steps {
            if planned.begun >= begun {
                self.insist(amphi, command).await;
            }
        }
        if planned.begun == Begun::Opened {
            self.open(amphi).await;
        }
    }

    /// Opens a session; lets those in whose accounts speak against them, and opens it then.
    pub(crate) async fn open(&mut self, amphi: usize) {
        let refused = self.insist(amphi, Command::Open).await;
        if let Some(Outcome::Refused { rejection: Rejection::Ineligible { ranks } }) = refused {
            for rank in ranks {
                let reason = "Dossier vu".to_owned();
                self.insist(amphi, Command::Admit { rank, reason }).await;
            }
            self.insist(amphi, Command::Open).await;
        }
    }

    // --- servers that go --------------------------------------------------------------------

    pub(crate) fn kill(&mut self, machine: usize, write_lands: bool, down_ms: u32) {
        let Some(server) = self.machines[machine].server.take() else { return };
        self.oracle().silence(server.number);
        for device in self.devices.iter_mut().filter(|device| device.server() == Some(server.number)) {
            device.cut_off();
        }
        server.kill(write_lands);
        self.back_in(machine, down_ms);
        self.oracle().count("crash");
    }

    async fn deploy(&mut self, machine: usize, down_ms: u32) {
        let Some(server) = self.machines[machine].server.take() else { return };
        let number = server.number;
        self.goes_out_of_service(machine);
        if !server.stop().await {
            self.oracle().broken(Promise::Progress, "a server does not stop");
        }
        for device in self.devices.iter_mut().filter(|device| device.server() == Some(number)) {
            device.disconnect();
        }
        self.back_in(machine, down_ms);
        self.oracle().count("deploy");
    }

    async fn replace(&mut self, machine: usize) {
        let Some(server) = self.machines[machine].server.take() else { return };
        server.lose_the_lock();
        self.oracle().replaced(server.number);
        self.machines[machine].replaced.push(server);
        self.start_server(machine).await;
        self.oracle().count("replaced");
    }

    fn goes_out_of_service(&self, machine: usize) {
        for amphi in (0..self.plan.world.amphis.len()).filter(|amphi| self.machine_of(*amphi) == machine) {
            self.oracle().out_of_service(amphi_id(amphi));
        }
    }

    fn back_in(&mut self, machine: usize, ms: u32) {
        self.goes_out_of_service(machine);
        self.machines[machine].back_at = Some(Instant::now() + Duration::from_millis(ms.into()));
    }
}

/// How often a command is sent again by whoever insists…
const INSISTENCE: usize = 20;
/// …and how many times an answer is looked for in between, and how often.
const LOOKS: usize = 400;
const LOOK_EVERY: Duration = Duration::from_millis(50);
