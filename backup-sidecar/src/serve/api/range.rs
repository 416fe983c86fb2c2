//! One range of bytes of an object (RFC 9110, section 14). A request for several gets the whole.

use archive::store::Span;

/// What a `Range` header comes to for an object of some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// All of it: no range, or none that is understood.
    Whole,
    /// These bytes, the first and the one after the last.
    Part(u64, u64),
    /// There are no such bytes.
    Beyond,
}

impl Range {
    pub(super) fn of(header: Option<&str>, size: u64) -> Self {
        let text = header.and_then(|text| text.trim().strip_prefix("bytes="));
        let Some((first, last)) = text.and_then(|text| text.trim().split_once('-')) else {
            return Self::Whole;
        };
        match (number(first), number(last)) {
            (Some(first), None) if last.is_empty() => Self::part(first, size, size),
            (Some(first), Some(last)) if first <= last => {
                Self::part(first, last.saturating_add(1), size)
            }
            (None, Some(count)) if first.is_empty() => {
                Self::part(size.saturating_sub(count), size, size)
            }
            _ => Self::Whole,
        }
    }

    fn part(first: u64, end: u64, size: u64) -> Self {
        let end = end.min(size);
        if first < end { Self::Part(first, end) } else { Self::Beyond }
    }

    /// What the store is asked for.
    pub(super) fn span(self) -> Span {
        match self {
            Self::Part(first, end) => Span::between(first, end),
            Self::Whole | Self::Beyond => Span::ALL,
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, range) in [
            ("bytes=0-9", Range::Part(0, 10)),
            ("bytes=10-", Range::Part(10, 100)),
            ("bytes=-30", Range::Part(70, 100)),
            ("bytes=-300", Range::Part(0, 100)),
            ("bytes=90-300", Range::Part(90, 100)),
            ("bytes=99-99", Range::Part(99, 100)),
            ("bytes=100-", Range::Beyond),
            ("bytes=-0", Range::Beyond),
            ("bytes=5-4", Range::Whole),
            ("bytes=0-1,5-6", Range::Whole),
            ("bytes=a-", Range::Whole),
            ("bytes=+1-2", Range::Whole),
            ("lines=0-9", Range::Whole),
            ("bytes=-", Range::Whole),
            ("", Range::Whole),
        ] {
            assert_eq!(Range::of(Some(text), 100), range, "{text}");
        }
        assert_eq!(Range::of(None, 100), Range::Whole);
    }
}
