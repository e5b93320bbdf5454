//! Compression time against ratio, one mark a codec, as SVG.

use trueno_zram_core::benchmark::{Row, SetReport};

use crate::{REFERENCE, is_peer};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 28.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = HEIGHT - 58.0;

/// The size of a letter of 13 px, near enough to keep labels apart.
const LETTER: (f64, f64) = (7.9, 14.0);

/// Colours for a light background, and for a dark one where the viewer says so.
const STYLE: &str = "
  text { font: 13px system-ui, 'DejaVu Sans', sans-serif; fill: #24292f;
         paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
  .title { font-size: 16px; font-weight: 600 } .small { font-size: 12px; fill: #57606a }
  .card { fill: #ffffff } .grid { stroke: #d0d7de } .reference { stroke: #57606a; stroke-dasharray: 4 4 }
  .ours { fill: #0969da } .peer { fill: #bc4c00 } .leader { stroke: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; stroke: #0d1117 } .small { fill: #9198a1 } .card { fill: #0d1117 }
    .grid { stroke: #30363d } .reference { stroke: #9198a1 }
    .ours { fill: #58a6ff } .peer { fill: #f0883e } .leader { stroke: #6e7681 }
  }";

/// Draws `set`; nothing if the reference did not run.
pub(crate) fn svg(set: &SetReport) -> Option<String> {
    let reference = set.row(REFERENCE)?;
    let rows = drawn(&set.rows);
    let scale = Scale::around(&rows, reference);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\">\n<style>{STYLE}\n</style>\n\
         <rect class=\"card\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/>\n"
    );
    draw_frame(&mut svg, set, &scale, reference);
    let mut taken = vec![];
    let marks: Vec<_> = rows.iter().map(|row| (*row, scale.point(row, reference))).collect();
    for (row, (x, y)) in &marks {
        let mark = if is_peer(&row.codec) {
            format!(
                "<rect class=\"peer\" x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\"/>",
                x - 5.0,
                y - 5.0
            )
        } else {
            format!("<circle class=\"ours\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.5\"/>")
        };
        svg.push_str(&mark);
        svg.push('\n');
        taken.push(Area { x: x - 7.0, y: y - 7.0, width: 14.0, height: 14.0 });
    }
    for (row, point) in marks {
        let area = Area::for_label(&row.codec, point, &taken);
        draw_label(&mut svg, &row.codec, point, &area);
        taken.push(area);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// One row of each codec: the fastest backend's, which comes first.
fn drawn(rows: &[Row]) -> Vec<&Row> {
    let family =
        |row: &Row| row.codec.split([',', '(']).next().map(|name| name.trim_end().to_owned());
    let mut drawn: Vec<&Row> = Vec::new();
    for row in rows {
        if !drawn.iter().any(|other| family(other) == family(row)) {
            drawn.push(row);
        }
    }
    drawn
}

/// From figures to places: time on a logarithmic scale, ratio on a linear one.
struct Scale {
    least_time: f64,
    most_time: f64,
    least_ratio: f64,
    most_ratio: f64,
}

impl Scale {
    fn around(rows: &[&Row], reference: &Row) -> Self {
        let times = || rows.iter().map(|row| row.compress_ns() / reference.compress_ns());
        let ratios = || rows.iter().map(|row| row.ratio());
        Self {
            least_time: times().fold(0.5, f64::min).log2().floor(),
            most_time: times().fold(2.0, f64::max).log2().ceil(),
            least_ratio: (ratios().fold(3.0, f64::min) * 2.0 - 0.2).floor() / 2.0,
            most_ratio: (ratios().fold(3.0, f64::max) * 2.0 + 0.2).ceil() / 2.0,
        }
    }

    fn x(&self, log_time: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (log_time - self.least_time) / (self.most_time - self.least_time)
    }

    fn y(&self, ratio: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (ratio - self.least_ratio) / (self.most_ratio - self.least_ratio)
    }

    fn point(&self, row: &Row, reference: &Row) -> (f64, f64) {
        (self.x((row.compress_ns() / reference.compress_ns()).log2()), self.y(row.ratio()))
    }
}

fn draw_frame(svg: &mut String, set: &SetReport, scale: &Scale, reference: &Row) {
    let mut line = |class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)| {
        svg.push_str(&format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n"
        ));
    };
    let mut labels = vec![];
    let mut log_time = scale.least_time;
    while log_time <= scale.most_time {
        let x = scale.x(log_time);
        line("grid", (x, TOP), (x, BOTTOM));
        labels.push((x, BOTTOM + 18.0, "middle", format!("{}x", log_time.exp2())));
        log_time += 1.0;
    }
    let mut ratio = scale.least_ratio;
    while ratio <= scale.most_ratio {
        let y = scale.y(ratio);
        line("grid", (LEFT, y), (RIGHT, y));
        labels.push((LEFT - 8.0, y + 4.0, "end", format!("{ratio:.1}")));
        ratio += 0.5;
    }
    let (x, y) = scale.point(reference, reference);
    line("reference", (x, TOP), (x, BOTTOM));
    line("reference", (LEFT, y), (RIGHT, y));
    for (x, y, anchor, label) in labels {
        svg.push_str(&format!(
            "<text class=\"small\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{label}</text>\n"
        ));
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    svg.push_str(&format!(
        "<text class=\"title\" x=\"{LEFT}\" y=\"26\">Memory pages: compression time against ratio \
         ({}, {} pages)</text>\n\
         <text class=\"small\" x=\"{LEFT}\" y=\"45\">up and to the left is better; dashed: {REFERENCE}</text>\n\
         <rect class=\"peer\" x=\"{:.0}\" y=\"36\" width=\"10\" height=\"10\"/>\
         <text class=\"small\" x=\"{:.0}\" y=\"45\">reference libraries</text>\n\
         <circle class=\"ours\" cx=\"{:.0}\" cy=\"41\" r=\"5.5\"/>\
         <text class=\"small\" x=\"{:.0}\" y=\"45\">this crate</text>\n\
         <text class=\"small\" x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\">compression time of a page, \
         {REFERENCE} = 1x (logarithmic)</text>\n\
         <text class=\"small\" text-anchor=\"middle\" transform=\"translate(20 {:.0}) rotate(-90)\">\
         ratio (uncompressed : compressed)</text>\n",
        set.name,
        set.pages,
        RIGHT - 230.0,
        RIGHT - 214.0,
        RIGHT - 78.0,
        RIGHT - 66.0,
        HEIGHT - 16.0,
        f64::midpoint(TOP, BOTTOM),
    ));
}

fn draw_label(svg: &mut String, label: &str, (x, y): (f64, f64), area: &Area) {
    let (centre_x, centre_y) = (area.x + area.width / 2.0, area.y + area.height / 2.0);
    // A label that had to go far is tied to its mark.
    if (centre_y - y).abs() > 20.0 {
        let near_x = x.clamp(area.x, area.x + area.width);
        let near_y = y.clamp(area.y, area.y + area.height);
        svg.push_str(&format!(
            "<line class=\"leader\" x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{near_x:.1}\" y2=\"{near_y:.1}\"/>\n"
        ));
    }
    svg.push_str(&format!(
        "<text x=\"{centre_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>\n",
        area.y + area.height - 3.0
    ));
}

struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Area {
    /// The free place for a label that is nearest to its mark: beside, over or under it, else higher
    /// and lower step by step.
    fn for_label(label: &str, (x, y): (f64, f64), taken: &[Self]) -> Self {
        let (width, height) = (label.chars().count() as f64 * LETTER.0, LETTER.1);
        let sideways = [x + 10.0, x - 10.0 - width, x - width / 2.0];
        let steps = (0..30).flat_map(|step| {
            let away = f64::from(step) * 8.0;
            sideways.into_iter().flat_map(move |left| {
                [-away, away].map(|down| Self {
                    x: left,
                    y: y - height / 2.0 + down,
                    width,
                    height,
                })
            })
        });
        let is_free =
            |area: &Self| area.is_inside() && !taken.iter().any(|other| area.meets(other));
        let beside = Self { x: x + 10.0, y: y - height / 2.0, width, height };
        steps.into_iter().find(is_free).unwrap_or(beside)
    }

    fn is_inside(&self) -> bool {
        self.x >= LEFT
            && self.x + self.width <= RIGHT + 20.0
            && self.y >= TOP
            && self.y + self.height <= BOTTOM
    }

    fn meets(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}
