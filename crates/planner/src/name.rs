//! Names of members and the URLs that follow from them.

/// A cluster's name and namespace, from which all names of its members follow.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterName {
    /// The namespace.
    pub namespace: String,
    /// The name of the Cluster object.
    pub name: String,
}

impl ClusterName {
    /// The member's name, which is also its pod's: `<cluster>-%04d` as in the 2017 operator.
    pub fn member(&self, number: u32) -> String {
        format!("{}-{number:04}", self.name)
    }

    /// The number in a member's name; none for a name that [`Self::member`] does not make.
    pub fn number(&self, member: &str) -> Option<u32> {
        let number = member.strip_prefix(&self.name)?.strip_prefix('-')?.parse().ok()?;
        (self.member(number) == member).then_some(number)
    }

    /// The member's host name inside Kubernetes, without the cluster domain, which differs
    /// between installations and which the pods' search list adds.
    pub fn host(&self, number: u32) -> String {
        format!("{}.{}.{}.svc", self.member(number), self.name, self.namespace)
    }

    /// The URL by which the other members reach this one.
    pub fn peer_url(&self, number: u32) -> String {
        format!("http://{}:2380", self.host(number))
    }

    /// The URL that this member advertises to clients.
    pub fn client_url(&self, number: u32) -> String {
        format!("http://{}:2379", self.host(number))
    }

    /// The number of the member with this peer URL; none for a URL that is not ours.
    pub fn number_of_peer_url(&self, url: &str) -> Option<u32> {
        let host = url.strip_prefix("http://")?;
        let number = self.number(host.split('.').next()?)?;
        (self.peer_url(number) == url).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> ClusterName {
        ClusterName { namespace: "prod".into(), name: "orders-1".into() }
    }

    #[test]
    fn names_and_numbers_are_inverse() {
        for number in [0, 7, 9999, 10_000] {
            assert_eq!(cluster().number(&cluster().member(number)), Some(number));
            let url = cluster().peer_url(number);
            assert_eq!(cluster().number_of_peer_url(&url), Some(number), "{url}");
        }
    }

    #[test]
    fn foreign_names_have_no_number() {
        for name in ["orders-1", "orders-1-", "orders-1-7", "orders-1-+007", "orders-0007", ""] {
            assert_eq!(cluster().number(name), None, "{name}");
        }
    }

    #[test]
    fn foreign_peer_urls_have_no_number() {
        for url in [
            "http://10.0.0.1:2380",
            "https://orders-1-0007.orders-1.prod.svc:2380",
            "http://orders-1-0007.orders-1.test.svc:2380",
            "http://orders-1-0007.orders-1.prod.svc:2379",
        ] {
            assert_eq!(cluster().number_of_peer_url(url), None, "{url}");
        }
    }
}
