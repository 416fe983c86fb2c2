//! Whether a pod that is not there any more has really ended.
//!
//! A pod whose object was deleted by force may run on, and a node that was just cut off is called Ready
//! for most of a minute. So without a quorum a member counts as gone only once its node has reported
//! after the pod was missed: the kubelet reads what was deleted, and kills it. Nodes report every ten
//! seconds, by a Lease each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::{Api, Client, ResourceExt};
use planner::NodeState;

use super::Sight;
use crate::call::within;
use crate::clock;
use crate::error::Error;

/// Where Kubernetes keeps the Leases of nodes.
const NODE_LEASES: &str = "kube-node-lease";

/// A node's report; none if it has no Lease.
type Report = Option<MicroTime>;

/// The nodes' last reports at the time at which members were first missed, by UID of the cluster and
/// number. Comfort: after a restart one more report is waited for.
#[derive(Default)]
pub struct Absences {
    missed: Mutex<HashMap<(String, u32), Report>>,
}

impl Absences {
    /// Forgets all clusters but these.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.retain(|(uid, _), _| is_there(uid));
    }

    /// Counts the nodes of members that are missed as away until they have reported since. Of no
    /// meaning while a quorum answers: that decides without those who are missed.
    pub async fn doubt(&self, sight: &mut Sight, client: &Client) -> Result<(), Error> {
        let uid = sight.cluster.uid().unwrap_or_default();
        if sight.members().is_some() || !sight.observed.has_served() {
            self.keep(|other| other != uid);
            return Ok(());
        }
        let missed = missed(sight);
        self.forget_who_is_back(&uid, |number| missed.iter().any(|(other, _)| *other == number));
        for (number, node) in missed {
            let leases: Api<Lease> = Api::namespaced(client.clone(), NODE_LEASES);
            let lease = within("reading a node's Lease", leases.get_opt(&node)).await?;
            let report = lease.and_then(|lease| lease.spec?.renew_time);
            if self.has_reported_since(&uid, number, report.as_ref()) {
                continue;
            }
            if let Some(seen) = sight.observed.record.members.get_mut(&number) {
                seen.node = NodeState::Away(clock::now());
            }
        }
        Ok(())
    }

    /// A pod that was found again, by its name or in a cache that lagged, is missed anew if it vanishes then:
    /// what its node reported in between says nothing of that.
    fn forget_who_is_back(&self, uid: &str, is_missed: impl Fn(u32) -> bool) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.retain(|(other, number), _| other != uid || is_missed(*number));
    }

    /// Whether this report is another than the one at the time at which the member was first missed.
    fn has_reported_since(&self, uid: &str, number: u32, report: Option<&MicroTime>) -> bool {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (uid.to_owned(), number);
        let first = missed.entry(key).or_insert_with(|| report.cloned());
        report.is_some() && first.as_ref() != report
    }
}

/// Members without a pod on nodes that are said to be ready, with the node's name. One whose pod was
/// never on a node cannot run.
fn missed(sight: &Sight) -> Vec<(u32, String)> {
    let rows = sight.cluster.status.iter().flat_map(|status| &status.member_statuses);
    let on_ready_node = |number: &u32| {
        let seen = sight.observed.record.members.get(number);
        seen.is_some_and(|seen| seen.node == NodeState::Ready)
            && !sight.observed.pods.contains_key(number)
    };
    rows.filter_map(|row| Some((sight.name.number(&row.name)?, row.node.clone()?)))
        .filter(|(number, _)| on_ready_node(number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(second: i64) -> MicroTime {
        MicroTime(jiff::Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn a_member_is_gone_once_its_node_has_reported_after_it_was_missed() {
        let absences = Absences::default();
        assert!(!absences.has_reported_since("u-1", 2, Some(&report(100))), "missed just now");
        assert!(!absences.has_reported_since("u-1", 2, Some(&report(100))), "no report since");
        assert!(
            !absences.has_reported_since("u-1", 3, Some(&report(110))),
            "another member is missed"
        );
        assert!(absences.has_reported_since("u-1", 2, Some(&report(110))));
        assert!(absences.has_reported_since("u-1", 2, Some(&report(120))), "it stays gone");
    }

    #[test]
    fn a_node_without_reports_proves_nothing() {
        let absences = Absences::default();
        assert!(!absences.has_reported_since("u-1", 2, None));
        assert!(!absences.has_reported_since("u-1", 2, None));
        assert!(absences.has_reported_since("u-1", 2, Some(&report(100))), "it began to report");
        assert!(!absences.has_reported_since("u-1", 2, None), "it ended to");
    }

    #[test]
    fn a_member_that_was_back_for_a_moment_is_missed_anew_and_others_are_not() {
        let absences = Absences::default();
        for (uid, number) in [("u-1", 2), ("u-1", 3), ("u-2", 2)] {
            absences.has_reported_since(uid, number, Some(&report(100)));
        }
        absences.forget_who_is_back("u-1", |number| number == 3);
        let is_gone = |uid, number| absences.has_reported_since(uid, number, Some(&report(110)));
        assert!(!is_gone("u-1", 2), "its node has not reported since");
        assert!(is_gone("u-1", 3) && is_gone("u-2", 2));
    }

    #[test]
    fn what_was_missed_once_is_missed_anew_after_it_was_back() {
        let absences = Absences::default();
        absences.has_reported_since("u-1", 2, Some(&report(100)));
        absences.keep(|uid| uid != "u-1");
        assert!(!absences.has_reported_since("u-1", 2, Some(&report(110))));
    }
}
