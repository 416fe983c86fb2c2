//! Images into a node's containerd, each under its tag and, as a pull would, under its digest.

use std::time::Duration;

use super::error::Error;
use super::files;
use super::images::Archive;
use super::layout::{Node, Paths};
use crate::command::{command, run};

const LIMIT: Duration = Duration::from_mins(2);

/// Imports those of `archives` that the node does not have in this very state; returns their names.
pub(super) async fn changed(
    paths: &Paths,
    node: Node,
    archives: &[Archive],
) -> Result<Vec<String>, Error> {
    let mut imported = Vec::new();
    for archive in archives {
        let file = archive.path.file_name().unwrap_or_default();
        let record = paths.node(node).join("imported").join(file);
        if std::fs::read_to_string(&record).is_ok_and(|inputs| inputs == archive.inputs) {
            continue;
        }
        import(paths, node, archive).await?;
        files::replace(&record, &archive.inputs)?;
        imported.push(archive.name.clone());
    }
    Ok(imported)
}

async fn import(paths: &Paths, node: Node, archive: &Archive) -> Result<(), Error> {
    let mut import = ctr(paths, node);
    import.args(["images", "import"]).arg(&archive.path);
    run(&mut import, LIMIT).await?;
    let mut list = ctr(paths, node);
    list.args(["images", "list", &format!("name=={}", archive.name)]);
    let listing = run(&mut list, LIMIT).await?;
    let Some(by_digest) = digest_name(&archive.name, &listing) else {
        let path = archive.path.clone();
        let problem = format!("holds no image {}; remove it and try again", archive.name);
        return Err(Error::Content { path, problem });
    };
    let mut tag = ctr(paths, node);
    tag.args(["images", "tag", "--force", &archive.name, &by_digest]);
    run(&mut tag, LIMIT).await?;
    Ok(())
}

/// `ctr` on the node's containerd, in the kubelet's namespace.
pub(super) fn ctr(paths: &Paths, node: Node) -> tokio::process::Command {
    let mut ctr = command("ctr");
    ctr.arg("--address").arg(paths.containerd_socket(node)).args(["--namespace", "k8s.io"]);
    ctr
}

/// `repository@sha256:…` out of the listing's line `repository:tag TYPE sha256:… …`.
fn digest_name(name: &str, listing: &str) -> Option<String> {
    let line = listing.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    let digest = line.split_whitespace().find(|word| word.starts_with("sha256:"))?;
    let (repository, _tag) = name.rsplit_once(':')?;
    Some(format!("{repository}@{digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_name_drops_the_tag_and_keeps_the_repository() {
        let listing = "REF TYPE DIGEST SIZE\nlocalhost/it:1 application/x sha256:abc 1.0 MiB\n";
        assert_eq!(digest_name("localhost/it:1", listing).unwrap(), "localhost/it@sha256:abc");
        assert_eq!(digest_name("localhost/it:2", listing), None);
    }
}
