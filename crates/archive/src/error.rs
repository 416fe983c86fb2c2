//! What a call to a store, or the reading of what lies there, can end in, named by what it means.
//!
//! Each backend translates its own errors in one function (`store/objects/error.rs`,
//! `store/s3/error.rs`); the texts here say what to do about it.

/// The result of everything that asks a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no answer to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such object.
    #[error("{0} is not in the store")]
    NotFound(String),
    /// An object is there that must not be replaced.
    #[error("{0} is in the store already and is never replaced; is a second writer at work?")]
    AlreadyExists(String),
    /// The bucket, container or folder itself is not there.
    #[error("{0} does not exist; create it, or correct its name")]
    NoBucket(String),
    /// The credentials are missing, wrong or expired.
    #[error(
        "the store does not accept the credentials ({0}); check the key, its secret and region"
    )]
    Credentials(String),
    /// The credentials are good, and may not do this.
    #[error("the store refuses {what} ({detail}); allow it to these credentials")]
    Denied {
        /// The call and its object.
        what: String,
        /// The store's words.
        detail: String,
    },
    /// Object lock protects the object for now.
    #[error("{0} is locked by the store and cannot be deleted yet; it will be tried again later")]
    Locked(String),
    /// The store asks for a slower pace.
    #[error("the store asks to slow down ({0}); it will be tried again")]
    Throttled(String),
    /// The store cannot be reached, failed by itself, or the connection broke.
    #[error("the store fails or cannot be reached ({0}); check that it runs and its address")]
    Unavailable(String),
    /// No answer, or no progress, in time.
    #[error("{0} came to no end in time; whether it took effect is unknown")]
    Timeout(String),
    /// No room is left.
    #[error("the store is full ({0}); make room, or keep fewer backups")]
    Full(String),
    /// What the store holds is not what was written, or not readable as what it should be.
    #[error("{what} is damaged: {problem}")]
    Damaged {
        /// The object or backup.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Written by a later version of this program.
    #[error("{what} has format {format}, which this version does not know; use a newer version")]
    UnknownFormat {
        /// The object or backup.
        what: String,
        /// The number found.
        format: u64,
    },
    /// An argument cannot be used. The text says what to write instead.
    #[error("{0}")]
    BadInput(String),
    /// The store cannot do what was asked.
    #[error("the store does not support {0}")]
    Unsupported(String),
    /// Anything else, in the store's own words.
    #[error("{what} failed: {detail}")]
    Other {
        /// The call and its object.
        what: String,
        /// The store's words.
        detail: String,
    },
}

impl Error {
    /// A fixed word for events, conditions and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "NotFound",
            Self::AlreadyExists(_) => "AlreadyExists",
            Self::NoBucket(_) => "NoBucket",
            Self::Credentials(_) => "Credentials",
            Self::Denied { .. } => "Denied",
            Self::Locked(_) => "Locked",
            Self::Throttled(_) => "Throttled",
            Self::Unavailable(_) => "Unavailable",
            Self::Timeout(_) => "Timeout",
            Self::Full(_) => "Full",
            Self::Damaged { .. } => "Damaged",
            Self::UnknownFormat { .. } => "UnknownFormat",
            Self::BadInput(_) => "BadInput",
            Self::Unsupported(_) => "Unsupported",
            Self::Other { .. } => "Other",
        }
    }

    /// Whether the same call may succeed soon without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Unavailable(_) | Self::Timeout(_))
    }

    /// [`Error::Damaged`] in fewer words.
    #[expect(clippy::needless_pass_by_value, reason = "as map_err and format! give them")]
    pub fn damaged(what: impl ToString, problem: impl ToString) -> Self {
        Self::Damaged { what: what.to_string(), problem: problem.to_string() }
    }
}

/// The text of an error and of all its causes, each said once, on one line whatever they are.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
