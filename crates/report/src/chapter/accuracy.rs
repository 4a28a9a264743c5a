//! RQ5 with accuracy and energy that were both measured here.

use std::collections::HashSet;

use record::Origin;

use super::frontier::{Gain, frontier};
use crate::{
    Estimate,
    claim::{AccuracyRow, estimate, mean, origin_of, stem},
    document::{Cell, Column, Section, Table},
    plot::{Axis, Point},
    stats::proportion_interval,
};

/// The runs of a trained network on the same images.
struct Trained<'a> {
    label: String,
    rows: Vec<&'a AccuracyRow>,
    origin: Origin,
}

/// The section; `None` unless trained networks answered labeled images.
pub(super) fn section(rows: &[AccuracyRow]) -> Option<Section> {
    let networks = networks(rows);
    let origin = origin_of(networks.iter().map(|network| network.origin))?;
    let mut section = Section {
        id: "accuracy".to_owned(),
        heading: "RQ5: accuracy and energy, both measured here".to_owned(),
        question: "What does an accuracy point cost in joules, among networks whose accuracy was measured in \
                   the same runs as their energy?"
            .to_owned(),
        ..Section::default()
    };
    section.paragraphs.push(
        "Each run gives all images of a labeled test split to a network with its trained weights. The energy is \
         that of these forward passes; the accuracy is the share of images whose most likely class is the label."
            .to_owned(),
    );
    if rows.iter().any(|row| !row.precision.is_float32()) {
        section.paragraphs.push(
            "Networks marked int8 compute with 8-bit integers. The ranges of their activations are from the first \
             100 of the images; labels were not used."
                .to_owned(),
        );
    }
    section.tables.push(table(&networks));
    // Accuracies on different images cannot be compared, so every set of images has its own figure.
    let mut sets: Vec<(&str, &str, usize)> = Vec::new();
    for network in &networks {
        let set = images(network.rows[0]);
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    for (at, set) in sets.iter().enumerate() {
        let of: Vec<&Trained<'_>> =
            networks.iter().filter(|network| images(network.rows[0]) == *set).collect();
        if of.len() < 2 {
            continue;
        }
        let id = match at {
            0 => "accuracy-tradeoff".to_owned(),
            _ => format!("accuracy-tradeoff-{}", at + 1),
        };
        let gain = Gain {
            axis: Axis::new("measured top-1 accuracy", "%"),
            name: "measured top-1",
            unit: "%",
            price: "J/image per point",
            falling: false,
        };
        let origin = origin_of(of.iter().map(|network| network.origin)).unwrap_or(origin);
        let (figure, prices) = frontier(
            &id,
            &format!("Measured accuracy on {} against energy per image", set.0),
            "A point is a network. Accuracy has Wilson's 95 % interval over images, energy a 95 % bootstrap \
             interval over runs if there are at least five.",
            (Axis::energy("energy per image", "J", origin).log(), "J/image", origin),
            &gain,
            of.iter().filter_map(|network| network.point()).collect(),
        );
        section.figures.push(figure);
        section.tables.push(prices);
    }
    Some(section)
}

/// What must be equal for accuracies to be comparable: the images.
fn images(row: &AccuracyRow) -> (&str, &str, usize) {
    (&row.data, &row.data_sha256, row.images)
}

/// The networks, by energy. Runs with other weights, images, batches or precisions count as another network. Repetitions
/// have the same accuracy, so those with another one are left out: they are of another program or machine.
fn networks(rows: &[AccuracyRow]) -> Vec<Trained<'_>> {
    let key = |row: &AccuracyRow| {
        (row.network.clone(), row.precision, row.weights_sha256.clone(), row.batch)
    };
    let mut groups: Vec<Vec<&AccuracyRow>> = Vec::new();
    for row in rows {
        let same = |group: &&mut Vec<&AccuracyRow>| {
            key(group[0]) == key(row)
                && images(group[0]) == images(row)
                && group[0].correct == row.correct
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    let mut names = HashSet::new();
    let repeated: HashSet<String> = groups
        .iter()
        .map(|group| name(group[0]))
        .filter(|name| !names.insert(name.clone()))
        .collect();
    let mut networks: Vec<Trained<'_>> = groups
        .into_iter()
        .filter_map(|rows| {
            let first = rows[0];
            let label = match repeated.contains(&name(first)) {
                true => format!("{} ({}, batch {})", name(first), first.weights, first.batch),
                false => name(first),
            };
            let origin = origin_of(rows.iter().map(|row| row.origin))?;
            Some(Trained { label, rows, origin })
        })
        .collect();
    let joules = |network: &Trained<'_>| {
        network.over_runs(|row| row.joules_per_image).map_or(f64::INFINITY, |it| it.value)
    };
    networks.sort_by(|a, b| joules(a).total_cmp(&joules(b)));
    networks
}

fn name(row: &AccuracyRow) -> String {
    row.precision.of_network(stem(&row.network))
}

impl Trained<'_> {
    fn over_runs(&self, value: fn(&AccuracyRow) -> f64) -> Option<Estimate> {
        estimate(self.rows.len(), |units| mean(units.iter().map(|run| value(self.rows[*run]))))
    }

    /// The accuracy in percent, with its interval.
    fn accuracy(&self) -> (f64, Option<[f64; 2]>) {
        let AccuracyRow { correct, images, .. } = *self.rows[0];
        let interval = proportion_interval(correct, images, 0.95).ok();
        let share = correct as f64 / images as f64;
        (share * 100.0, interval.map(|it| [it.low * 100.0, it.high * 100.0]))
    }

    fn point(&self) -> Option<Point> {
        let energy = self.over_runs(|row| row.joules_per_image)?;
        let (y, y_interval) = self.accuracy();
        Some(Point {
            x: energy.value,
            y,
            x_interval: energy.ci95,
            y_interval,
            label: self.label.clone(),
        })
    }
}

fn table(networks: &[Trained<'_>]) -> Table {
    let mut table = Table::new(
        "accuracy-networks",
        "Trained networks on labeled images: accuracy with Wilson's 95 % interval over images; energy and time per \
         image with 95 % bootstrap intervals over runs if there are at least five.",
        [
            Column::text("network"),
            Column::text("year"),
            Column::number("parameters", ""),
            Column::text("data"),
            Column::number("images", ""),
            Column::number("batch", "images"),
            Column::number("runs", ""),
            Column::number("measured top-1", "%"),
            Column::energy("energy per image", "J/image"),
            Column::number("time per image", "s"),
        ],
    );
    for network in networks {
        let row = network.rows[0];
        let energy = network.over_runs(|row| row.joules_per_image);
        let time = network.over_runs(|row| row.seconds_per_image);
        let (accuracy, interval) = network.accuracy();
        table.push([
            Cell::text(&network.label),
            Cell::text(row.year.map_or_else(String::new, |year| year.to_string())),
            Cell::Integer(row.parameters as i64),
            Cell::text(&row.data),
            Cell::Integer(row.images as i64),
            Cell::Integer(row.batch as i64),
            Cell::Integer(network.rows.len() as i64),
            Cell::interval(accuracy, interval, 4),
            Cell::or_missing(energy.map(|of| Cell::energy(of.value, of.ci95, 3, network.origin))),
            Cell::or_missing(time.map(|of| Cell::interval(of.value, of.ci95, 3))),
        ]);
    }
    table
}
