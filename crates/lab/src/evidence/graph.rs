//! Networks as graphs: which descriptions are the same network.

/// A network as a graph from an input to an output vertex, the same for each description of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Canonical {
    /// Operations of the inner vertices.
    operations: Vec<u8>,
    /// Edges as bits, row by row.
    edges: Vec<bool>,
}

/// Larger graphs are refused: the number of orders of their inner vertices grows too fast.
const MOST_INNER: usize = 6;

impl Canonical {
    /// The network of a description, without vertices that no path from input to output visits; `None` if
    /// there is no path.
    ///
    /// `edges` is the upper triangle of the adjacency matrix, row by row, of the input, the inner vertices
    /// and the output; `operations` are those of the inner vertices.
    pub(super) fn of(edges: &[bool], operations: &[u8]) -> Option<Self> {
        let count = operations.len() + 2;
        if operations.len() > MOST_INNER || edges.len() != count * (count - 1) / 2 {
            return None;
        }
        let mut at = edges.iter();
        let mut matrix = vec![vec![false; count]; count];
        for (from, row) in matrix.iter_mut().enumerate() {
            for edge in &mut row[from + 1..] {
                *edge = *at.next()?;
            }
        }
        let mut from_input = vec![false; count];
        let mut to_output = vec![false; count];
        from_input[0] = true;
        to_output[count - 1] = true;
        for to in 1..count {
            from_input[to] = (0..to).any(|from| from_input[from] && matrix[from][to]);
        }
        for from in (0..count - 1).rev() {
            to_output[from] = (from + 1..count).any(|to| to_output[to] && matrix[from][to]);
        }
        if !from_input[count - 1] {
            return None;
        }
        let inner: Vec<usize> =
            (1..count - 1).filter(|vertex| from_input[*vertex] && to_output[*vertex]).collect();
        let mut least: Option<Self> = None;
        permuted(&mut inner.clone(), 0, &mut |order| {
            let vertices: Vec<usize> =
                std::iter::once(0).chain(order.iter().copied()).chain([count - 1]).collect();
            let operations = order.iter().map(|vertex| operations[*vertex - 1]).collect();
            let edges =
                vertices.iter().flat_map(|from| vertices.iter().map(move |to| (*from, *to)));
            let candidate =
                Self { operations, edges: edges.map(|(from, to)| matrix[from][to]).collect() };
            if least.as_ref().is_none_or(|least| candidate < *least) {
                least = Some(candidate);
            }
        });
        least
    }
}

/// Calls a function with every order of some vertices.
fn permuted(vertices: &mut [usize], from: usize, each: &mut impl FnMut(&[usize])) {
    if from + 1 >= vertices.len() {
        each(vertices);
        return;
    }
    for at in from..vertices.len() {
        vertices.swap(from, at);
        permuted(vertices, from + 1, each);
        vertices.swap(from, at);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn bits(text: &str) -> Vec<bool> {
        text.chars().map(|digit| digit == '1').collect()
    }

    #[test]
    fn the_order_of_vertices_and_unused_vertices_do_not_matter() {
        // Input to both, both to output; the operations swapped.
        let one = Canonical::of(&bits("110011"), &[0, 1]);
        assert!(one.is_some());
        assert_eq!(one, Canonical::of(&bits("110011"), &[1, 0]));
        // A vertex that leads nowhere.
        let line = Canonical::of(&bits("101"), &[2]);
        assert_eq!(line, Canonical::of(&bits("110010"), &[2, 0]));
        assert_eq!(Canonical::of(&bits("100"), &[2]), None, "no path to the output");
    }

    /// The number of networks of at most five vertices in NASBench-101's search space, from the paper of EC-NAS.
    #[test]
    fn there_are_2532_networks_of_at_most_five_vertices() {
        let mut found = BTreeSet::new();
        for edges in 0..1_u32 << 10 {
            // NASBench-101 allows nine edges.
            if edges.count_ones() > 9 {
                continue;
            }
            let edges: Vec<bool> = (0..10).map(|bit| edges >> bit & 1 == 1).collect();
            for operations in 0..27_u8 {
                let operations = [operations % 3, operations / 3 % 3, operations / 9];
                found.extend(Canonical::of(&edges, &operations));
            }
        }
        assert_eq!(found.len(), 2532);
    }
}
