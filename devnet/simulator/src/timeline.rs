//! What happened in a simulation, to be read and to be drawn.
//!
//! Must not know: why it happened.

use std::fmt;
use std::fmt::Write as _;

use tonle_consensus::Statement;

/// A thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A node started.
    Starts,
    /// A node ended, by a crash or a failed sync.
    Dies,
    /// A node signed in this epoch.
    Signs(u64, Statement),
    /// A block of this height became final.
    Finalizes(u64),
    /// A client's transaction came in.
    Submits(usize),
    /// A fault struck.
    Strike(String),
    /// All faults ended.
    Heals,
}

/// When, where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Virtual time, in microseconds.
    pub at_us: u64,
    /// The machine; none for the world.
    pub node: Option<usize>,
    /// What.
    pub deed: Deed,
}

/// All of it, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// How many machines there are.
    pub nodes: usize,
    /// What happened.
    pub lines: Vec<Line>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} ms  ", std::time::Duration::from_micros(self.at_us).as_secs_f64() * 1_000.0)?;
        match self.node {
            Some(node) => write!(f, "node {node:<3} ")?,
            None => write!(f, "world    ")?,
        }
        match &self.deed {
            Deed::Starts => write!(f, "starts"),
            Deed::Dies => write!(f, "dies"),
            Deed::Signs(epoch, statement) => write!(f, "signs in epoch {epoch}: {statement:?}"),
            Deed::Finalizes(height) => write!(f, "block {height} is final"),
            Deed::Submits(client) => write!(f, "client {client} submits"),
            Deed::Strike(what) => write!(f, "{what}"),
            Deed::Heals => write!(f, "all faults end"),
        }
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

const WIDTH: f64 = 1_400.0;
const LEFT: f64 = 70.0;
const ROW: f64 = 46.0;
const TOP: f64 = 60.0;

impl Timeline {
    /// The last `us` microseconds.
    #[must_use]
    pub fn tail(&self, us: u64) -> Timeline {
        let end = self.lines.last().map_or(0, |line| line.at_us);
        let lines = self.lines.iter().filter(|line| line.at_us + us >= end).cloned().collect();
        Timeline { nodes: self.nodes, lines }
    }

    /// A drawing: a row for each machine, time from left to right; `title` stands above.
    #[must_use]
    pub fn svg(&self, title: &str) -> String {
        let first = self.lines.first().map_or(0, |line| line.at_us);
        let last = self.lines.last().map_or(1, |line| line.at_us).max(first + 1);
        let seconds = |us: u64| std::time::Duration::from_micros(us).as_secs_f64();
        let x = |at_us: u64| LEFT + (WIDTH - LEFT - 20.0) * seconds(at_us - first) / seconds(last - first);
        let rows = u32::try_from(self.nodes).map_or(1.0, f64::from);
        let y = |node: usize| TOP + ROW * (u32::try_from(node).map_or(0.0, f64::from) + 1.0);
        let height = TOP + ROW * (rows + 1.0) + 40.0;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
             <text x=\"10\" y=\"20\" font-size=\"14\">{}</text>\n",
            escaped(title)
        );
        let mut draw = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        for node in 0..self.nodes {
            let y = y(node);
            draw(format!("<text x=\"10\" y=\"{}\">node {node}</text>", y + 4.0));
            for (from, to) in self.runs(node, first, last) {
                let (from, to) = (x(from), x(to));
                draw(format!(
                    "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#999\" stroke-width=\"2\"/>"
                ));
            }
        }
        for line in &self.lines {
            draw(mark(line, x(line.at_us), line.node.map_or(TOP, y), height));
        }
        for tenth in 0..=10u64 {
            let at = first + (last - first) * tenth / 10;
            draw(format!("<text x=\"{:.1}\" y=\"{}\">{:.1} s</text>", x(at) - 10.0, height - 22.0, seconds(at)));
        }
        draw(format!(
            "<text x=\"10\" y=\"{}\">blue proposes, green notarizes, purple finalizes, red gives up; black bar: block final; \
             orange: client; dashed: a fault strikes, or all end</text>",
            height - 6.0
        ));
        out.push_str("</svg>\n");
        out
    }

    /// When a machine ran.
    fn runs(&self, node: usize, first: u64, last: u64) -> Vec<(u64, u64)> {
        let (mut runs, mut since) = (Vec::new(), Some(first));
        for line in self.lines.iter().filter(|line| line.node == Some(node)) {
            match line.deed {
                Deed::Starts => since = Some(line.at_us),
                Deed::Dies => runs.extend(since.take().map(|since| (since, line.at_us))),
                Deed::Signs(..) | Deed::Finalizes(_) | Deed::Submits(_) | Deed::Strike(_) | Deed::Heals => {}
            }
        }
        runs.extend(since.map(|since| (since, last)));
        runs
    }
}

/// The drawing of one thing that happened, at this place; a fault runs down the whole `height`.
fn mark(line: &Line, x: f64, y: f64, height: f64) -> String {
    let tip = escaped(&line.to_string());
    let dot = |above: f64, radius: f64, colour: &str| {
        let y = y - above;
        format!("<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"{radius}\" fill=\"{colour}\"><title>{tip}</title></circle>")
    };
    let sign = |sign: char, colour: &str| {
        let y = y + 4.0;
        format!("<text x=\"{x:.1}\" y=\"{y}\" fill=\"{colour}\">{sign}<title>{tip}</title></text>")
    };
    let down = |colour: &str| {
        let end = height - 40.0;
        format!(
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"40\" y2=\"{end}\" stroke=\"{colour}\" stroke-dasharray=\"3 3\">\
             <title>{tip}</title></line>"
        )
    };
    match &line.deed {
        Deed::Signs(_, Statement::Proposal { .. }) => dot(12.0, 2.5, "#1f77b4"),
        Deed::Signs(_, Statement::Notarize { .. }) => dot(8.0, 2.5, "#2ca02c"),
        Deed::Signs(_, Statement::Finalize { .. }) => dot(4.0, 2.5, "#9467bd"),
        Deed::Signs(_, Statement::Timeout { .. }) => dot(-8.0, 2.5, "#d62728"),
        Deed::Submits(_) => dot(-14.0, 2.0, "#ff7f0e"),
        Deed::Finalizes(_) => {
            let (x, y) = (x - 1.0, y + 2.0);
            format!("<rect x=\"{x:.1}\" y=\"{y}\" width=\"2\" height=\"9\"><title>{tip}</title></rect>")
        }
        Deed::Dies => sign('✕', "#d62728"),
        Deed::Starts => sign('▸', "#2ca02c"),
        Deed::Strike(_) => down("#d62728"),
        Deed::Heals => down("#2ca02c"),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "{letter}");
            }
        }
    }
    out
}
