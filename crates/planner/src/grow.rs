//! More members: pods that wait behind their guard, then membership without a vote.
//!
//! The pod comes first and its name is published before etcd is told: the leader dials a new
//! member at once, and a name that does not resolve yet stays unresolvable for as long as DNS
//! caches that (`docs/architecture.md`, Joining).

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::bootstrap::FAILED_FOR;
use crate::steady::Reasoned;
use crate::view::View;
use crate::{NodeState, Pod, PodState, Role, Step, quorum};

/// How many pods are made ready ahead of their turn, so that scheduling and pulling an image is
/// not waited for again and again. Each one more would be made anew when the membership changes.
const PREPARED: usize = 2;

/// A learner that has run for longer than this gets its vote before another joins beside it.
const PAIRED_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// Adds the next waiting pod to the membership, or prepares another pod.
pub(crate) fn step(view: &View<'_>) -> Option<Reasoned> {
    let waiting = may_grow(view).then(|| waiting(view))?;
    add(view, &waiting).or_else(|| prepare(view, waiting))
}

/// Adds the second of two learners before the first gets its vote: for five seconds after that
/// etcd refuses to add another (`unhealthy cluster`: its voters have not been connected for so
/// long). Only from an odd number of voters, since the fourth tolerates no more than three do; and
/// only for a while, so that a refusal that stays keeps nobody from its vote.
pub(crate) fn second(view: &View<'_>) -> Option<Reasoned> {
    let fresh = |state: &PodState| match state {
        PodState::Running { since, .. } => view.now.duration_since(*since) < PAIRED_WITHIN,
        _ => false,
    };
    let mut learners = view.learners().map(|learner| view.pod(learner));
    let is_first = view.voters().count() % 2 == 1 && view.learners().count() == 1;
    let is_fresh = learners.all(|pod| pod.is_some_and(|pod| fresh(&pod.state)));
    let waiting = (is_first && is_fresh && may_grow(view)).then(|| waiting(view))?;
    add(view, &waiting)
}

fn may_grow(view: &View<'_>) -> bool {
    view.count() < view.desired.size && view.all().all(|member| member.number.is_some())
}

fn add(view: &View<'_>, waiting: &BTreeSet<u32>) -> Option<Reasoned> {
    let learners = view.learners().count();
    // A member that has not started reads the membership when it does: it must not change before.
    if learners >= view.members.learner_limit || view.all().any(|member| !member.started) {
        return None;
    }
    let number = *waiting.first()?;
    view.observed.pods.get(&number).filter(|pod| is_ready(pod))?;
    if !admits(view) {
        return None;
    }
    let why = format!("adding {} as a learner", view.desired.cluster.member(number));
    Some((Step::AddLearner { number }, why))
}

/// etcd's own rule, so that it is not asked in vain: the voters that are connected hold the quorum
/// of a membership that counts the new one as down. (`isConnectedToQuorumAfterAddingNewMemberSince`
/// of 3.5.35, 3.6.16 and 3.7.3 in `etcdserver/util.go`; older ones want every voter connected.)
fn admits(view: &View<'_>) -> bool {
    let voters = view.voters().count();
    voters == 1 || view.healthy_voters() >= quorum(voters + 1)
}

fn is_ready(pod: &Pod) -> bool {
    pod.published && pod.state == PodState::Gated
}

fn prepare(view: &View<'_>, waiting: BTreeSet<u32>) -> Option<Reasoned> {
    if waiting.len() >= PREPARED || view.count() + waiting.len() >= view.desired.size {
        return None;
    }
    let number = view.observed.next_number()?;
    let mut initial = view.numbers();
    initial.extend(waiting);
    initial.insert(number);
    let why = format!("creating pod {}", view.desired.cluster.member(number));
    Some((Step::CreateJoiner { number, initial }, why))
}

/// The pods that wait for their turn, each made for the membership that it will find: the one
/// there is, and those before it. Any other pod that is no member has no future.
pub(crate) fn waiting(view: &View<'_>) -> BTreeSet<u32> {
    let mut expected = view.numbers();
    let wanted = view.desired.size.saturating_sub(view.count());
    let members = expected.clone();
    let mut waiting = BTreeSet::new();
    for (number, pod) in &view.observed.pods {
        if members.contains(number) || waiting.len() >= wanted || !can_join(view, pod) {
            continue;
        }
        let Role::Joiner(initial) = &pod.role else { continue };
        let mut with_it = expected.clone();
        with_it.insert(*number);
        if *initial == with_it {
            expected = with_it;
            waiting.insert(*number);
        }
    }
    waiting
}

/// It has not started etcd yet and nothing says that it never will. One that fails is kept for a
/// while: what fails for a reason that stays would otherwise be made anew without end.
fn can_join(view: &View<'_>, pod: &Pod) -> bool {
    let within = |since, limit: SignedDuration| view.now.duration_since(since) < limit;
    let waits = match &pod.state {
        PodState::Pending(_) | PodState::Gated => true,
        PodState::Failed(since) => within(*since, FAILED_FOR),
        PodState::CrashLooping(since) => within(*since, view.desired.replace_after),
        PodState::Outdated
        | PodState::DataLost
        | PodState::RestoreRefused(_)
        | PodState::Locked { .. }
        | PodState::Unlabelled
        | PodState::Corrupt
        | PodState::Running { .. } => false,
    };
    let node = matches!(pod.node, NodeState::Ready | NodeState::Unknown);
    node && waits && !pod.terminating && !pod.marked
}

/// What the next waiting pod is waiting for.
pub(crate) fn waits(view: &View<'_>) -> Option<String> {
    let number = *waiting(view).first()?;
    let name = view.desired.cluster.member(number);
    let pod = view.observed.pods.get(&number)?;
    Some(match &pod.state {
        PodState::Pending(why) => format!("waiting for pod {name}: {why}"),
        PodState::Failed(_) => format!("pod {name} failed before it joined and is made anew"),
        PodState::CrashLooping(_) => {
            format!("pod {name} crash-loops before it joined; see its log")
        }
        _ if !pod.published => format!("waiting until the name of {name} is published"),
        _ => format!("{name} joins when its turn comes"),
    })
}
