//! Writes Events. Telling is a courtesy: an Event that is refused never stops the work it tells of.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, Recorder, Reporter};
use kube::{Client, Resource, ResourceExt};

use crate::call::{is_namespace_ending, is_not_found, within};
use crate::error::Error;
use crate::report::Happening;

/// Writes Events in this replica's name.
pub struct Announcer {
    client: Client,
    reporter: Reporter,
    recorder: Recorder,
}

impl Announcer {
    /// For the replica of this name.
    pub fn new(client: &Client, replica: &str) -> Self {
        let reporter =
            Reporter { controller: "etcd-operator".into(), instance: Some(replica.to_owned()) };
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self { client: client.clone(), reporter, recorder }
    }

    /// Tells what happened to an object of ours.
    pub async fn tell<K>(&self, object: &K, happenings: &[Happening])
    where
        K: Resource<DynamicType = ()> + Sync,
    {
        let reference = object.object_ref(&());
        let namespace = object.namespace().unwrap_or_default();
        for happening in happenings {
            match self.publish(&happening.event(&namespace), &reference).await {
                Ok(()) => {}
                // Its Events go with it.
                Err(error) if is_namespace_ending(&error) => return,
                Err(error) => {
                    let (error, reason) = (error.sentence(), happening.reason);
                    tracing::warn!(error, reason, name = object.name_any(), "lost an Event");
                }
            }
        }
    }

    async fn publish(&self, event: &Event, reference: &ObjectReference) -> Result<(), Error> {
        match within("writing an Event", self.recorder.publish(event, reference)).await {
            // The recorder counts up an Event that somebody has deleted: tell it anew.
            Err(error) if is_not_found(&error) => {
                let forgetful = Recorder::new(self.client.clone(), self.reporter.clone());
                within("writing an Event", forgetful.publish(event, reference)).await
            }
            outcome => outcome,
        }
    }
}
