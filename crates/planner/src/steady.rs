//! A cluster that serves: the order in which its needs are met.
//!
//! First it is written down what must never be forgotten. Then pods that belong to nobody go, so
//! that a removed member is gone before the next one is; then members that are too many, then
//! those that do not come back. Then learners get their vote: after the removals, because etcd
//! refuses a learner that is not in sync for as long as it is not, and nothing must wait for that.
//! Last, new ones join; only the second of two that join side by side comes before the first one's
//! vote. Each concern looks at the same [`View`] and may give one step.

use jiff::Timestamp;

use crate::verdict::Verdict;
use crate::view::View;
use crate::{
    Desired, Member, Members, Observed, Phase, Plan, Pod, Recheck, Step, grow, quorum, replace,
    shrink,
};

pub(crate) fn plan(
    desired: &Desired,
    observed: &Observed,
    members: &Members,
    now: Timestamp,
) -> Plan {
    let view = View { desired, observed, members, now };
    let phase = phase(&view);
    let step = record_served(&view)
        .or_else(|| mark(&view))
        .or_else(|| replace::orphan(&view))
        .or_else(|| shrink::step(&view))
        .or_else(|| replace::step(&view))
        .or_else(|| grow::second(&view))
        .or_else(|| promote(&view))
        .or_else(|| grow::step(&view));
    match step {
        Some((step, why)) => Plan::act(phase, step, why),
        None => settled(&view, phase),
    }
}

/// A step and the sentence that explains it.
pub(crate) type Reasoned = (Step, String);

/// The status was lost, or a crash came between the mark and the record.
fn record_served(view: &View<'_>) -> Option<Reasoned> {
    let cluster_id = view.members.cluster_id;
    let known = view.observed.record.served && view.observed.record.cluster_id.is_some();
    let why = "recording that the cluster serves";
    (!known).then(|| (Step::RecordServed { cluster_id }, why.to_owned()))
}

/// From its start on a member holds data, and its guard must know.
fn mark(view: &View<'_>) -> Option<Reasoned> {
    let unmarked = |pod: &Pod| !pod.marked && !pod.terminating;
    let member =
        view.own().find(|member| member.started && view.pod(member).is_some_and(unmarked))?;
    let why = format!("marking that {} holds data", view.name(member));
    Some((Step::MarkServed { number: member.number? }, why))
}

fn promote(view: &View<'_>) -> Option<Reasoned> {
    let (voters, healthy) = (view.voters().count(), view.healthy_voters());
    if voters >= view.desired.size || healthy + 1 < quorum(voters + 1) {
        return None;
    }
    let ready = |member: &&Member| member.started && view.verdict(member) == Verdict::Fine;
    let member = view.learners().find(ready)?;
    let why = format!("giving {} its vote once it is in sync", view.name(member));
    Some((Step::Promote { id: member.id, number: member.number? }, why))
}

fn phase(view: &View<'_>) -> Phase {
    let reached = view.observed.record.reached_size;
    let whole = view.voters().count() == view.desired.size && view.learners().count() == 0;
    let fine = |member| view.verdict(member) == Verdict::Fine && view.is_healthy(member);
    if whole && view.all().all(fine) {
        Phase::Running
    } else if reached == 0 {
        Phase::Creating
    } else if reached == view.desired.size && !shrink::is_too_many(view) {
        Phase::Healing
    } else {
        Phase::Scaling
    }
}

/// Nothing to do now: all is well, or the sentence says what is waited for.
fn settled(view: &View<'_>, phase: Phase) -> Plan {
    let mut waits: Vec<String> = view.all().filter_map(|member| trouble(view, member)).collect();
    waits.extend(grow::waits(view));
    let (voters, size) = (view.voters().count(), view.desired.size);
    if waits.is_empty() && phase == Phase::Running {
        let all = if size == 1 { "the only member is" } else { &format!("all {size} members are") };
        return Plan::wait(phase, Recheck::AtRest, format!("{all} healthy"));
    }
    waits.extend(shrink::wait(view));
    if waits.is_empty() {
        waits.push(format!("{voters} of {size} members vote"));
    }
    let joining = view.count() < size || view.learners().next().is_some();
    let recheck = if joining { Recheck::Soon } else { Recheck::Later };
    Plan::wait(phase, recheck, waits.join("; "))
}

fn trouble(view: &View<'_>, member: &Member) -> Option<String> {
    let name = view.name(member);
    match view.verdict(member) {
        Verdict::Fine => None,
        Verdict::Unwell(_) if member.learner && !member.started => {
            Some(format!("waiting for {name} to start"))
        }
        Verdict::Unwell(why) => Some(format!("{name}: {why}")),
        Verdict::Ailing { why, until } => Some(format!(
            "{name}: {why}; it is replaced at {} unless it is back before",
            until.strftime("%H:%M:%SZ")
        )),
        Verdict::Replace(why) => Some(format!(
            "{name}: {why}; it is replaced as soon as the other members hold a healthy quorum"
        )),
        Verdict::Foreign => Some(format!(
            "{name} was not added by the operator, so no member is added beside it: remove it \
             with `etcdctl member remove {:x}`",
            member.id
        )),
    }
}
