//! What etcd says: each member of itself, and one of them, linearizably, of the membership.
//!
//! Members are dialled by pod IP: looking up a name before it is published makes DNS remember that
//! it does not exist.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use etcd::{
    Alarm, AlarmKind, ClusterId, Endpoint, MemberClient, MemberList, MemberStatus, Timeouts,
};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use planner::name::ClusterName;
use planner::version::Version;
use planner::{Members, Membership};

use super::pods::is_marked;
use crate::build::{ETCD_CONTAINER, GUARD_CONTAINER};

/// How many members are asked for the list before the membership counts as unknown.
const READERS: usize = 3;

/// What one member says of itself.
pub struct Answer {
    /// The connection to it, if there is one.
    pub client: Option<MemberClient>,
    /// Its status.
    pub status: Result<MemberStatus, etcd::Error>,
}

/// What etcd says.
pub struct EtcdView {
    /// By member number: the pods that were asked.
    pub answers: BTreeMap<u32, Answer>,
    /// The linearizable member list and the connection that gave it.
    pub list: Option<(MemberList, MemberClient)>,
}

impl EtcdView {
    /// Asks the members behind these pods. Ends within ten seconds whatever they do. Members of
    /// the etcd cluster `known` are preferred: an IP may belong to somebody else by now.
    pub async fn ask(
        pods: &BTreeMap<u32, Arc<Pod>>,
        name: &ClusterName,
        known: Option<ClusterId>,
    ) -> Self {
        let asked = pods.iter().filter_map(|(&number, pod)| Some((number, address(pod)?)));
        let answers = asked.map(|(number, ip)| async move {
            (number, Box::pin(ask_one(&ip, &name.host(number))).await)
        });
        let answers: BTreeMap<u32, Answer> = join_all(answers).await.into_iter().collect();
        let list = read_list(&answers, pods, known).await;
        Self { answers, list }
    }

    /// The leader's member ID, as the member sees it that gave the list.
    pub fn leader(&self) -> Option<u64> {
        let (list, _) = self.list.as_ref()?;
        let statuses = self.answers.values().filter_map(|answer| answer.status.as_ref().ok());
        let reader = statuses.into_iter().find(|status| status.member_id == list.answered_by)?;
        Some(reader.leader?.0)
    }

    /// The same in the form that decisions are made on.
    pub fn membership(&self, name: &ClusterName) -> Membership {
        let Some((list, _)) = &self.list else { return Membership::Unknown };
        let leader = self.leader();
        let read = |member: &etcd::Member| self.member(member, name, list, leader);
        let members: Vec<planner::Member> = list.members.iter().map(read).collect();
        Membership::Known(Members {
            cluster_id: list.cluster_id.0,
            leader,
            learner_limit: self.learner_limit(&members),
            members,
        })
    }

    /// The alarms of the etcd cluster, as far as its members tell of them.
    pub fn alarms(&self, known: Option<ClusterId>) -> BTreeSet<Alarm> {
        let cluster = known.or(self.list.as_ref().map(|(list, _)| list.cluster_id));
        let statuses = self.answers.values().filter_map(|answer| answer.status.as_ref().ok());
        let ours = statuses.filter(|status| Some(status.cluster_id) == cluster);
        ours.flat_map(MemberStatus::alarms).collect()
    }

    /// Whether somebody says that this member's data is not what it should be.
    pub fn is_corrupt(&self, number: u32) -> bool {
        let status = self.answers.get(&number).and_then(|answer| answer.status.as_ref().ok());
        status.is_some_and(|status| {
            let alarm = Alarm { member_id: status.member_id, kind: AlarmKind::Corrupt };
            self.alarms(Some(status.cluster_id)).contains(&alarm)
        })
    }

    /// Whether this member's etcd answers that it serves users only, of whom we are none.
    pub fn asks_for_user(&self, number: u32) -> bool {
        let status = self.answers.get(&number).map(|answer| &answer.status);
        matches!(status, Some(Err(etcd::Error::AuthRequired(_))))
    }

