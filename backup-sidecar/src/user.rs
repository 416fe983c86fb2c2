//! The user of an etcd whose authentication is on, as etcdctl takes it.

use etcd::User;
use telemetry::Secret;

use crate::config::Usage;

/// Who we are to etcd. A client certificate does it too: its common name is the user.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct UserArgs {
    /// A user of etcd's, NAME or NAME:PASSWORD, if its authentication is on; only root may take
    /// snapshots. Without quorum a password is not enough: use a client certificate of root's
    #[arg(long, value_name = "NAME[:PASSWORD]", env = "ETCDCTL_USER", hide_env_values = true)]
    pub user: Option<Secret<String>>,

    /// The user's password; in the environment it is in no list of processes
    #[arg(long, value_name = "PASSWORD", env = "ETCDCTL_PASSWORD", hide_env_values = true)]
    pub password: Option<Secret<String>>,
}

impl TryFrom<UserArgs> for Option<User> {
    type Error = Usage;

    fn try_from(args: UserArgs) -> Result<Self, Usage> {
        let UserArgs { user, password } = args;
        let given = |text: Secret<String>| Some(text).filter(|text| !text.expose().is_empty());
        let (user, password) = (user.and_then(given), password.and_then(given));
        let Some(user) = user else {
            let needs = "--password needs to know whose it is; give --user NAME too";
            return if password.is_some() { Err(Usage(needs.into())) } else { Ok(None) };
        };
        // As etcdctl: with --password the name is all of --user.
        let (name, password) = match (&password, user.expose().split_once(':')) {
            (Some(password), _) => (user.expose().as_str(), password.expose().as_str()),
            (None, Some((name, password))) => (name, password),
            (None, None) => return Err(Usage("--user has no password; write NAME:PASSWORD, or give --password or ETCDCTL_PASSWORD".into())),
        };
        if name.is_empty() {
            return Err(Usage("--user has no name; write NAME:PASSWORD".into()));
        }
        Ok(Some(User::new(name, password)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(user: Option<&str>, password: Option<&str>) -> Result<Option<User>, String> {
        let secret = |text: Option<&str>| text.map(|text| Secret::new(text.to_owned()));
        let args = UserArgs { user: secret(user), password: secret(password) };
        Option::<User>::try_from(args).map_err(|error| error.to_string())
    }

    #[test]
    fn a_user_is_written_as_etcdctl_takes_it() {
        assert_eq!(user(None, None), Ok(None));
        assert_eq!(user(Some(""), Some("")), Ok(None));
        for (name, password) in [("root:a:b", None), ("root", Some("a:b"))] {
            assert_eq!(user(Some(name), password), Ok(Some(User::new("root", "a:b"))));
        }
        assert_eq!(user(Some("a:b"), Some("c")), Ok(Some(User::new("a:b", "c"))));
    }

    #[test]
    fn what_is_missing_is_told_and_no_password_is_shown() {
        assert!(user(Some("root"), None).unwrap_err().contains("ETCDCTL_PASSWORD"));
        assert!(user(Some(":plums"), None).unwrap_err().contains("no name"));
        assert!(user(None, Some("plums")).unwrap_err().contains("--user NAME"));
        let shown = format!("{:?}", user(Some("root:plums"), None).unwrap());
        assert!(shown.contains("root") && !shown.contains("plums"), "{shown}");
    }
}
