//! Fewer members than there are: who goes.

use std::cmp::Reverse;

use crate::Member;
use crate::steady::Reasoned;
use crate::verdict::Verdict;
use crate::view::View;

/// Removes one member while there are more of ours than wanted.
pub(crate) fn step(view: &View<'_>) -> Option<Reasoned> {
    let why = match view.desired.size {
        1 => "1 member is wanted".to_owned(),
        size => format!("{size} members are wanted"),
    };
    // One that the others cannot do without must not keep another from going.
    candidates(view)
        .into_iter()
        .filter(|member| view.can_do_without(member))
        .find_map(|member| view.remove(member, &why))
}

/// Why nobody is removed although there are too many members.
pub(crate) fn wait(view: &View<'_>) -> Option<String> {
    let member = *candidates(view).first()?;
    Some(format!(
        "{} is removed to reach {} members as soon as the others hold a healthy quorum",
        view.name(member),
        view.desired.size
    ))
}

/// Who may go, whoever is missed least first. Empty while there are not too many of ours: one
/// that somebody else added is no reason to remove one that we did.
fn candidates<'a>(view: &View<'a>) -> Vec<&'a Member> {
    if !is_too_many(view) {
        return Vec::new();
    }
    let mut ranked: Vec<_> =
        view.own().filter_map(|member| Some((rank(view, member)?, member))).collect();
    ranked.sort_by_key(|(rank, member)| (*rank, Reverse(member.number)));
    ranked.into_iter().map(|(_, member)| member).collect()
}

/// There are more members of ours than wanted.
pub(crate) fn is_too_many(view: &View<'_>) -> bool {
    view.own().count() > view.desired.size
}

/// Who is not healthy goes first, before all if it does not come back; then who answers but is to
/// be replaced now or soon, then a learner, and last a follower. Never a healthy leader: there is
/// a follower to spare whenever there are too many.
fn rank(view: &View<'_>, member: &Member) -> Option<u8> {
    let is_healthy = view.is_healthy(member);
    match view.verdict(member) {
        Verdict::Replace(_) if !is_healthy => Some(0),
        _ if !is_healthy && member.learner => Some(1),
        _ if !is_healthy => Some(2),
        Verdict::Replace(_) => Some(3),
        Verdict::Ailing { .. } => Some(4),
        _ if member.learner => Some(5),
        _ => (Some(member.id) != view.members.leader).then_some(6),
    }
}