    /// How far the data goes of the members that answer and see no leader, of the etcd cluster that
    /// is `known`. A learner stands for no election and so never notices that its leader is gone:
    /// what counts is that nobody says that it leads. One whose data is known to be wrong does not
    /// count.
    pub fn stranded(&self, known: Option<ClusterId>) -> BTreeMap<u32, i64> {
        let revision = |answer: &Answer| {
            let status = answer.status.as_ref().ok()?;
            let is_ours = known.is_none_or(|known| status.cluster_id == known);
            let is_led = status.leader.is_some() && (!status.is_learner || self.leads(status));
            (is_ours && !is_led).then_some(status.revision)
        };
        let trusted = self.answers.iter().filter(|(number, _)| !self.is_corrupt(**number));
        trusted.filter_map(|(&number, one)| Some((number, revision(one)?))).collect()
    }

    /// Whether the leader that this member names says so itself.
    fn leads(&self, of: &MemberStatus) -> bool {
        let mut others = self.answers.values().filter_map(|answer| answer.status.as_ref().ok());
        others.any(|one| of.leader == Some(one.member_id) && one.leader == of.leader)
    }

    fn member(
        &self,
        member: &etcd::Member,
        name: &ClusterName,
        list: &MemberList,
        leader: Option<u64>,
    ) -> planner::Member {
        let number = self.number(member, name, list.cluster_id);
        let answer = number.and_then(|number| self.answers.get(&number));
        let status = answer.and_then(|answer| answer.status.as_ref().ok());
        let healthy = status.is_some_and(|status| {
            status.member_id == member.id
                && status.cluster_id == list.cluster_id
                && status.leader.map(|id| id.0) == leader
                && leader.is_some()
        });
        let healthy = healthy && !number.is_some_and(|number| self.is_corrupt(number));
        let started = !member.name.is_empty();
        planner::Member { id: member.id.0, number, started, learner: member.is_learner, healthy }
    }

    /// By any of its peer URLs, since a person may have added one; or else it is the one that answers
    /// with its ID. A voter that counted as somebody else's would lose its pod.
    fn number(&self, member: &etcd::Member, name: &ClusterName, cluster: ClusterId) -> Option<u32> {
        let by_url = member.peer_urls.iter().find_map(|url| name.number_of_peer_url(url));
        let is_it = |answer: &Answer| {
            let status = answer.status.as_ref();
            status.is_ok_and(|own| own.member_id == member.id && own.cluster_id == cluster)
        };
        let by_id = || self.answers.iter().find(|(_, answer)| is_it(answer)).map(|(&n, _)| n);
        by_url.or_else(by_id)
    }

    /// Two learners side by side only when every member says that it is 3.6 or later.
    fn learner_limit(&self, members: &[planner::Member]) -> usize {
        let admits = |member: &planner::Member| {
            let answer = member.number.and_then(|number| self.answers.get(&number));
            let version =
                answer.and_then(|answer| answer.status.as_ref().ok()?.version.parse().ok());
            !member.started || version.is_some_and(|version: Version| version.admits_two_learners())
        };
        if members.iter().all(admits) { 2 } else { 1 }
    }
}

async fn ask_one(ip: &str, host: &str) -> Answer {
    let endpoint = Endpoint {
        url: format!("http://{}", host_port(ip, api::ports::CLIENT)),
        server_name: Some(host.to_owned()),
    };
    match MemberClient::connect(&endpoint, &Timeouts::default()).await {
        Ok(client) => Answer { status: client.status().await, client: Some(client) },
        Err(error) => Answer { client: None, status: Err(error) },
    }
}

/// An address with its port as URLs want it: IPv6 in brackets.
pub fn host_port(ip: &str, port: u16) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

