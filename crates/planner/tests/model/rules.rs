//! What must hold in every state, and what must happen in some.

use planner::Role;
use stateright::Property;

use crate::Clusters;
use crate::world::{Breach, Event, Stage, World};

pub(crate) fn all() -> Vec<Property<Clusters>> {
    let mut all = safety();
    all.extend(reached());
    all
}

fn safety() -> Vec<Property<Clusters>> {
    vec![
        Property::always(
            "the operator never breaks a quorum that was there",
            |_, world: &World| !world.history.has(Breach::QuorumBroken),
        ),
        Property::always("a cluster that served is never seeded again", |_, world: &World| {
            !world.history.has(Breach::SeededAgain)
        }),
        Property::always("of two first members only one is ever marked", |_, world: &World| {
            let marked = world.pods.values().filter(|pod| pod.marked && pod.role == Role::Seed);
            marked.count() <= 1
        }),
        Property::always("no number is used twice", |_, world: &World| {
            !world.history.has(Breach::NumberTwice)
        }),
        Property::always("no voter's pod is ever deleted", |_, world: &World| {
            !world.history.has(Breach::DataDeleted)
        }),
        Property::always("no voter has never started", |_, world: &World| {
            members(world).all(|member| member.learner || member.started)
        }),
        Property::always("never have two members not started", |_, world: &World| {
            members(world).filter(|member| !member.started).count() <= 1
        }),
        Property::always("never are there more learners than admitted", |_, world: &World| {
            world.etcd.values().all(|etcd| etcd.learners() <= world.rules.learner_limit)
        }),
        Property::always("left alone it becomes what was wanted", |clusters: &Clusters, world| {
            clusters.converged.from(world)
        }),
    ]
}

/// A model in which these do not happen proves less than it seems to.
fn reached() -> Vec<Property<Clusters>> {
    vec![
        Property::sometimes("etcd refuses", |_, world: &World| world.history.saw(Event::Refused)),
        Property::sometimes("a write comes too late", |_, world: &World| {
            world.history.saw(Event::Conflict)
        }),
        Property::sometimes("a joiner finds another membership", |_, world: &World| {
            world.history.saw(Event::LateStart)
        }),
        Property::sometimes("a member is replaced", |_, world: &World| {
            world.history.saw(Event::Replaced)
        }),
        Property::sometimes("a first member hangs", |_, world: &World| {
            world.pods.values().any(|pod| pod.stage == Stage::Wedged)
        }),
        Property::sometimes("there are two first members", |_, world: &World| world.etcd.len() > 1),
        Property::sometimes("the quorum is lost", |_, world: &World| {
            world.home().is_some_and(|etcd| !etcd.has_quorum(&world.pods))
        }),
        Property::sometimes("two learners join side by side", |_, world: &World| {
            world.etcd.values().any(|etcd| etcd.learners() == 2)
        }),
        Property::sometimes("three vote", |_, world: &World| {
            world.etcd.values().any(|etcd| etcd.voters().count() == 3)
        }),
    ]
}

fn members(world: &World) -> impl Iterator<Item = &crate::etcd::Member> {
    world.etcd.values().flat_map(|etcd| &etcd.members)
}
