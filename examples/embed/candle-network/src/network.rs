// The network of candle's MNIST example. The including module imports `Conv2d`, `Linear`, `AdamW`, `conv2d`,
// `linear`, `loss` and `max_pool2d`: those of candle-nn, or ours.

/// Two convolutions and two linear layers for images of 28 × 28 pixels.
pub struct ConvNet {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

impl ConvNet {
    /// Creates the parameters, or finds them in the builder.
    pub fn new(vs: candle_nn::VarBuilder<'_>) -> candle_core::Result<Self> {
        Ok(Self {
            conv1: conv2d(1, 32, 5, Default::default(), vs.pp("c1"))?,
            conv2: conv2d(32, 64, 5, Default::default(), vs.pp("c2"))?,
            fc1: linear(1024, 1024, vs.pp("fc1"))?,
            fc2: linear(1024, 10, vs.pp("fc2"))?,
        })
    }

    /// The logits of images `[n][1][28][28]`.
    pub fn forward(&self, xs: &candle_core::Tensor) -> candle_core::Result<candle_core::Tensor> {
        let xs = max_pool2d(&xs.apply(&self.conv1)?, 2)?;
        let xs = max_pool2d(&xs.apply(&self.conv2)?, 2)?.flatten_from(1)?;
        xs.apply(&self.fc1)?.relu()?.apply(&self.fc2)
    }
}

/// Trains a network and returns the loss and the seconds of each step.
pub fn train(
    vars: &candle_nn::VarMap,
    batches: &[(candle_core::Tensor, candle_core::Tensor)],
) -> candle_core::Result<Vec<(f32, f64)>> {
    use candle_nn::Optimizer;

    let builder = candle_nn::VarBuilder::from_varmap(
        vars,
        candle_core::DType::F32,
        &candle_core::Device::Cpu,
    );
    let network = ConvNet::new(builder)?;
    let mut optimizer = AdamW::new_lr(vars.all_vars(), 1e-3)?;
    let mut steps = Vec::new();
    for (images, labels) in batches {
        let start = std::time::Instant::now();
        let loss = loss::cross_entropy(&network.forward(images)?, labels)?;
        optimizer.backward_step(&loss)?;
        steps.push((loss.to_scalar()?, start.elapsed().as_secs_f64()));
    }
    Ok(steps)
}
