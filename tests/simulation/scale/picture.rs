//! The table and the picture of `make scale`, for docs/reliability.md.

use std::{fs, path::Path};

use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    coord::combinators::IntoLogRange,
    element::{Circle, PathElement},
    prelude::{IntoDrawingArea, RED, RGBColor, SVGBackend, WHITE},
    series::LineSeries,
    style::{Color, IntoFont},
};

use super::{Deployed, Way};

const BEGIN: &str = "<!-- make scale -->\n";
const END: &str = "<!-- made -->\n";
const BLUE: RGBColor = RGBColor(31, 119, 180);
const ORANGE: RGBColor = RGBColor(214, 110, 10);
/// The colours on a dark page, which the backend cannot say. Rules of CSS win over attributes.
const DARK: &str = "<style>@media (prefers-color-scheme:dark){\
    [fill='#FFFFFF']{fill:#0d1117}[fill='#000000']{fill:#e6edf3}\
    [stroke='#FFFFFF']{stroke:#0d1117}[stroke='#000000']{stroke:#9198a1}[stroke='#C8C8C8']{stroke:#3d444d}\
    [fill='#1F77B4']{fill:#58a6ff}[stroke='#1F77B4']{stroke:#58a6ff}\
    [fill='#D66E0A']{fill:#f0883e}[stroke='#D66E0A']{stroke:#f0883e}\
    [fill='#FF0000']{fill:#f85149}[stroke='#FF0000']{stroke:#f85149}}</style>\n";

/// Writes the table into docs/reliability.md and draws docs/scale.svg.
pub(super) fn write(table: &str, all: &[Deployed]) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = docs.join("reliability.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    fs::write(&page, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    let picture = docs.join("scale.svg");
    draw(&picture, all);
    let drawn = fs::read_to_string(&picture).unwrap();
    let (opening, shapes) = drawn.split_once('\n').unwrap();
    fs::write(&picture, format!("{opening}\n{DARK}{shapes}")).unwrap();
}

/// The lag that 99 % stay below over the number of resources, both on a logarithmic scale.
fn draw(path: &Path, all: &[Deployed]) {
    let area = SVGBackend::new(path, (760, 420)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "From the end of a task to its answer: 99 % of the resources",
            ("sans-serif", 18).into_font(),
        )
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (1.0..12_000.0_f64).log_scale(),
            (0.1..1000.0_f64).log_scale(),
        )
        .unwrap();
    let number = |value: &f64| format!("{value}");
    chart
        .configure_mesh()
        .x_desc("resources that are deployed at once")
        .y_desc("lag in seconds")
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .light_line_style(WHITE)
        .draw()
        .unwrap();
    for (way, colour) in [
        (Way::Polling, ORANGE),
        (Way::Ledger, BLUE),
        (Way::WatchAlone, RED),
    ] {
        let of_way = all.iter().filter(|deployed| deployed.way == way);
        let points: Vec<(f64, f64)> = of_way
            .map(|deployed| (deployed.resources as f64, deployed.lag(0.99)))
            .collect();
        chart
            .draw_series(
                points
                    .iter()
                    .map(|point| Circle::new(*point, 4, colour.filled())),
            )
            .unwrap();
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))
            .unwrap()
            .label(way.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .draw()
        .unwrap();
    area.present().unwrap();
}
