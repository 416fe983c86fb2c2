//! Backups at rest: layout, manifest, catalogue, retention, and the stores that hold them.
