//! What must hold in every state, and what must happen in some.

use planner::Role;
use stateright::Property;

use crate::Clusters;
use crate::history::{Breach, Event};
use crate::world::{Stage, World};

/// What must hold.
pub(crate) fn safety() -> Vec<Property<Clusters>> {
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
        Property::always(
            "no survivor is deleted before the archive holds all of it",
            |_, world: &World| !world.history.has(Breach::SurvivorDeleted),
        ),
        Property::always(
            "no first member is made from a backup while the lost data may be somewhere",
            |_, world: &World| !world.history.has(Breach::MadeBeside),
        ),
        Property::always(
            "nothing is restored that holds less than what is stored",
            |_, world: &World| !world.history.has(Breach::OlderRestored),
        ),
        Property::always(
            "no recovery that a person must approve begins without that",
            |_, world: &World| !world.history.has(Breach::Unapproved),
        ),
        // While a cluster is created a first member that a second operator makes too late is ready for
        // a moment, as long as it takes to delete it.
        Property::always("clients never reach two clusters", |_, world: &World| {
            let is_new = !world.spec.has_backups;
            is_new || world.etcd.values().filter(|etcd| world.is_reachable(etcd)).count() <= 1
        }),
        Property::always("left alone it becomes what was wanted", |clusters: &Clusters, world| {
            clusters.converged.from(world)
        }),
    ]
}

/// What must happen somewhere while members come and go: a model in which it does not proves less
/// than it seems to.
pub(crate) fn of_members() -> Vec<Property<Clusters>> {
    vec![
        Property::sometimes("etcd refuses", |_, world: &World| world.history.saw(Event::Refused)),
        Property::sometimes("a write comes too late", |_, world: &World| {
            world.history.saw(Event::Conflict)
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

/// What only happens in the thorough scenarios.
pub(crate) fn of_many_members() -> Vec<Property<Clusters>> {
    let late = Property::sometimes("a joiner finds another membership", |_, world: &World| {
        world.history.saw(Event::LateStart)
    });
    [of_members(), vec![late]].concat()
}

/// What must happen somewhere while lost clusters come back.
pub(crate) fn of_recoveries() -> Vec<Property<Clusters>> {
    vec![
        Property::sometimes("survivors hold different data", |_, world: &World| {
            world.home().is_some_and(|etcd| {
                let mut left = etcd.members.iter().filter(|member| world.is_left(member.number));
                let first = left.next().map(|member| member.revision);
                world.is_lost(etcd) && left.any(|member| Some(member.revision) != first)
            })
        }),
        Property::sometimes("a survivor goes once it is saved", |_, world: &World| {
            world.history.saw(Event::SurvivorGone)
        }),
        Property::sometimes("a cluster comes back from a backup", |_, world: &World| {
            world.history.saw(Event::Restored)
        }),
        Property::sometimes("a backup is refused", |_, world: &World| {
            world.history.saw(Event::BackupRefused)
        }),
        Property::sometimes("a recovery is begun anew", |_, world: &World| {
            world.history.saw(Event::BegunAnew)
        }),
        Property::sometimes("a cluster is not recoverable", |_, world: &World| {
            world.history.saw(Event::Unrecoverable)
        }),
        Property::sometimes("a person approves a recovery", |_, world: &World| {
            world.history.saw(Event::Approved)
        }),
    ]
}

fn members(world: &World) -> impl Iterator<Item = &crate::etcd::Member> {
    world.etcd.values().flat_map(|etcd| &etcd.members)
}
