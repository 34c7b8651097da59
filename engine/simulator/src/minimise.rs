//! From a plan that breaks a promise to a small one that breaks the same promise.
//!
//! Delta debugging: halves, quarters and so on of the steps are left out as long as the promise stays
//! broken; then amphis, people, posts and whatever else the world has is taken away, and then steps again.

use crate::oracle::Promise;
use crate::plan::{Act, Ask, Clockwork, How, Plan, When};
use crate::simulation::run;

/// A smaller plan that breaks the same promise; `None` when `plan` breaks none.
pub fn minimise(plan: Plan) -> Option<Plan> {
    let promise = broken_by(&plan)?;
    let mut smallest = plan;
    loop {
        let before = size(&smallest);
        leave_out_steps(&mut smallest, promise);
        simplify_world(&mut smallest, promise);
        simplify_steps(&mut smallest, promise);
        if size(&smallest) == before {
            return Some(smallest);
        }
    }
}

fn broken_by(plan: &Plan) -> Option<Promise> {
    run(plan, false).err().map(|violation| violation.promise)
}

/// Takes `smaller` for `plan` if it breaks the same promise.
fn take(plan: &mut Plan, smaller: Plan, promise: Promise) -> bool {
    let breaks = smaller != *plan && broken_by(&smaller) == Some(promise);
    if breaks {
        *plan = smaller;
    }
    breaks
}

/// How much there is to read.
fn size(plan: &Plan) -> usize {
    serde_json::to_string(plan).map_or(usize::MAX, |text| text.len())
}

fn leave_out_steps(plan: &mut Plan, promise: Promise) {
    let mut length = plan.steps.len().div_ceil(2);
    while length > 0 {
        let mut from = 0;
        while from < plan.steps.len() {
            let mut smaller = plan.clone();
            smaller.steps.drain(from..(from + length).min(plan.steps.len()));
            if !take(plan, smaller, promise) {
                from += length;
            }
        }
        length = if length == 1 { 0 } else { length.div_ceil(2) };
    }
}

fn simplify_world(plan: &mut Plan, promise: Promise) {
    let mut attempt = |change: &dyn Fn(&mut Plan)| {
        let mut smaller = plan.clone();
        change(&mut smaller);
        take(plan, smaller, promise);
    };
    attempt(&|plan| plan.world.servers = 1);
    attempt(&|plan| plan.world.clockwork = Clockwork::Steady);
    attempt(&|plan| plan.world.ineligible.clear());
    for amphi in (0..plan.world.amphis.len()).rev() {
        without_amphi(plan, amphi, promise);
    }
    for amphi in 0..plan.world.amphis.len() {
        let participants = plan.world.amphis[amphi].setup.participants.len();
        let posts = plan.world.amphis[amphi].setup.posts.len();
        let mut attempt = |change: &dyn Fn(&mut amphi_engine::core::Setup)| {
            let mut smaller = plan.clone();
            change(&mut smaller.world.amphis[amphi].setup);
            take(plan, smaller, promise);
        };
        for index in (0..participants).rev() {
            attempt(&|setup| drop((setup.participants.len() > 1).then(|| setup.participants.remove(index))));
        }
        for index in (0..posts).rev() {
            attempt(&|setup| drop((setup.posts.len() > 1).then(|| setup.posts.remove(index))));
        }
        attempt(&|setup| setup.policies = amphi_engine::core::Policies::default());
        attempt(&|setup| setup.participants.iter_mut().for_each(|p| p.supernumerary = None));
        attempt(&|setup| setup.participants.iter_mut().for_each(|p| p.extra_time_percent = 0));
    }
}

/// Without an amphi, and without what was asked of it; steps name amphis modulo how many there are.
fn without_amphi(plan: &mut Plan, index: usize, promise: Promise) {
    let count = plan.world.amphis.len();
    if count < 2 {
        return;
    }
    let mut smaller = plan.clone();
    smaller.world.amphis.remove(index);
    let renamed = |amphi: u8| {
        let named = usize::from(amphi) % count;
        u8::try_from(if named > index { named - 1 } else { named }).unwrap_or(0)
    };
    smaller.steps.retain(|step| match &step.act {
        Act::Ask { amphi, .. } | Act::Connect { amphi, .. } => usize::from(*amphi) % count != index,
        _ => true,
    });
    for step in &mut smaller.steps {
        if let Act::Ask { amphi, .. } | Act::Connect { amphi, .. } = &mut step.act {
            *amphi = renamed(*amphi);
        }
        if let When::AroundDeadline { amphi, .. } | When::AroundAnnouncedEnd { amphi, .. } = &mut step.when {
            *amphi = renamed(*amphi);
        }
    }
    take(plan, smaller, promise);
}

fn simplify_steps(plan: &mut Plan, promise: Promise) {
    for index in 0..plan.steps.len() {
        let mut attempt = |change: &dyn Fn(&mut crate::plan::Step)| {
            let mut smaller = plan.clone();
            change(&mut smaller.steps[index]);
            take(plan, smaller, promise);
        };
        attempt(&|step| step.when = When::After(0));
        attempt(&|step| {
            if let Act::Ask { how, .. } = &mut step.act {
                *how = How::Properly;
            }
        });
        attempt(&|step| {
            if let Act::Ask { ask: Ask::SetWishes(_, wishes, _), .. } = &mut step.act {
                wishes.truncate(1);
            }
        });
    }
}
