//! The configuration file, checked: every problem in a sentence of its own.

use std::path::Path;
use std::time::Duration;

use api::sidecar::SidecarConfig;
use api::v1beta1::BackupPolicy;
use archive::{Error, layout::ArchivePath, location::Location, retention};
use schedule::Schedule;
use tokio::time::timeout;
use url::Url;

use crate::patience;
use crate::serve::client::ClientName;
use crate::serve::engine::Open;
use crate::told;

/// Finding credentials may take a few calls.
const OPEN: Duration = Duration::from_mins(1);

/// What `serve` works with.
pub(crate) struct Settings {
    /// The file as it was read.
    pub(crate) config: SidecarConfig,
    /// Where the backups lie.
    pub(crate) archive: ArchivePath,
    /// When they are taken.
    pub(crate) schedule: Schedule,
    /// How many stay.
    pub(crate) retention: retention::Policy,
    /// Who is served; nothing: whoever the authority knows.
    pub(crate) client: Option<ClientName>,
    /// Opens the store.
    pub(crate) open: Open,
}

impl Settings {
    /// Reads and checks the file. A reader needs no endpoints.
    pub(crate) fn load(path: &Path, is_reader: bool) -> Result<Self, Vec<String>> {
        let name = path.display();
        let text = std::fs::read(path)
            .map_err(|error| vec![format!("{name} cannot be read ({error}); see --config")])?;
        let config: SidecarConfig = serde_json::from_slice(&text).map_err(|error| {
            vec![format!("{name} is no configuration of this program: {error}")]
        })?;
        Self::check(config, is_reader)
            .map_err(|all| all.into_iter().map(|one| format!("{name}: {one}")).collect())
    }

    fn check(config: SidecarConfig, is_reader: bool) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let cluster = &config.cluster;
        let archive = ArchivePath::new(&cluster.namespace, &cluster.name, &cluster.uid);
        let archive = archive.map_err(|error| problems.push(format!("cluster: {error}")));
        let schedule = Schedule::from_policy(&config.policy);
        let schedule = schedule.map_err(|error| problems.push(format!("policy: {error}")));
        let retention = retention(&config.policy, &mut problems);
        if let Some(Err(error)) = config.etcd_cluster_id.as_deref().map(told::cluster_id) {
            problems.push(format!("etcdClusterId: {error}"));
        }
        let client = config.client_name.as_deref().map(str::parse::<ClientName>).transpose();
        let client = client.map_err(|error| problems.push(format!("clientName: {error}")));
        let open = opener(&config.store).map_err(|error| problems.push(format!("store: {error}")));
        if !is_reader {
            endpoints(&config.endpoints, &mut problems);
        }
        match (archive, schedule, client, open) {
            (Ok(archive), Ok(schedule), Ok(client), Ok(open)) if problems.is_empty() => {
                Ok(Self { config, archive, schedule, retention, client, open })
            }
            _ => Err(problems),
        }
    }
}

/// Reads where the store is; opening it comes later and may fail for a while.
fn opener(url: &str) -> anyhow::Result<Open> {
    let location: Location = url.parse()?;
    let patience = patience::of_the_environment()?;
    Ok(Box::new(move || {
        let location = location.clone();
        let open = async move { location.open(patience).await };
        Box::pin(async {
            let end = timeout(OPEN, open).await;
            end.unwrap_or_else(|_| Err(Error::Timeout(format!("opening the store ({OPEN:?})"))))
        })
    }))
}

fn endpoints(endpoints: &[String], problems: &mut Vec<String>) {
    if endpoints.is_empty() {
        problems.push("endpoints is empty; name at least one client URL of etcd".to_owned());
    }
    for endpoint in endpoints {
        let url = Url::parse(endpoint).ok();
        let is_good =
            url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_good {
            let sentence = "is no client URL; write one such as http://kv.shop.svc:2379";
            problems.push(format!("endpoints: {endpoint:?} {sentence}"));
        }
    }
}

