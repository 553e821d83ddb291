//! Plots as SVG for a page: axes, curves, bars. The page's classes `c0` to `c7` set the colours.

use super::put;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

/// One axis, in the unit that the data were transformed to.
pub struct Axis {
    pub title: &'static str,
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A logarithmic axis for values from `low` to `high`, both above 0; positions on it are log10.
    pub fn logarithmic(title: &'static str, low: f64, high: f64, label: impl Fn(f64) -> String) -> Axis {
        let (low, high) = (low.log10(), high.log10().max(low.log10() + 0.05));
        let margin = (high - low) * 0.04;
        let (low, high) = (low - margin, high + margin);
        let multiples: &[f64] = match high - low {
            span if span > 3.0 => &[1.0],
            span if span > 1.0 => &[1.0, 2.0, 5.0],
            span if span > 0.5 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            _ => {
                &[1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.2, 2.5, 2.8, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 9.0]
            }
        };
        let mut ticks = vec![];
        for decade in low.floor() as i32..=high.ceil() as i32 {
            for multiple in multiples {
                let value = 10f64.powi(decade) * multiple;
                if (low..=high).contains(&value.log10()) {
                    ticks.push((value.log10(), label(value)));
                }
            }
        }
        Axis { title, low, high, ticks: thinned(ticks, low, high) }
    }

    /// A linear axis from 0.
    pub fn linear(title: &'static str, high: f64, label: impl Fn(f64) -> String) -> Axis {
        let high = if high > 0.0 { high } else { 1.0 };
        let step = 10f64.powf((high / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * step).find(|step| high / step <= 8.0).unwrap_or(high);
        let ticks = (0..).map(|n| f64::from(n) * step).take_while(|at| *at <= high * 1.000_001).map(|at| (at, label(at)));
        Axis { title, low: 0.0, high, ticks: ticks.collect() }
    }

    fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// Leaves out labels that would touch their neighbours.
fn thinned(ticks: Vec<(f64, String)>, low: f64, high: f64) -> Vec<(f64, String)> {
    let mut kept: Vec<(f64, String)> = vec![];
    for tick in ticks {
        if kept.last().is_none_or(|(at, _)| (tick.0 - at) / (high - low) >= 0.06) {
            kept.push(tick);
        }
    }
    kept
}

pub enum Marks {
    /// A line through the points.
    Line,
    /// From each point down to the axis, as wide as the third number says.
    Bars,
    /// A line, and a dot at each point.
    Dots,
}

/// One set of data. `class` is its colour's number.
pub struct Curve {
    pub class: usize,
    pub marks: Marks,
    /// Position on both axes, width on the first.
    pub points: Vec<(f64, f64, f64)>,
    /// Dots with a text that appears when the pointer is on them.
    pub notes: Vec<(f64, f64, String)>,
}

pub fn svg(label: &str, x: &Axis, y: &Axis, curves: &[Curve]) -> String {
    let at_x = |value: f64| LEFT + x.share(value) * (WIDTH - LEFT - RIGHT);
    let at_y = |value: f64| HEIGHT - BOTTOM - y.share(value) * (HEIGHT - TOP - BOTTOM);
    let mut text = String::new();
    put!(&mut text, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n", super::html::escaped(label));
    for (value, name) in &x.ticks {
        let at = at_x(*value);
        put!(&mut text, "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{}\"/>", HEIGHT - BOTTOM);
        put!(&mut text, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>\n", HEIGHT - BOTTOM + 16.0);
    }
    for (value, name) in &y.ticks {
        let at = at_y(*value);
        put!(&mut text, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>", WIDTH - RIGHT);
        put!(&mut text, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\n", LEFT - 6.0, at + 4.0);
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    put!(&mut text, "<text class=\"title\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", HEIGHT - 8.0, x.title);
    let half = (HEIGHT - BOTTOM) / 2.0;
    put!(&mut text, "<text class=\"title\" x=\"14\" y=\"{half}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {half})\">");
    put!(&mut text, "{}</text>\n", y.title);
    for curve in curves {
        let class = curve.class % 8;
        match curve.marks {
            Marks::Bars => {
                for (left, value, width) in &curve.points {
                    let (from, to, top) = (at_x(*left), at_x(left + width), at_y(*value));
                    put!(
                        &mut text,
                        "<rect class=\"c{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\"",
                        (to - from).max(1.0)
                    );
                    put!(&mut text, " height=\"{:.1}\"/>\n", (HEIGHT - BOTTOM - top).max(0.5));
                }
            }
            Marks::Line | Marks::Dots => {
                let points = curve.points.iter().map(|(x, y, _)| format!("{:.1},{:.1}", at_x(*x), at_y(*y)));
                put!(&mut text, "<polyline class=\"c{class}\" points=\"{}\"/>\n", points.collect::<Vec<_>>().join(" "));
                if matches!(curve.marks, Marks::Dots) {
                    for (x, y, _) in &curve.points {
                        put!(
                            &mut text,
                            "<circle class=\"c{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"1.8\"/>\n",
                            at_x(*x),
                            at_y(*y)
                        );
                    }
                }
            }
        }
        for (x, y, note) in &curve.notes {
            put!(&mut text, "<circle class=\"c{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.2\">", at_x(*x), at_y(*y));
            put!(&mut text, "<title>{}</title></circle>\n", super::html::escaped(note));
        }
    }
    text.push_str("</svg>\n");
    text
}
