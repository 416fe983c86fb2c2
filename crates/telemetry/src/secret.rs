//! A value that no log line, error or debug output can show.

use std::fmt;

/// Wraps what must not be printed: `Debug` and `Display` write `[redacted]`. It is not serialised
/// either; the one way to the value is [`Secret::expose`], which reviewers can search for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the place that must use it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[allow(dead_code, reason = "read by Debug alone")]
    struct Login {
        user: &'static str,
        password: Secret<String>,
    }

    #[test]
    fn a_secret_prints_nothing_in_any_format() {
        let password = Secret::new("hunter2".to_owned());
        for text in [format!("{password}"), format!("{password:?}"), format!("{password:#?}")] {
            assert_eq!(text, "[redacted]");
        }
        let login = Login { user: "ann", password: password.clone() };
        assert_eq!(format!("{login:?}"), r#"Login { user: "ann", password: [redacted] }"#);
        assert_eq!(password.expose(), "hunter2");
    }
}
