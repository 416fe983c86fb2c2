//! A figure: what was measured, how often, what the goal was, and what it is compared with.

use std::fmt;

use serde::Serialize;

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    name: &'static str,
    unit: &'static str,
    /// At most this; none where there is no goal.
    goal: Option<f64>,
    median: f64,
    least: f64,
    most: f64,
    values: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<Baseline>,
}

/// What was measured in the same run without the operator.
#[derive(Clone, Debug, Serialize)]
struct Baseline {
    name: &'static str,
    median: f64,
    /// The figure's median divided by this one's.
    ratio: f64,
    values: Vec<f64>,
}

impl Figure {
    pub(super) fn new(
        name: &'static str,
        unit: &'static str,
        goal: Option<f64>,
        values: Vec<f64>,
    ) -> Self {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { name, unit, goal, median: median(&values), least, most, values, baseline: None }
    }

    /// The same with something to compare it with.
    pub(super) fn beside(mut self, name: &'static str, values: Vec<f64>) -> Self {
        let median = median(&values);
        self.baseline = Some(Baseline { name, median, ratio: self.median / median, values });
        self
    }
}

/// The middle one, or the mean of the two in the middle. Not a number when there are none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    }
}

/// All figures, as a table.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) runs: u8,
    pub(super) figures: Vec<Figure>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.figures.iter().map(|figure| figure.name.len()).max().unwrap_or(0);
        let title = format!("median of {}", self.runs);
        writeln!(f, "{:<width$}  {title:>14}  {:>8}  {:>13}  compared with", "", "goal", "range")?;
        for figure in &self.figures {
            let goal = figure.goal.map_or_else(|| "-".to_owned(), |goal| format!("≤ {goal}"));
            let median = format!("{:.1} {}", figure.median, figure.unit);
            let range = format!("{:.1}–{:.1}", figure.least, figure.most);
            write!(f, "{:<width$}  {median:>14}  {goal:>8}  {range:>13}", figure.name)?;
            if let Some(Baseline { name, median, ratio, .. }) = &figure.baseline {
                write!(f, "  {ratio:.2} × {name} ({median:.1})")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&[9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 9.0]) - 3.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_ratio_below_one_means_quicker_than_the_baseline() {
        let figure = Figure::new("healed", "s", Some(10.0), vec![5.0]).beside("plain", vec![10.0]);
        let figures = Figures { runs: 1, figures: vec![figure] };
        assert!(figures.to_string().contains("0.50 × plain (10.0)"), "{figures}");
        assert!(figures.to_string().contains("≤ 10"), "{figures}");
    }
}