fn retention(policy: &BackupPolicy, problems: &mut Vec<String>) -> retention::Policy {
    let max_backups = policy.max_backups.map(u32::try_from);
    if let (Some(Err(_)), Some(number)) = (max_backups, policy.max_backups) {
        problems.push(format!(
            "policy: maxBackups is {number}; write how many to keep, such as 5, or 0 to keep all"
        ));
    }
    let mut keep = |name: &str, number: Option<i32>| {
        let number = number?;
        let good = u32::try_from(number).ok().filter(|number| *number > 0);
        if good.is_none() {
            problems
                .push(format!("policy: {name} is {number}; write more than 0, or leave it out"));
        }
        good
    };
    let rules = policy.retention.unwrap_or_default();
    retention::Policy {
        max_backups: max_backups.and_then(Result::ok),
        keep_last: keep("keepLast", rules.keep_last),
        keep_hourly: keep("keepHourly", rules.keep_hourly),
        keep_daily: keep("keepDaily", rules.keep_daily),
        keep_weekly: keep("keepWeekly", rules.keep_weekly),
        keep_monthly: keep("keepMonthly", rules.keep_monthly),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(value: &serde_json::Value) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, value.to_string()).unwrap();
        (folder, path)
    }

    fn good() -> serde_json::Value {
        json!({
            "cluster": {"namespace": "shop", "name": "kv", "uid": "0e1f-77"},
            "policy": {"backupIntervalInSecond": 60, "maxBackups": 2},
            "store": "file:///var/lib/etcd-backups",
            "endpoints": ["http://kv.shop.svc:2379"],
        })
    }

    #[test]
    fn a_good_file_is_taken_as_it_is() {
        let (_folder, path) = file(&good());
        let settings = Settings::load(&path, false).unwrap();
        assert_eq!(settings.archive.to_string(), "shop/kv/0e1f-77");
        assert_eq!(settings.retention.max_backups, Some(2));
    }

    #[test]
    fn every_problem_of_a_file_is_told_at_once() {
        let mut value = good();
        value["cluster"]["uid"] = json!("../x");
        value["policy"] = json!({
            "schedule": "0 25 * * *", "maxBackups": -1, "retention": {"keepDaily": 0}
        });
        value["endpoints"] = json!(["kv:2379"]);
        value["store"] = json!("ftp://backups");
        value["clientName"] = json!("kv backup");
        value["etcdClusterId"] = json!("kv");
        let (_folder, path) = file(&value);
        let problems = Settings::load(&path, false).err().unwrap();
        let all = problems.join("\n");
        for words in ["\"../x\" cannot be", "is no hour", "maxBackups is -1", "keepDaily is 0"] {
            assert!(all.contains(words), "{words}: {all}");
        }
        assert!(all.contains("\"kv:2379\" is no client URL"), "{all}");
        assert!(all.contains("store: "), "{all}");
        assert!(all.contains("clientName: \"kv backup\" is no DNS name"), "{all}");
        assert!(all.contains("etcdClusterId: \"kv\" is no ID"), "{all}");
        assert_eq!(problems.len(), 8, "{all}");
    }

    #[test]
    fn a_reader_needs_no_endpoints_and_others_do() {
        let mut value = good();
        value["endpoints"] = json!([]);
        let (_folder, path) = file(&value);
        assert!(Settings::load(&path, true).is_ok());
        assert!(Settings::load(&path, false).err().unwrap()[0].contains("endpoints is empty"));
    }

    #[test]
    fn a_file_that_is_missing_or_no_json_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let missing = Settings::load(&path, false).err().unwrap();
        assert!(missing[0].contains("config.json cannot be read"), "{missing:?}");
        std::fs::write(&path, "store: s3").unwrap();
        let yaml = Settings::load(&path, false).err().unwrap();
        assert!(yaml[0].contains("is no configuration"), "{yaml:?}");
    }
}
