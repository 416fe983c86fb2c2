//! Members that serve users of etcd's only, of whom the operator is none.
//!
//! Authentication came back with a restored backup, or a person switched it on. Then nothing can be
//! asked and nothing changed, and neither is a reason to touch a member: clients that sign in are
//! served. A person lets the operator in, and it goes on by itself.

use crate::loss::Loss;
use crate::{Desired, Observed, Phase, Plan, PodState, Recheck, quorum};

const READY: PodState = PodState::Locked { ready: true };

/// A quorum serves its users, so that nobody but the operator misses an answer.
pub(crate) fn quorum_serves(desired: &Desired, observed: &Observed, loss: &Loss) -> Option<Plan> {
    let serves = |number: &u32| {
        is_locked(observed, *number)
            && observed.pods.get(number).is_some_and(|pod| pod.state == READY)
    };
    let mut locked = loss.left.iter().copied().filter(serves);
    let first = locked.next()?;
    if 1 + locked.count() < quorum(loss.voters) {
        return None;
    }
    Some(wait(desired, first, "clients that sign in are served"))
}

/// What a restored first member waits for whose backup had authentication on.
pub(crate) fn first_member(desired: &Desired, observed: &Observed, number: u32) -> Option<Plan> {
    let name = desired.cluster.member(number);
    let so = format!("{name} is restored, and no client is led to it yet");
    is_locked(observed, number).then(|| wait(desired, number, &so))
}

/// What a person can do so that nobody is waited for any more of whom it is not known how far its
/// data goes. Whoever asks for a user never tells: signing in takes a quorum, and so does switching
/// authentication off. Its data is as good as any, and may be all that there is.
pub(crate) fn advice(desired: &Desired, observed: &Observed, silent: &[u32]) -> String {
    let mut locked = silent.iter().copied().filter(|number| is_locked(observed, *number));
    let Some(number) = locked.next() else {
        return "to declare one lost, delete its pod, and if its node is not ready, the Node"
            .into();
    };
    let name = desired.cluster.member(number);
    format!(
        "{name} never will, since nobody signs in without a quorum: do not delete its pod, but copy \
         the file member/snap/db out of its data directory and restore that into a new cluster"
    )
}

fn is_locked(observed: &Observed, number: u32) -> bool {
    observed
        .pods
        .get(&number)
        .is_some_and(|pod| matches!(pod.state, PodState::Locked { .. }) && !pod.terminating)
}

fn wait(desired: &Desired, number: u32, so: &str) -> Plan {
    let (name, namespace) = (desired.cluster.member(number), &desired.cluster.namespace);
    let message = format!(
        "etcd's authentication is on and the operator is no user of it: {so}; nothing is changed and \
         no backup is taken until it is off: `kubectl -n {namespace} exec -it {name} -c etcd -- \
         etcdctl --user=root auth disable`"
    );
    Plan::wait(Phase::Failed, Recheck::Later, message)
}
