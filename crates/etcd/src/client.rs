//! The client of one member: who it is, who the members are, and changing that.

use std::time::Duration;

use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Channel as AnyChannel, Client, ConnectOptions,
    MemberAddOptions,
};
use tokio::time::timeout;

use crate::{
    Alarm, AlarmKind, Endpoint, Error, Member, MemberId, MemberList, MemberStatus, SnapshotStream,
    Timeouts, Tls, User, connection,
    error::{from_client, translate},
    member_list, snapshot, user,
};

/// A connection to exactly one member. Cheap to clone: clones share the connection.
#[derive(Clone)]
pub struct MemberClient {
    pub(crate) url: String,
    pub(crate) timeouts: Timeouts,
    /// Answers as the member can, with or without a leader.
    pub(crate) etcd: Client,
    /// Sends `hasleader`: a member that sees no leader refuses at once, so that a change is surely
    /// not made instead of waiting until the caller has gone.
    led: Client,
    channel: AnyChannel,
}

impl MemberClient {
    /// Connects, within `timeouts.connect`. A member that is not there is [`Error::Unreachable`] at
    /// once.
    pub async fn connect(endpoint: &Endpoint, timeouts: &Timeouts) -> Result<Self, Error> {
        Self::open(endpoint, None, None, timeouts).await
    }

    /// The same to an https endpoint. The member's certificate must be for the endpoint's
    /// `server_name`, or for the URL's host if there is none.
    pub async fn connect_tls(
        endpoint: &Endpoint,
        tls: &Tls,
        timeouts: &Timeouts,
    ) -> Result<Self, Error> {
        Self::open(endpoint, Some(tls), None, timeouts).await
    }

    /// The same with or without TLS, as a user of etcd's if its authentication is on. That needs a
    /// quorum, and the token serves for some minutes: connect anew for each piece of work.
    pub async fn connect_as(
        endpoint: &Endpoint,
        tls: Option<&Tls>,
        user: &User,
        timeouts: &Timeouts,
    ) -> Result<Self, Error> {
        Self::open(endpoint, tls, Some(user), timeouts).await
    }

    async fn open(
        endpoint: &Endpoint,
        tls: Option<&Tls>,
        user: Option<&User>,
        timeouts: &Timeouts,
    ) -> Result<Self, Error> {
        let channel = connection::open(endpoint, tls, timeouts).await?;
        let channel = match user {
            Some(user) => user::sign_in(endpoint, channel, user, timeouts).await?,
            None => AnyChannel::Tonic(channel),
        };
        let client = |options| Client::from_channel(channel.clone(), options);
        let failed = |error| from_client(&endpoint.url, error);
        let led = ConnectOptions::new().with_require_leader(true);
        Ok(Self {
            url: endpoint.url.clone(),
            timeouts: *timeouts,
            etcd: client(None).await.map_err(failed)?,
            led: client(Some(led)).await.map_err(failed)?,
            channel,
        })
    }

    /// What the member says of itself; answered without quorum and by learners.
    pub async fn status(&self) -> Result<MemberStatus, Error> {
        let mut client = self.etcd.maintenance_client();
        let answer = self.call("status", self.timeouts.read, client.status()).await?;
        MemberStatus::read(&answer)
    }

    /// The members as the majority agrees on them now (linearizable). Fails without quorum: with
    /// [`Error::NoLeader`] once the member has noticed, with [`Error::Timeout`] before. Learners
    /// refuse.
    pub async fn member_list(&self) -> Result<MemberList, Error> {
        self.read_member_list(true).await
    }

    /// The members as this member last knew them, answered without quorum. What it does not know may be so
    /// all the same, and what it knows may have been undone.
    pub async fn member_list_serializable(&self) -> Result<MemberList, Error> {
        self.read_member_list(false).await
    }

    /// Adds a learner that is reached at `peer_url`. It has no name until it has started.
    pub async fn add_learner(&self, peer_url: &str) -> Result<Member, Error> {
        let mut client = self.led.cluster_client();
        let options = MemberAddOptions::new().with_is_learner();
        let adding = client.member_add([peer_url.to_owned()], Some(options));
        let answer = self.call("member add", self.timeouts.change, adding).await?;
        answer.member().map(Member::from).ok_or_else(|| Error::Other {
            code: "Internal".into(),
            message: "the answer to member add names no member".into(),
        })
    }

    /// Makes a learner a voter. [`Error::NotInSync`] until it has caught up.
    pub async fn promote(&self, id: MemberId) -> Result<(), Error> {
        let mut client = self.led.cluster_client();
        self.call("member promote", self.timeouts.change, client.member_promote(id.0)).await?;
        Ok(())
    }

    /// Removes a member; when this returns, the majority has agreed to it.
    pub async fn remove(&self, id: MemberId) -> Result<(), Error> {
        let mut client = self.led.cluster_client();
        self.call("member remove", self.timeouts.change, client.member_remove(id.0)).await?;
        Ok(())
    }

    /// Hands leadership to the voter `to`. Only the leader does that: [`Error::NotLeader`] otherwise.
    pub async fn move_leader(&self, to: MemberId) -> Result<(), Error> {
        let mut client = self.led.maintenance_client();
        self.call("move leader", self.timeouts.change, client.move_leader(to.0)).await?;
        Ok(())
    }

    /// The alarms raised and not disarmed, of all members. Needs quorum.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, Error> {
        let mut client = self.led.maintenance_client();
        let asking = client.alarm(AlarmAction::Get, AlarmType::None, None);
        let answer = self.call("alarm list", self.timeouts.read, asking).await?;
        let alarm = |raised: &etcd_client::AlarmMember| {
            let kind = AlarmKind::read(raised.alarm())?;
            Some(Alarm { member_id: MemberId(raised.member_id()), kind })
        };
        Ok(answer.alarms().iter().filter_map(alarm).collect())
    }

    /// Takes one alarm away. Whether there is one does not matter.
    pub async fn disarm(&self, alarm: Alarm) -> Result<(), Error> {
        let mut client = self.led.maintenance_client();
        let mut of = AlarmOptions::new();
        of.with_member(alarm.member_id.0);
        let asking = client.alarm(AlarmAction::Deactivate, alarm.kind.written(), Some(of));
        self.call("alarm disarm", self.timeouts.change, asking).await?;
        Ok(())
    }

    /// The member's whole database as `etcdctl snapshot save` would write it; answered without quorum
    /// and by learners. `idle` limits each wait for more bytes, and nothing limits the whole.
    pub async fn snapshot(&self, idle: Duration) -> Result<SnapshotStream, Error> {
        snapshot::open(&self.url, self.channel.clone(), idle).await
    }

    async fn read_member_list(&self, linearizable: bool) -> Result<MemberList, Error> {
        let asking = member_list::read(self.channel.clone(), linearizable);
        match timeout(self.timeouts.read, asking).await {
            Ok(Ok(answer)) => MemberList::try_from(answer),
            Ok(Err(status)) => Err(translate(&self.url, &status)),
            Err(_) => Err(self.no_answer("member list", self.timeouts.read)),
        }
    }

    /// Runs one call of `etcd-client` with its limit, and translates what went wrong.
    pub(crate) async fn call<T>(
        &self,
        name: &str,
        limit: Duration,
        calling: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Error> {
        match timeout(limit, calling).await {
            Ok(answer) => answer.map_err(|error| from_client(&self.url, error)),
            Err(_) => Err(self.no_answer(name, limit)),
        }
    }

    fn no_answer(&self, call: &str, limit: Duration) -> Error {
        Error::Timeout(format!("{} did not answer {call} in {limit:?}", self.url))
    }
}
