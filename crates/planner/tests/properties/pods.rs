//! What each step on a pod takes for granted.

use planner::{Membership, PodState, Role, Step};
use proptest::prelude::*;

use crate::arbitrary::sight;
use crate::config;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_new_number_is_above_every_one_that_was_used(sight in sight()) {
        if let Some(Step::CreateSeed { number, .. } | Step::CreateJoiner { number, .. }) = sight.step() {
            prop_assert!(sight.used().iter().all(|used| *used < number));
            prop_assert!(number >= sight.observed.record.next_number);
        }
    }

    #[test]
    fn a_joiner_is_made_for_the_members_and_itself(sight in sight()) {
        let Some(Step::CreateJoiner { number, initial }) = sight.step() else { return Ok(()) };
        prop_assert!(initial.contains(&number));
        prop_assert!(initial.is_superset(&sight.numbers()));
        prop_assert!(initial.len() <= sight.desired.size);
        let others = initial.iter().filter(|other| **other != number);
        let pods = &sight.observed.pods;
        prop_assert!(others.into_iter().all(|n| sight.numbers().contains(n) || pods.contains_key(n)));
    }

    /// Whatever is added can start at once, by a name that can be looked up.
    #[test]
    fn only_a_pod_that_waits_for_just_this_is_added(sight in sight()) {
        let Some(Step::AddLearner { number }) = sight.step() else { return Ok(()) };
        let pod = sight.observed.pods.get(&number).expect("the pod comes first");
        let mut after = sight.numbers();
        prop_assert!(after.insert(number), "a member already");
        prop_assert_eq!(&pod.role, &Role::Joiner(after.clone()));
        prop_assert_eq!(&pod.state, &PodState::Gated);
        prop_assert!(pod.published && !pod.terminating && !pod.marked);
        prop_assert!(after.len() <= sight.desired.size);
        let members = sight.members().expect("a membership");
        prop_assert!(members.members.iter().all(|member| member.number.is_some()));
    }

    #[test]
    fn only_what_is_there_is_deleted(sight in sight()) {
        let Some(Step::DeletePod { number }) = sight.step() else { return Ok(()) };
        let pod = sight.observed.pods.get(&number).expect("a pod");
        prop_assert!(!pod.terminating);
        prop_assert!(sight.may_hold_data() || !pod.marked);
    }

    #[test]
    fn only_a_member_that_holds_data_is_marked(sight in sight()) {
        let Some(Step::MarkServed { number }) = sight.step() else { return Ok(()) };
        let pod = sight.observed.pods.get(&number).expect("a pod");
        prop_assert!(!pod.marked && !pod.terminating);
        let members = sight.members().expect("a membership");
        let member = members.members.iter().find(|member| member.number == Some(number));
        let member = member.expect("a member");
        let is_restored = number >= sight.first();
        prop_assert!(member.started || !sight.may_hold_data() || is_restored);
    }

    /// What is recorded as this cluster is not just anybody who answered.
    #[test]
    fn only_a_cluster_in_pods_of_ours_is_recorded(sight in sight()) {
        let Some(Step::RecordServed { cluster_id }) = sight.step() else { return Ok(()) };
        let members = sight.members().expect("a membership");
        prop_assert_eq!(members.cluster_id, cluster_id);
        let (pods, record) = (&sight.observed.pods, &sight.observed.record);
        let answers = |marked| pods.iter().any(|(number, pod)| {
            members.numbers().contains(number) && pod.marked == marked && !pod.terminating
        });
        match record.cluster_id {
            Some(known) => prop_assert!(known == cluster_id && !record.served),
            None => prop_assert!(answers(true) || record.served && answers(false)),
        }
    }

    /// The rules above are empty if nothing is ever done.
    #[test]
    fn a_well_cluster_is_left_alone(size in 1..=7u32, waits in any::<bool>()) {
        let mut sight = crate::plausible::well(size);
        if waits {
            sight.observed.membership = Membership::Unknown;
        }
        prop_assert_eq!(sight.step(), None);
    }
}
