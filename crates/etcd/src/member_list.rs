//! The member list, read linearizably.
//!
//! `etcd-client` always asks for the serializable list, which a member without quorum answers from
//! an old state. Decisions about membership need the list that the majority agrees on, so this is an
//! own call of `/etcdserverpb.Cluster/MemberList` with its `linearizable` field set, which etcd
//! honours from 3.5 (api/etcdserverpb/rpc.proto, `MemberListRequest`). The four messages below are
//! the parts of that file that the call needs.

use etcd_client::Channel;
use tonic::{
    Request, Status, client::Grpc, codegen::http::uri::PathAndQuery, metadata::MetadataValue,
};
use tonic_prost::ProstCodec;

use crate::{ClusterId, Error, MemberId, status::no_header};

/// The members of a cluster, as one of them answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberList {
    /// The cluster that the answering member belongs to.
    pub cluster_id: ClusterId,
    /// The member that answered.
    pub answered_by: MemberId,
    /// All members, learners among them, in etcd's order (by ID).
    pub members: Vec<Member>,
}

/// One member of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its ID.
    pub id: MemberId,
    /// Its name; empty until it has started for the first time.
    pub name: String,
    /// Where the other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty until it has started for the first time.
    pub client_urls: Vec<String>,
    /// Whether it is a learner: it follows the log and does not vote.
    pub is_learner: bool,
}

/// Asks for the list, linearizably or from the member's own state. With `linearizable` a member that
/// sees no leader refuses at once instead of waiting for one.
pub(crate) async fn read(channel: Channel, linearizable: bool) -> Result<MemberListAnswer, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(Status::from_error)?;
    let mut request = Request::new(MemberListRequest { linearizable });
    if linearizable {
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
    }
    let path = PathAndQuery::from_static("/etcdserverpb.Cluster/MemberList");
    Ok(grpc.unary(request, path, ProstCodec::default()).await?.into_inner())
}

impl TryFrom<MemberListAnswer> for MemberList {
    type Error = Error;

    fn try_from(answer: MemberListAnswer) -> Result<Self, Error> {
        let header = answer.header.ok_or_else(|| no_header("MemberList"))?;
        Ok(Self {
            cluster_id: ClusterId(header.cluster_id),
            answered_by: MemberId(header.member_id),
            members: answer.members.into_iter().map(Member::from).collect(),
        })
    }
}

impl From<MemberMessage> for Member {
    fn from(member: MemberMessage) -> Self {
        Self {
            id: MemberId(member.id),
            name: member.name,
            peer_urls: member.peer_urls,
            client_urls: member.client_urls,
            is_learner: member.is_learner,
        }
    }
}

impl From<&etcd_client::Member> for Member {
    fn from(member: &etcd_client::Member) -> Self {
        Self {
            id: MemberId(member.id()),
            name: member.name().to_owned(),
            peer_urls: member.peer_urls().to_vec(),
            client_urls: member.client_urls().to_vec(),
            is_learner: member.is_learner(),
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct MemberListRequest {
    #[prost(bool, tag = "1")]
    linearizable: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MemberListAnswer {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(message, repeated, tag = "2")]
    members: Vec<MemberMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseHeader {
    #[prost(uint64, tag = "1")]
    cluster_id: u64,
    #[prost(uint64, tag = "2")]
    member_id: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MemberMessage {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    peer_urls: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    client_urls: Vec<String>,
    #[prost(bool, tag = "5")]
    is_learner: bool,
}
