//! Fewer members than there are: who goes.

use crate::Member;
use crate::steady::Reasoned;
use crate::view::{Verdict, View};

/// Removes one member while there are more than wanted.
pub(crate) fn step(view: &View<'_>) -> Option<Reasoned> {
    let member = candidate(view).filter(|member| view.can_do_without(member))?;
    view.remove(member, &format!("{} members are wanted", view.desired.size))
}

/// Why nobody is removed although there are too many members.
pub(crate) fn wait(view: &View<'_>) -> Option<String> {
    let member = candidate(view).filter(|member| !view.can_do_without(member))?;
    Some(format!(
        "{} is removed to reach {} members as soon as the others hold a healthy quorum",
        view.name(member),
        view.desired.size
    ))
}

/// Who goes next: who does not come back, else a learner that is not well, else a voter that is
/// not healthy, else a learner, else the follower of the highest number. Never a healthy leader:
/// there is a follower to spare whenever there are too many.
fn candidate<'a>(view: &View<'a>) -> Option<&'a Member> {
    if view.count() <= view.desired.size {
        return None;
    }
    let ours = || view.all().filter(|member| member.number.is_some());
    ours()
        .find(|member| matches!(view.verdict(member), Verdict::Replace(_)))
        .or_else(|| ours().find(|member| member.learner && !view.is_healthy(member)))
        .or_else(|| ours().find(|member| !view.is_healthy(member)))
        .or_else(|| ours().filter(|member| member.learner).max_by_key(|member| member.number))
        .or_else(|| {
            let follows = |member: &&Member| Some(member.id) != view.members.leader;
            ours().filter(follows).max_by_key(|member| member.number)
        })
}
