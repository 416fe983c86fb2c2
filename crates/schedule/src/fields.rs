//! The five fields of a cron schedule as Kubernetes reads them
//! (<https://github.com/robfig/cron/blob/v3.0.1/parser.go>), and as the crate `cron` wants them.
//!
//! Each field becomes the set of its numbers here, and `cron` sees nothing but lists of numbers: it
//! counts days of the week from 1 and has rules of its own for steps, names and question marks.

use super::ScheduleError;

/// The numbers that a field allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    /// Bit `n` is set if the number `n` is allowed.
    bits: u64,
    /// Whether it was written as a star: such a day field leaves the choice to the other one.
    is_star: bool,
}

/// What a field is called, the numbers that it may hold, and names for them.
struct Kind {
    what: &'static str,
    lowest: u32,
    highest: u32,
    names: &'static [&'static str],
}

const MINUTE: Kind = Kind { what: "minute", lowest: 0, highest: 59, names: &[] };
const HOUR: Kind = Kind { what: "hour", lowest: 0, highest: 23, names: &[] };
const DAY: Kind = Kind { what: "day of month", lowest: 1, highest: 31, names: &[] };
const MONTH: Kind = Kind {
    what: "month",
    lowest: 1,
    highest: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
/// 7 is Sunday too.
const WEEKDAY: Kind = Kind {
    what: "day of week",
    lowest: 0,
    highest: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

/// The five fields of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl Fields {
    /// Reads five fields, or one of the words that stand for them.
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        if text.contains('=') {
            return Err(problem(text, "a time zone has its own field, timeZone"));
        }
        let fields: Vec<_> = word(text)?.unwrap_or(text).split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(problem(
                text,
                "write five fields: minute, hour, day of month, month and day of week, such as \
                 0 3 * * *",
            ));
        };
        let mut weekday = WEEKDAY.parse(text, weekday)?;
        if weekday.bits & 1 << 7 != 0 {
            weekday.bits = weekday.bits & !(1 << 7) | 1;
        }
        Ok(Self {
            minute: MINUTE.parse(text, minute)?,
            hour: HOUR.parse(text, hour)?,
            day: DAY.parse(text, day)?,
            month: MONTH.parse(text, month)?,
            weekday,
        })
    }

    /// Whether it runs in each of the 24 hours.
    pub(super) fn is_hourly(&self) -> bool {
        self.hour.bits.count_ones() == 24
    }

    /// Expressions of the crate `cron` (seconds to years) of which the earliest run counts. Two, when
    /// both day fields are restricted: either may match then, where `cron` wants both.
    pub(super) fn expressions(&self) -> Vec<String> {
        let both = !self.day.is_star && !self.weekday.is_star;
        let expression = |day: &str, weekday: &str| {
            let [minute, hour, month] =
                [self.minute.list(0), self.hour.list(0), self.month.list(0)];
            format!("0 {minute} {hour} {day} {month} {weekday} *")
        };
        let (day, weekday) = (self.day.list(0), self.weekday.list(1));
        if both {
            vec![expression(&day, "*"), expression("*", &weekday)]
        } else {
            vec![expression(&day, &weekday)]
        }
    }
}

impl Field {
    /// The numbers in a list, each with `add` added.
    fn list(self, add: u32) -> String {
        let numbers = (0..64).filter(|number| self.bits & 1 << number != 0);
        numbers.map(|number| (number + add).to_string()).collect::<Vec<_>>().join(",")
    }
}

impl Kind {
    fn parse(&self, whole: &str, text: &str) -> Result<Field, ScheduleError> {
        let mut field = Field { bits: 0, is_star: false };
        for item in text.split(',') {
            let Field { bits, is_star } =
                self.item(item).ok_or_else(|| self.problem(whole, item))?;
            field = Field { bits: field.bits | bits, is_star: field.is_star || is_star };
        }
        Ok(field)
    }

    /// `*`, `n`, `a-b`, each with `/step`.
    fn item(&self, text: &str) -> Option<Field> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0)?)),
            None => (text, None),
        };
        let is_star = matches!(range, "*" | "?");
        // A star does not count the second Sunday.
        let last = if self.names.len() == 7 { 6 } else { self.highest };
        let (low, high) = match range.split_once('-') {
            _ if is_star => (self.lowest, last),
            Some((low, high)) => (self.value(low)?, self.value(high)?),
            // 5/15 is short for 5-59/15.
            None if step.is_some() => (self.value(range)?, last),
            None => (self.value(range)?, self.value(range)?),
        };
        if low > high {
            return None;
        }
        let step = step.unwrap_or(1);
        let numbers = (low..=high).filter(|number| (number - low).is_multiple_of(step));
        let bits = numbers.fold(0, |bits, number| bits | 1 << number);
        Some(Field { bits, is_star: is_star && step == 1 })
    }

    fn value(&self, text: &str) -> Option<u32> {
        let name = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = name.and_then(|index| u32::try_from(index).ok()).map(|i| i + self.lowest);
        named.or_else(|| number(text)).filter(|n| (self.lowest..=self.highest).contains(n))
    }

    fn problem(&self, whole: &str, item: &str) -> ScheduleError {
        let Self { what, lowest, highest, names } = self;
        let names = match (names.first(), names.last()) {
            (Some(first), Some(last)) => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        problem(
            whole,
            &format!(
                "{item:?} is no {what}; write {lowest} to {highest}{names}, a range a-b, a star, \
                 or one of these with a step, such as */2"
            ),
        )
    }
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The fields that a word stands for.
fn word(text: &str) -> Result<Option<&'static str>, ScheduleError> {
    let text = text.trim();
    Ok(Some(match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ if text.starts_with('@') => {
            let todo = "write five fields or @hourly, @daily, @weekly, @monthly or @yearly; for a \
                        fixed distance there is backupIntervalInSecond";
            return Err(problem(text, todo));
        }
        _ => return Ok(None),
    }))
}

pub(super) fn problem(schedule: &str, todo: &str) -> ScheduleError {
    ScheduleError(format!("schedule {schedule:?}: {todo}"))
}
