//! The API over the wire: real TLS on loopback, an engine, and a store in memory.

mod backups;
mod fixture;
mod health;
mod limits;
mod orders;
mod seed;
mod tls;
