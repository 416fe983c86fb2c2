//! etcd's snapshot file: read without trusting a byte of it.
