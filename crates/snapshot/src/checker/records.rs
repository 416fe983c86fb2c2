//! The records of a leaf that lies there whole.

use super::{
    run::Run,
    scan::{Change, Scan},
};
use crate::{
    Flaw,
    layout::{Slot, Slots},
    revision::Revision,
};

/// The records of a leaf; `None` if its first key is no revision.
pub(super) fn records(slots: Slots<'_>, bytes: &[u8]) -> Result<Option<Run>, Flaw> {
    let mut run = Run::new(bytes.len());
    for slot in slots {
        let slot = slot?;
        let Some((revision, is_deletion)) = record_key(slot, bytes)? else {
            return if slot.index == 0 { Ok(None) } else { Err(Flaw::Record(slot.index)) };
        };
        if run.records > 0 && revision <= run.last {
            return Err(Flaw::Order(slot.index));
        }
        let value = slot.value_in(bytes)?;
        let mut scan = Scan::new(revision, is_deletion, value.len());
        let change = scan_whole(&mut scan, value).ok_or(Flaw::Record(slot.index))?;
        run.add(revision, change);
    }
    Ok((run.records > 0).then_some(run))
}

fn record_key(slot: Slot, bytes: &[u8]) -> Result<Option<(Revision, bool)>, Flaw> {
    Ok(Revision::of(slot.key_in(bytes)?).filter(|_| !slot.is_bucket))
}

fn scan_whole(scan: &mut Scan, value: &[u8]) -> Option<Change> {
    while let Some((at, length)) = scan.wants() {
        scan.take(value.get(at..at.checked_add(length)?)?)?;
    }
    Some(scan.found().1)
}
