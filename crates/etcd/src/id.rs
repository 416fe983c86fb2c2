//! The two numbers that etcd knows members and clusters by.

use std::fmt;

/// A member's ID, unique within its cluster and never given out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub u64);

/// A cluster's ID. Two clusters with different IDs refuse each other's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(pub u64);

/// Hexadecimal without leading zeros, as etcdctl prints it.
impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Hexadecimal without leading zeros, as etcdctl prints it.
impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_printed_as_etcdctl_prints_them() {
        assert_eq!(MemberId(0x8e9e_05c5_2164_694d).to_string(), "8e9e05c52164694d");
        assert_eq!(ClusterId(0x0dca_0fe5_6c66_a9e2).to_string(), "dca0fe56c66a9e2");
    }
}
