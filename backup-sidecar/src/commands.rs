//! The commands but `serve`: each does one thing and ends.

mod fetch;
mod list;
mod once;
mod prune;
mod show;
mod verify;

use std::sync::Arc;

use anyhow::Context;
use archive::{
    catalogue::{self, Listed},
    location::Location,
    store::Store,
};

use crate::{
    args::{Command, ScopeArgs, StoreArgs},
    config, patience, served,
};

/// Runs the command. An error that is a [`config::Usage`] is the command line's.
pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => served::run(args).await,
        Command::Once(args) => once::run(args).await,
        Command::List(args) => list::run(args).await,
        Command::Show(args) => show::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Prune(args) => prune::run(args).await,
        Command::Fetch(args) => fetch::run(args).await,
    }
}

/// A store that was opened, and where it is.
struct Opened {
    location: Location,
    store: Arc<dyn Store>,
}

impl Opened {
    async fn new(args: &StoreArgs) -> anyhow::Result<Self> {
        let location = config::location(&args.store)?;
        let store = location.open(patience::of_the_environment()?).await?;
        Ok(Self { location, store })
    }

    /// The backups that are meant, newest first within each archive.
    async fn list(&self, scope: &ScopeArgs) -> anyhow::Result<Vec<Listed>> {
        let ScopeArgs { namespace, cluster, uid } = scope;
        let mut found = match (namespace, cluster) {
            (Some(namespace), Some(cluster)) => {
                catalogue::list_of_name(&*self.store, namespace, cluster).await
            }
            _ => catalogue::list_of_all(&*self.store).await,
        }?;
        let is_meant =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|it| it == is);
        found.retain(|Listed { archive, .. }| {
            is_meant(namespace, archive.namespace())
                && is_meant(cluster, archive.cluster())
                && is_meant(uid, archive.uid())
        });
        Ok(found)
    }

    /// The one backup of this ID among those that are meant.
    async fn find(&self, id: &str, scope: &ScopeArgs) -> anyhow::Result<Listed> {
        let id = config::id(id)?;
        let found = self.list(scope).await?;
        let one = catalogue::by_id(&found, id, scope.uid.as_deref());
        let advice = || format!("looked in {}; see what `list` shows", self.store.name());
        one.cloned().with_context(advice)
    }
}
