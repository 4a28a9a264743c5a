//! How much a network has to do for an image: operations, bytes, passes of layers.

/// The work of the forward passes of a network's layers for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct NetworkWork {
    /// Floating-point operations of convolutions over several pixels, not in groups, which read each value from the
    /// cache several times; a multiply-add counts as two.
    pub(crate) window_flops: f64,
    /// All other floating-point operations.
    pub(crate) flops: f64,
    /// Bytes of activations that are read and written, each input and output once.
    pub(crate) bytes: f64,
    /// Bytes of weights that are read for the image: those of a batch, divided by its images. 0 if all fitted runs have
    /// the same batch.
    pub(crate) weights: f64,
    /// Number of layers with work of their own; divided by the images of a batch where batches differ.
    pub(crate) passes: f64,
}

impl NetworkWork {
    /// All operations.
    pub(crate) fn all_flops(&self) -> f64 {
        self.window_flops + self.flops
    }

    fn add(&mut self, flops: usize, values: usize) {
        self.flops += 2.0 * flops as f64;
        self.bytes += 4.0 * values as f64;
        self.passes += 1.0;
    }
}

/// A convolution's multiply-adds and the values that it reads and writes, for an image of some pixels.
fn convolution(work: &mut NetworkWork, pixels: usize, kernel: usize, from: usize, to: usize) {
    if kernel > 1 {
        work.window_flops += 2.0 * (pixels * kernel * kernel * from * to) as f64;
        work.add(0, pixels * (from + to));
    } else {
        work.add(pixels * from * to, pixels * (from + to));
    }
}

/// Channels of each vertex of a cell: those that lead to the output share its channels, the others have as many
/// as the vertex that they lead to (NASBench-101, `compute_vertex_channels`).
fn channels(matrix: &[Vec<bool>], input: usize, output: usize) -> Vec<usize> {
    let count = matrix.len();
    let mut channels = vec![0; count];
    channels[0] = input;
    channels[count - 1] = output;
    let to_output = (1..count - 1).filter(|vertex| matrix[*vertex][count - 1]).count();
    if to_output == 0 {
        return channels;
    }
    let mut rest = output % to_output;
    for (vertex, leads_to) in matrix.iter().enumerate().take(count - 1).skip(1) {
        if leads_to[count - 1] {
            channels[vertex] = output / to_output + usize::from(rest > 0);
            rest = rest.saturating_sub(1);
        }
    }
    for vertex in (1..count - 1).rev() {
        if !matrix[vertex][count - 1] {
            let after = (vertex + 1..count - 1).filter(|after| matrix[vertex][*after]);
            channels[vertex] = after.map(|after| channels[after]).max().unwrap_or(0);
        }
    }
    channels
}

/// The work of a network of EC-NAS, and the kinds of its operations: a 3×3 convolution, then three stacks of
/// three cells with 128, 256 and 512 channels, on images of 32×32 pixels; `None` if it is not
/// the description of such a network.
pub(crate) fn of_cell_network(matrix: &str, operations: &str) -> Option<(NetworkWork, String)> {
    let operations: Vec<&str> = operations.split('-').filter(|name| !name.is_empty()).collect();
    let count = operations.len() + 2;
    let bits: Vec<bool> = matrix.chars().map(|digit| digit == '1').collect();
    if bits.len() != count * (count - 1) / 2 {
        return None;
    }
    let mut bits = bits.into_iter();
    let mut edges = vec![vec![false; count]; count];
    for (from, row) in edges.iter_mut().enumerate() {
        for edge in &mut row[from + 1..] {
            *edge = bits.next()?;
        }
    }
    let mut work = NetworkWork::default();
    let (mut side, mut from, mut to) = (32, 128, 128);
    convolution(&mut work, side * side, 3, 3, from);
    for stack in 0..3 {
        if stack > 0 {
            work.add(0, side * side * from + side * side * from / 4);
            (side, to) = (side / 2, to * 2);
        }
        for _ in 0..3 {
            cell(&mut work, side * side, &edges, &operations, from, to)?;
            from = to;
        }
    }
    work.add(from * 10, from + 10);
    let mut kinds = operations.clone();
    kinds.sort_unstable();
    Some((work, kinds.join("-")))
}

fn cell(
    work: &mut NetworkWork,
    pixels: usize,
    edges: &[Vec<bool>],
    operations: &[&str],
    from: usize,
    to: usize,
) -> Option<()> {
    let count = edges.len();
    let channels = channels(edges, from, to);
    for (vertex, own) in channels.iter().copied().enumerate().take(count - 1).skip(1) {
        // The cell's input is projected to the vertex's channels.
        if edges[0][vertex] {
            convolution(work, pixels, 1, from, own);
        }
        let inputs = (0..vertex).filter(|before| edges[*before][vertex]).count();
        if inputs > 1 {
            work.add(0, pixels * own * (inputs + 1));
        }
        match operations[vertex - 1] {
            name if name.starts_with("conv3x3") => convolution(work, pixels, 3, own, own),
            name if name.starts_with("conv1x1") => convolution(work, pixels, 1, own, own),
            name if name.starts_with("maxpool") => work.add(0, 2 * pixels * own),
            _ => return None,
        }
    }
    if edges[0][count - 1] {
        convolution(work, pixels, 1, from, to);
    }
    let to_output = (1..count - 1).filter(|vertex| edges[*vertex][count - 1]).count();
    if to_output > 0 {
        work.add(0, 2 * pixels * to);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One 3×3 convolution between input and output, counted by hand.
    #[test]
    fn the_work_of_a_chain_is_that_of_its_convolutions() {
        let (work, kinds) = of_cell_network("101", "conv3x3").unwrap();
        let cells: usize = [(1024, 128), (256, 256), (64, 512)]
            .iter()
            .map(|(pixels, to)| {
                let first = if *to == 128 { 128 } else { to / 2 };
                [first, *to, *to]
                    .iter()
                    .map(|from| pixels * (from * to + 9 * to * to))
                    .sum::<usize>()
            })
            .sum();
        let macs = 1024 * 27 * 128 + cells + 5120;
        assert!((work.all_flops() - 2.0 * macs as f64).abs() < 1.0, "{work:?} {macs}");
        assert_eq!(kinds, "conv3x3");
    }

    #[test]
    fn vertices_share_the_channels_of_the_output() {
        let matrix = vec![
            vec![false, true, true, false],
            vec![false, false, false, true],
            vec![false, false, false, true],
            vec![false; 4],
        ];
        assert_eq!(channels(&matrix, 128, 129), [128, 65, 64, 129]);
    }

    #[test]
    fn other_descriptions_are_refused() {
        assert!(of_cell_network("10", "conv3x3").is_none());
        assert!(of_cell_network("101", "dense").is_none());
    }
}
