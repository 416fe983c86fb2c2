//! Where `tracing` events go: to standard error, as text for people or JSON for machines.

use std::{
    io::{self, IsTerminal},
    str::FromStr,
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One readable line per event; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object per event, its fields and those of its spans kept apart.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is not one that can be read.
    #[error(
        "the log level {level:?} cannot be read; write error, warn, info, debug or trace, or a \
         list such as info,etcd_operator=debug"
    )]
    BadLevel {
        /// As given.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The format is neither `text` nor `json`.
    #[error("the log format {0:?} is not known; write text or json")]
    BadFormat(String),
    /// The process has a log already.
    #[error("logging is set up already; do it once, at the start of main")]
    AlreadySet(#[from] TryInitError),
}

impl FromStr for LogFormat {
    type Err = LoggingError;

    fn from_str(text: &str) -> Result<Self, LoggingError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(LoggingError::BadFormat(other.to_owned())),
        }
    }
}

/// Sends the process's log to standard error. `level` is a level, or a list of `target=level`.
/// Nothing is buffered, so there is nothing to flush at the end.
pub fn init_logging(format: LogFormat, level: &str) -> Result<(), LoggingError> {
    let colour = io::stderr().is_terminal();
    Registry::default().with(layer(format, level, io::stderr, colour)?).try_init()?;
    Ok(())
}

fn layer<W>(
    format: LogFormat,
    level: &str,
    writer: W,
    colour: bool,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|source| LoggingError::BadLevel { level: level.to_owned(), source })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(match format {
        LogFormat::Text => lines.with_ansi(colour).with_filter(filter).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed()
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;

    use super::*;
    use crate::Secret;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = layer(format, level, move || writer.clone(), false).unwrap();
        with_default(Registry::default().with(layer), events);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_lines_keep_fields_apart_and_secrets_out() {
        let text = logged(LogFormat::Json, "info", || {
            let span = tracing::info_span!("reconcile", namespace = "orchard");
            let _in_span = span.enter();
            tracing::info!(member = "quince-1", password = %Secret::new("hunter2"), "promoted");
            tracing::debug!("not at this level");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "promoted");
        assert_eq!(line["member"], "quince-1");
        assert_eq!(line["password"], "[redacted]");
        assert_eq!(line["span"]["namespace"], "orchard");
    }

    #[test]
    fn text_lines_are_filtered_per_target() {
        let text = logged(LogFormat::Text, "warn,pear=debug", || {
            tracing::debug!(target: "pear", "seen");
            tracing::info!(target: "plum", "unseen");
        });
        assert!(text.contains("seen") && !text.contains("unseen"), "{text}");
    }

    #[test]
    fn a_level_that_cannot_be_read_is_refused_with_what_to_write() {
        let error = layer(LogFormat::Text, "etcd=loud", io::stderr, false).err().unwrap();
        assert!(error.to_string().contains("write error, warn, info"), "{error}");
    }

    #[test]
    fn formats_are_read_from_their_names() {
        assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert_eq!("text".parse::<LogFormat>().unwrap(), LogFormat::Text);
        assert!("yaml".parse::<LogFormat>().is_err());
    }
}
