//! Tests that need an environment of their own: the SDK takes credentials from nowhere else.
//!
//! A process cannot change its own environment safely, so such a test runs itself once more as a child.

use std::process::Command;

/// Says that this is the child.
const INSIDE: &str = "ARCHIVE_TEST_INSIDE";

/// The value that the outer test gave to the inner; nothing in the outer one.
pub fn inside() -> Option<String> {
    std::env::var(INSIDE).ok()
}

/// Runs the test of this name again with `value` and these variables; fails as it fails.
pub fn run(test: &str, value: &str, variables: &[(&str, &str)]) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            child.env_remove(name);
        }
    }
    child.args(["--exact", test, "--nocapture"]).env(INSIDE, value);
    let done = child.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
