//! Draws latency over the rate, both axes logarithmic, as SVG.
//!
//! Must not know: where the points come from.

/// A named curve.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) colour: &'static str,
    /// Transfers a second, and milliseconds; both above zero.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 44.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 48.0;

/// One axis: values between two powers of ten, and pixels.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Wide enough for all values; None without any.
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Option<Self> {
        let (least, most) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
        (most > 0.0).then(|| {
            let (low, high) = (10f64.powf(least.log10().floor()), 10f64.powf(most.log10().ceil()));
            Axis { low, high: high.max(low * 10.0), from, to }
        })
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * (value / self.low).ln() / (self.high / self.low).ln()
    }

    /// 1, 2 and 5 times each power of ten in it.
    fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        let mut power = self.low;
        while power <= self.high * 1.001 {
            ticks.extend([1.0, 2.0, 5.0].map(|times| times * power));
            power *= 10.0;
        }
        ticks.retain(|tick| *tick <= self.high * 1.001);
        ticks
    }
}

/// The curves under a title and a line below it; None without any point.
pub(super) fn draw(title: &str, subtitle: &str, curves: &[Curve]) -> Option<String> {
    let points = || curves.iter().flat_map(|curve| &curve.points).filter(|(x, y)| *x > 0.0 && *y > 0.0);
    let x = Axis::over(points().map(|(x, _)| *x), LEFT, WIDTH - RIGHT)?;
    let y = Axis::over(points().map(|(_, y)| *y), HEIGHT - BOTTOM, TOP)?;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{}</text>\n<text x=\"{LEFT}\" y=\"34\" fill=\"#666\">{}</text>\n",
        escaped(title),
        escaped(subtitle)
    );
    out.push_str(&grid(&x, &y));
    for (place, curve) in (0u32..).zip(curves) {
        out.push_str(&line(curve, &x, &y));
        let row = TOP + 14.0 * (f64::from(place) + 1.0);
        let name = escaped(&curve.name);
        out.push_str(&format!("<text x=\"{}\" y=\"{row}\" fill=\"{}\">{name}</text>\n", LEFT + 10.0, curve.colour));
    }
    out.push_str("</svg>\n");
    Some(out)
}

fn grid(x: &Axis, y: &Axis) -> String {
    let mut out = String::new();
    for tick in y.ticks() {
        let at = y.at(tick);
        out.push_str(&format!(
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#e4e4e4\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>\n",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0
        ));
    }
    for tick in x.ticks() {
        let at = x.at(tick);
        out.push_str(&format!(
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{}\" stroke=\"#e4e4e4\"/>\n\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>\n",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0
        ));
    }
    out.push_str(&format!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">transfers a second</text>\n\
         <text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">milliseconds to finality</text>\n",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 10.0,
        f64::midpoint(TOP, HEIGHT - BOTTOM)
    ));
    out
}

fn line(curve: &Curve, x: &Axis, y: &Axis) -> String {
    let drawn: Vec<(f64, f64)> = curve.points.iter().map(|(rate, ms)| (x.at(*rate), y.at(*ms))).collect();
    let path: Vec<String> = drawn.iter().map(|(a, b)| format!("{a:.1},{b:.1}")).collect();
    let colour = curve.colour;
    let mut out =
        format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n", path.join(" "));
    for ((a, b), (rate, ms)) in drawn.iter().zip(&curve.points) {
        out.push_str(&format!(
            "<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"3\" fill=\"{colour}\"><title>{rate:.0}/s: {ms:.1} ms</title></circle>\n"
        ));
    }
    out
}

/// Text as it may stand in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{Axis, Curve, draw};

    #[test]
    fn an_axis_goes_from_a_power_of_ten_to_another() {
        let axis = Axis::over([30.0, 4_000.0].into_iter(), 0.0, 300.0).unwrap();
        assert!((axis.at(10.0) - 0.0).abs() < 1e-9 && (axis.at(10_000.0) - 300.0).abs() < 1e-9);
        assert!((axis.at(100.0) - 100.0).abs() < 1e-9);
        let ticks: Vec<String> = axis.ticks().iter().map(|tick| format!("{tick:.0}")).collect();
        assert_eq!(ticks, ["10", "20", "50", "100", "200", "500", "1000", "2000", "5000", "10000"]);
        assert!(Axis::over(std::iter::empty(), 0.0, 1.0).is_none());
    }

    #[test]
    fn every_point_is_drawn_within_the_frame_and_text_is_escaped() {
        let curve = |points: &[(f64, f64)]| Curve { name: "a & b".to_owned(), colour: "#000", points: points.to_vec() };
        let drawn = draw("p99 < 1 s", "", &[curve(&[(100.0, 5.0), (5_000.0, 900.0)])]).unwrap();
        assert_eq!(drawn.matches("<circle").count(), 2);
        assert!(drawn.contains("p99 &lt; 1 s") && drawn.contains("a &amp; b") && drawn.contains("5000/s: 900.0 ms"));
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n") && !drawn.contains("NaN"));
        assert!(draw("", "", &[curve(&[])]).is_none());
    }
}
