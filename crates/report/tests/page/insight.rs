//! The insight of a search: figures, sentences and a table, or the reason why there is none.

use record::Origin;
use wattlab_report::{
    Axis, Dependence, Function, Importance, Plot, SearchInsight, SearchParameter, Share,
    TrialPoint, csv, svg,
};

/// A function with `count` trials, of which `seen` are used. The rate decides the value, and every third
/// trial has no joules.
pub(crate) fn function(name: &str, seen: usize, count: usize) -> Function {
    let trial = |number: usize| {
        let share = |step: usize| (number * step % seen) as f64 / seen as f64;
        let rate = 10f64.powf(-5.0 + 4.0 * share(7));
        TrialPoint {
            name: format!("gp, search 1, trial {}", number + 1),
            parameters: vec![Some(rate), Some(0.1 + 0.9 * share(3)), Some((number % 2) as f64)],
            cost: (!number.is_multiple_of(3)).then_some(300.0 + number as f64),
            value: 90.0 - 20.0 * (rate.log10() + 3.0).powi(2),
        }
    };
    let share = |mean: f64| Share { mean, deviation: 0.1 };
    let along =
        |at: Vec<f64>, mean: Vec<f64>| Dependence { deviation: vec![4.0; at.len()], at, mean };
    Function {
        name: name.to_owned(),
        count,
        trials: (0..seen).map(trial).collect(),
        silence: None,
        importance: Some(Importance {
            alone: vec![share(0.7), share(0.05), share(0.01)],
            pairs: vec![(0, 1, share(0.15)), (0, 2, share(0.02)), (1, 2, share(0.0))],
        }),
        dependence: vec![
            along(vec![1e-5, 1e-3, 1e-1], vec![20.0, 97.0, 15.0]),
            along(vec![0.1, 1.0], vec![50.0, 60.0]),
            along(vec![0.0, 1.0], vec![55.0, 56.0]),
        ],
    }
}

pub(crate) fn insight(functions: Vec<Function>) -> SearchInsight {
    let parameter = |name: &str, low, high, is_log, choices: &[&str]| SearchParameter {
        name: name.to_owned(),
        low,
        high,
        is_log,
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
    };
    SearchInsight {
        id: String::new(),
        name: "fashion-mnist".to_owned(),
        parameters: vec![
            parameter("learning rate", 1e-5, 1e-1, true, &[]),
            parameter("β1", 0.1, 1.0, false, &[]),
            parameter("optimizer", 0.0, 1.0, false, &["adam", "sgd"]),
        ],
        value: Axis::new("validation accuracy", "%"),
        bounds: Some([0.0, 100.0]),
        is_minimized: false,
        cost: Some(Axis::energy("energy of a training", "J", Origin::Estimated)),
        functions,
    }
}

