//! The rows of a data set that one device gave.

use std::{collections::BTreeMap, sync::Arc};

use super::{Adapter, OwnEstimator, OwnReading};
use crate::claim::distinct;

/// One run of other people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EvidenceRow {
    /// The network; with its task if a data set has several.
    pub network: String,
    /// Images or inputs that were handled together; `None` if unknown.
    pub batch: Option<u32>,
    /// Runs of a block share what may differ between blocks, such as a session.
    pub block: Option<String>,
    /// Joules per unit of the adapter.
    pub joules: f64,
    /// Joules as they were read, before division by the work.
    pub read_joules: f64,
    /// Joules per image; `None` if the number of images is unknown.
    pub joules_per_image: Option<f64>,
    /// A share in [0, 1]; `None` if unknown.
    pub accuracy: Option<f64>,
    /// The second measurement of the same run, as read, in joules.
    pub second_joules: Option<f64>,
    /// What one of our own estimators would have read of the run.
    pub own: Option<OwnReading>,
    /// The network as a graph, for replayed searches.
    pub graph: Option<CellGraph>,
}

/// A network of a search space of graphs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct CellGraph {
    /// Upper triangle of the adjacency matrix, row by row, as digits 0 and 1.
    pub matrix: String,
    /// Operations of the inner vertices, in order, joined by `-`.
    pub operations: String,
    /// Validation accuracy in units of 10⁻⁶, so that graphs can be compared.
    pub validation_ppm: u32,
}

/// The rows of a data set that one device gave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EvidenceSet {
    /// The data set.
    pub adapter: Arc<Adapter>,
    /// The device.
    pub device: String,
    /// Rows that are used.
    pub rows: Vec<EvidenceRow>,
    /// Rows that are left out: the reason and their number.
    pub excluded: Vec<(String, usize)>,
    /// Whether the rows are of the copy in this program.
    pub is_copy: bool,
}

/// The mean of a network's rows.
#[derive(Clone, Debug)]
pub(crate) struct NetworkRuns<'a> {
    pub(crate) network: &'a str,
    pub(crate) rows: Vec<&'a EvidenceRow>,
}

impl NetworkRuns<'_> {
    /// Mean joules per unit.
    pub(crate) fn joules(&self) -> f64 {
        self.rows.iter().map(|row| row.joules).sum::<f64>() / self.rows.len() as f64
    }

    /// Mean accuracy; `None` if a row has none.
    pub(crate) fn accuracy(&self) -> Option<f64> {
        let sum: f64 = self.rows.iter().map(|row| row.accuracy).sum::<Option<f64>>()?;
        Some(sum / self.rows.len() as f64)
    }
}

impl EvidenceSet {
    /// Data set and device: `zeus-traces, V100`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}, {}", self.adapter.name, self.device)
    }

    /// Our own estimator that applies to its runs; `None` if what it reads was not recorded.
    #[must_use]
    pub fn own_estimator(&self) -> Option<OwnEstimator> {
        let estimate = self.adapter.estimate.as_ref()?;
        let limit = *estimate.limits.get(&self.device)?;
        Some(OwnEstimator { model: estimate.model, limit, at_most: estimate.at_most })
    }

    /// The largest batch that every network has, if there are several.
    pub(crate) fn common_batch(&self) -> Option<u32> {
        let networks = distinct(self.rows.iter().map(|row| row.network.as_str())).len();
        let mut of: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for row in &self.rows {
            of.entry(row.batch?).or_default().push(&row.network);
        }
        let common = of.iter().rev();
        let mut common =
            common.filter(|(_, names)| distinct(names.iter().copied()).len() == networks);
        (of.len() > 1).then(|| common.next().map(|(batch, _)| *batch)).flatten()
    }

    /// The networks in order of first appearance, each with its rows; with several batches, only the rows
    /// of the largest that all networks have.
    pub(crate) fn networks(&self) -> Vec<NetworkRuns<'_>> {
        let batch = self.common_batch();
        let mut at: BTreeMap<&str, usize> = BTreeMap::new();
        let mut networks: Vec<NetworkRuns<'_>> = Vec::new();
        let rows = self.rows.iter().filter(|row| batch.is_none() || row.batch == batch);
        for row in rows {
            let index = *at.entry(&row.network).or_insert_with(|| {
                networks.push(NetworkRuns { network: &row.network, rows: Vec::new() });
                networks.len() - 1
            });
            networks[index].rows.push(row);
        }
        networks
    }
}