/// Reads the member list from a voter that sees a leader: of the etcd cluster that is known, or
/// else one that is known to hold data; from the leader itself if it answers.
async fn read_list(
    answers: &BTreeMap<u32, Answer>,
    pods: &BTreeMap<u32, Arc<Pod>>,
    known: Option<ClusterId>,
) -> Option<(MemberList, MemberClient)> {
    let mut readers: Vec<(u32, &MemberClient, &MemberStatus)> = answers
        .iter()
        .filter_map(|(&number, answer)| {
            Some((number, answer.client.as_ref()?, answer.status.as_ref().ok()?))
        })
        .filter(|(_, _, status)| !status.is_learner && status.leader.is_some())
        .collect();
    readers.sort_by_key(|(number, _, status)| {
        let stranger = known.is_some_and(|known| status.cluster_id != known);
        let unmarked = !pods.get(number).is_some_and(|pod| is_marked(pod));
        (stranger, unmarked, status.leader != Some(status.member_id), *number)
    });
    for (_, client, _) in readers.into_iter().take(READERS) {
        match client.member_list().await {
            Ok(list) => return Some((list, client.clone())),
            Err(error) => tracing::debug!(%error, "no linearizable member list"),
        }
    }
    None
}

/// The IP of a pod whose etcd may be running. The kubelet reports a container's start up to a
/// second late, so only a guard that is known to be at work says that there is nothing to ask.
fn address(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let ip = status.pod_ip.clone().filter(|ip| !ip.is_empty())?;
    let joins = kube::ResourceExt::annotations(pod).get(api::annotations::ROLE)
        != Some(&api::annotations::ROLE_SEED.to_owned());
    let guard = status.init_container_statuses.iter().flatten().find(|c| c.name == GUARD_CONTAINER);
    let gated =
        guard.is_some_and(|guard| guard.state.as_ref().is_some_and(|s| s.running.is_some()));
    let ended = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
    let started = status.container_statuses.iter().flatten().any(|container| {
        let running = container.state.as_ref().is_some_and(|state| state.running.is_some());
        container.name == ETCD_CONTAINER && running
    });
    (!ended && (started || !(joins && gated))).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd::MemberId;

    const CLUSTER: ClusterId = ClusterId(0xC);
    const OURS: &str = "http://orders-0003.orders.shop.svc:2380";

    fn status(id: u64, cluster_id: ClusterId) -> MemberStatus {
        MemberStatus {
            member_id: MemberId(id),
            cluster_id,
            version: "3.6.16".into(),
            storage_version: "3.6.0".into(),
            db_size: 1,
            db_size_in_use: 1,
            leader: Some(MemberId(id)),
            revision: 1,
            raft_term: 1,
            raft_index: 1,
            raft_applied_index: 1,
            is_learner: false,
            errors: Vec::new(),
        }
    }

    /// The pod of number 3 answers as this member of this cluster.
    fn number(urls: &[&str], answers_as: u64, cluster: ClusterId) -> Option<u32> {
        let answer = Answer { client: None, status: Ok(status(answers_as, cluster)) };
        let view = EtcdView { answers: BTreeMap::from([(3, answer)]), list: None };
        let name = ClusterName { namespace: "shop".into(), name: "orders".into() };
        let member = etcd::Member {
            id: MemberId(7),
            name: "orders-0003".into(),
            peer_urls: urls.iter().map(ToString::to_string).collect(),
            client_urls: Vec::new(),
            is_learner: false,
        };
        view.number(&member, &name, CLUSTER)
    }

    #[test]
    fn stranded_is_who_answers_for_this_etcd_cluster_and_sees_no_leader() {
        let answer = |status| Answer { client: None, status };
        let alone = |cluster| MemberStatus { leader: None, revision: 42, ..status(7, cluster) };
        let view = EtcdView {
            answers: BTreeMap::from_iter(vec![
                (0, answer(Ok(alone(CLUSTER)))),
                (1, answer(Ok(status(8, CLUSTER)))),
                (2, answer(Ok(alone(ClusterId(0xD))))),
                (3, answer(Err(etcd::Error::NoLeader))),
            ]),
            list: None,
        };
        assert_eq!(view.stranded(Some(CLUSTER)), BTreeMap::from([(0, 42)]));
        assert_eq!(view.stranded(None), BTreeMap::from([(0, 42), (2, 42)]));
    }

    #[test]
    fn a_learner_is_stranded_once_nobody_says_that_it_leads() {
        let learner = MemberStatus {
            leader: Some(MemberId(7)),
            is_learner: true,
            revision: 42,
            ..status(9, CLUSTER)
        };
        let stranded = |voter: Result<MemberStatus, etcd::Error>| {
            let answer = |status| Answer { client: None, status };
            let answers = BTreeMap::from([(3, answer(voter)), (4, answer(Ok(learner.clone())))]);
            EtcdView { answers, list: None }.stranded(Some(CLUSTER)).into_keys().collect::<Vec<_>>()
        };
        let unled = MemberStatus { leader: None, ..status(7, CLUSTER) };
        assert_eq!(stranded(Ok(status(7, CLUSTER))), [0_u32; 0]);
        assert_eq!(stranded(Ok(unled)), [3, 4]);
        assert_eq!(stranded(Err(etcd::Error::NoLeader)), [4]);
    }

    #[test]
    fn only_a_refusal_for_want_of_a_user_says_that_one_is_asked_for() {
        let refusal = etcd::Error::AuthRequired("user name is empty".into());
        let late = etcd::Error::Timeout("no answer".into());
        let answers = [Err(refusal), Err(late), Ok(status(3, CLUSTER))];
        let answers = (0..).zip(answers.map(|status| Answer { client: None, status })).collect();
        let view = EtcdView { answers, list: None };
        let asking: Vec<u32> = (0..4).filter(|number| view.asks_for_user(*number)).collect();
        assert_eq!(asking, [0]);
    }

    #[test]
    fn a_member_with_a_corrupt_alarm_is_neither_healthy_nor_a_survivor() {
        let alarm = vec!["memberID:7 alarm:CORRUPT ".to_owned()];
        // The others know of it too, and one of another etcd cluster may have such an ID.
        let view = |led: Option<MemberId>, alarm_of: ClusterId| {
            let one = |id| MemberStatus { leader: led, ..status(id, CLUSTER) };
            let other = MemberStatus { errors: alarm.clone(), ..status(9, alarm_of) };
            let told = [(3, one(7)), (4, one(8)), (5, MemberStatus { leader: led, ..other })];
            let answer = |(number, status)| (number, Answer { client: None, status: Ok(status) });
            EtcdView { answers: told.map(answer).into(), list: None }
        };
        let name = ClusterName { namespace: "shop".into(), name: "orders".into() };
        let member = |number: u32| etcd::Member {
            id: MemberId(u64::from(number) + 4),
            name: name.member(number),
            peer_urls: vec![name.peer_url(number)],
            client_urls: Vec::new(),
            is_learner: false,
        };
        let led = Some(MemberId(8));
        let list = MemberList {
            cluster_id: CLUSTER,
            answered_by: MemberId(8),
            members: vec![member(3), member(4)],
        };
        let healthy =
            |view: &EtcdView, number| view.member(&member(number), &name, &list, Some(8)).healthy;
        let sick = view(led, CLUSTER);
        assert!(!healthy(&sick, 3) && healthy(&sick, 4));
        assert!(healthy(&view(led, ClusterId(0xD)), 3));
        let left: Vec<u32> = view(None, CLUSTER).stranded(Some(CLUSTER)).into_keys().collect();
        assert_eq!(left, [4, 5]);
    }

    #[test]
    fn a_member_of_ours_stays_ours_when_a_person_changes_its_peer_urls() {
        let added = "http://10.1.2.3:2380";
        for (urls, answers_as, cluster, expected) in [
            (&[OURS][..], 8, CLUSTER, Some(3)),
            (&[added, OURS], 8, CLUSTER, Some(3)),
            (&[added], 7, CLUSTER, Some(3)),
            (&[added], 8, CLUSTER, None),
            (&[added], 7, ClusterId(0xD), None),
        ] {
            assert_eq!(number(urls, answers_as, cluster), expected, "{urls:?} {answers_as}");
        }
    }
}