#[test]
fn an_insight_is_shown_in_figures_words_and_a_table() {
    let of = insight(vec![function("SimpleCNN", 100, 400), function("DensePolyNN", 100, 100)]);
    insta::assert_snapshot!(of.in_words().join("\n"), @r"
    SimpleCNN (100 of 400 trials): learning rate explains 70 % of the variance of the validation accuracy over the space, then learning rate × β1 with 15 %.
    DensePolyNN (100 trials): learning rate explains 70 % of the variance of the validation accuracy over the space, then learning rate × β1 with 15 %.
    ");
    let figures = of.figures();
    let ids: Vec<&str> = figures.iter().map(|figure| figure.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "importance",
            "dependence-0",
            "dependence-1",
            "dependence-2",
            "coordinates-SimpleCNN",
            "coordinates-DensePolyNN"
        ]
    );
    let told = |at: usize| {
        let drawing = svg(&figures[at]);
        let told = drawing.split_once("<desc id=\"desc\">").unwrap().1;
        told.split_once("</desc>").unwrap().0.to_owned()
    };
    insta::assert_snapshot!(told(0), @"A bar per parameter. SimpleCNN (100 of 400 trials): learning rate explains 70 % of the variance of the validation accuracy over the space, then learning rate × β1 with 15 %. DensePolyNN (100 trials): learning rate explains 70 % of the variance of the validation accuracy over the space, then learning rate × β1 with 15 %. The figure shows share of the variance. SimpleCNN: learning rate 70.00 % [50.40 to 89.60], β1 5.000 % [0.00 to 24.60], optimizer 1.000 % [0.00 to 20.60], two together 17.00 %; DensePolyNN: learning rate 70.00 % [50.40 to 89.60], β1 5.000 % [0.00 to 24.60], optimizer 1.000 % [0.00 to 20.60], two together 17.00 %.");
    insta::assert_snapshot!(told(1), @"Expected validation accuracy against learning rate: best of SimpleCNN at 0.00100; best of DensePolyNN at 0.00100. The figure shows expected validation accuracy. SimpleCNN: from 20.00 % [12.16 to 27.84] at learning rate 1.000 × 10⁻⁵ to 15.00 % [7.160 to 22.84] at learning rate 0.1000; DensePolyNN: from 20.00 % [12.16 to 27.84] at learning rate 1.000 × 10⁻⁵ to 15.00 % [7.160 to 22.84] at learning rate 0.1000.");
    insta::assert_snapshot!(told(3), @"Expected validation accuracy against optimizer: best of SimpleCNN at sgd; best of DensePolyNN at sgd. The figure shows expected validation accuracy. SimpleCNN: adam 55.00 % [47.16 to 62.84], sgd 56.00 % [48.16 to 63.84]; DensePolyNN: adam 55.00 % [47.16 to 62.84], sgd 56.00 % [48.16 to 63.84].");
    insta::assert_snapshot!(told(4), @"Lines of 100 of 400 trials through 5 axes. The figure shows lines through learning rate, β1, optimizer, energy of a training, validation accuracy. gp, search 1, trial 51: learning rate 0.001000, β1 0.5500, optimizer adam, energy of a training 350.0 J, estimated, validation accuracy 90.00 %; gp, search 1, trial 8: learning rate 0.0009120, β1 0.2890, optimizer sgd, energy of a training 307.0 J, estimated, validation accuracy 89.97 %; gp, search 1, trial 65: learning rate 0.0008318, β1 0.9280, optimizer adam, energy of a training 364.0 J, estimated, validation accuracy 89.87 %; and 93 more lines.");
    insta::assert_snapshot!(figures[4].caption, @"An axis per parameter and a line per trial: the better its validation accuracy, the stronger the line. Showing 96 of 100 trials, evenly spaced by rank. Best: gp, search 1, trial 51.");
    let table = csv(&of.table().unwrap()).replace("\r\n", "\n");
    insta::assert_snapshot!(table.lines().take(4).collect::<Vec<_>>().join("\n"), @r"
    network,parameters,share_of_the_variance_percent,share_of_the_variance_percent_low,share_of_the_variance_percent_high,trials
    SimpleCNN,learning rate,70,50.4,89.6,100
    SimpleCNN,learning rate × β1,15,0,34.599999999999994,100
    SimpleCNN,β1,5,0,24.6,100
    ");

    // The band is cut at an accuracy of 100 %.
    let Plot::Lines(rate) = &figures[1].plot else { panic!("a line") };
    assert_eq!(rate.lines[0].points[1].band, Some([97.0 - 1.96 * 4.0, 100.0]));
    // The best and the worst trial are always drawn, the best last.
    let Plot::Coordinates(lines) = &figures[4].plot else { panic!("coordinates") };
    assert_eq!((lines.axes.len(), lines.traces.len()), (5, 96));
    let values = lines.traces.iter().map(|trace| trace.values[4].unwrap());
    let all: Vec<f64> = of.functions[0].trials.iter().map(|trial| trial.value).collect();
    assert_eq!(values.clone().next_back(), all.iter().copied().reduce(f64::max));
    assert_eq!(values.clone().next(), all.iter().copied().reduce(f64::min));
}

#[test]
fn an_insight_without_importance_says_why() {
    let silent = Function {
        name: "SimpleCNN".to_owned(),
        silence: Some("3 trials have a value, and 3 parameters need at least 12".to_owned()),
        importance: None,
        dependence: Vec::new(),
        ..function("", 3, 3)
    };
    let of = insight(vec![silent]);
    assert_eq!(of.figures(), []);
    assert_eq!(of.table(), None);
    insta::assert_snapshot!(of.in_words().join("\n"), @"The importance of the parameters of SimpleCNN is unknown: 3 trials have a value, and 3 parameters need at least 12.");
}

#[test]
fn the_lowest_loss_is_the_best_and_is_drawn_last_and_darkest() {
    let mut of = insight(vec![function("", 20, 20)]);
    of.is_minimized = true;
    let figures = of.figures();
    let last = figures.last().unwrap();
    assert_eq!(last.id, "parallel-coordinates");
    let Plot::Coordinates(lines) = &last.plot else { panic!("coordinates") };
    let lowest = of.functions[0].trials.iter().map(|trial| trial.value).reduce(f64::min);
    let best = lines.traces.last().unwrap();
    assert_eq!((best.values[4], best.weight), (lowest, 1.0));
    // With one function, its best trial is marked.
    let Plot::Lines(rate) = &figures[1].plot else { panic!("a line") };
    assert_eq!(rate.references[0].value, lowest.unwrap());
}
