//! Draws curves over the number of validators, both axes logarithmic, as SVG.
//!
//! Must not know: what is drawn.

/// A named curve.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) colour: &'static str,
    /// Both coordinates above zero.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Curves over one pair of axes.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) curves: Vec<Curve>,
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 20.0;
const BOTTOM: f64 = 40.0;

/// Panels side by side.
pub(crate) fn draw(panels: &[Panel]) -> String {
    let count = u32::try_from(panels.len()).map_or(1.0, f64::from);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        WIDTH * count
    );
    let mut left = 0.0;
    for panel in panels {
        out.push_str(&format!("<g transform=\"translate({left} 0)\">\n{}</g>\n", panel.draw()));
        left += WIDTH;
    }
    out.push_str("</svg>\n");
    out
}

impl Panel {
    fn draw(&self) -> String {
        let points = || self.curves.iter().flat_map(|curve| &curve.points).filter(|(x, y)| *x > 0.0 && *y > 0.0);
        let (x_low, x_high) = bounds(points().map(|(x, _)| *x));
        let (y_low, y_high) = bounds(points().map(|(_, y)| *y));
        let (y_low, y_high) = (10f64.powf(y_low.log10().floor()), 10f64.powf(y_high.log10().ceil()));
        let share = |value: f64, low: f64, high: f64| (value / low).ln() / (high / low).ln().max(1e-9);
        let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * share(value, x_low, x_high);
        let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share(value, y_low, y_high);
        let mut out = format!("<text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n", self.title);
        let mut tick = y_low;
        while tick <= y_high * 1.001 {
            let at = y(tick);
            out.push_str(&format!(
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\n\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>\n",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0
            ));
            tick *= 10.0;
        }
        for (value, _) in self.curves.first().map(|curve| curve.points.as_slice()).unwrap_or_default() {
            out.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{value}</text>\n",
                x(*value),
                HEIGHT - BOTTOM + 16.0
            ));
        }
        out.push_str(&format!("<text x=\"{}\" y=\"{}\">validators</text>\n", WIDTH / 2.0, HEIGHT - 6.0));
        for (place, curve) in (0u32..).zip(&self.curves) {
            let drawn: Vec<(f64, f64)> = curve.points.iter().map(|(a, b)| (x(*a), y(b.max(y_low)))).collect();
            let path: Vec<String> = drawn.iter().map(|(a, b)| format!("{a:.1},{b:.1}")).collect();
            let colour = curve.colour;
            out.push_str(&format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
                path.join(" ")
            ));
            for ((a, b), (_, value)) in drawn.iter().zip(&curve.points) {
                out.push_str(&format!(
                    "<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"3\" fill=\"{colour}\"><title>{value:.1}</title></circle>\n"
                ));
            }
            let row = TOP + 14.0 * (f64::from(place) + 1.0);
            out.push_str(&format!("<text x=\"{}\" y=\"{row}\" fill=\"{colour}\">{}</text>\n", LEFT + 10.0, curve.name));
        }
        out
    }
}

fn bounds(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max))
}
