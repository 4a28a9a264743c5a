// Training of the study's networks: everything except the matrix products of linear layers.
//
// Images are `[n][c][h][w]`; weights have PyTorch's layout. A block has 256 threads. Sums have a fixed order
// and use no atomics, so that equal inputs give equal bits. The tests compile this file for the CPU
// (emulated.hpp) and compare it with the kernels in `src/kernels`.
#ifndef EMULATED
#define KERNEL extern "C" __global__ void __launch_bounds__(256)
#endif

constexpr int THREADS = 256;

// State that a recorded step reads instead of arguments.
struct Counters {
    int batch;   // number of the next batch
    int steps;   // optimizer steps made
    float size;  // Adam's factor of the first moment
    float root;  // Adam's factor of the square root of the second moment
};

static __device__ float no_less_than_zero(float value) {
    // Not fmaxf, so that NaN stays NaN.
    return value < 0.0f ? 0.0f : value;
}

// The sum over the threads of a block, returned to all of them.
static __device__ double block_sum(double value) {
    __shared__ double sums[THREADS];
    const int t = threadIdx.x;
    sums[t] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (t < half) sums[t] += sums[t + half];
        __syncthreads();
    }
    const double total = sums[0];
    __syncthreads();
    return total;
}

// Starts an epoch. Grid: 1.
KERNEL begin_epoch(Counters* counters) {
    if (blockIdx.x == 0 && threadIdx.x == 0) counters->batch = 0;
}

// Copies the images and labels of the next batch, `[n][features]`. Grid: n, features / 256.
KERNEL take_batch(const float* images, const unsigned* labels, const unsigned* order,
                  const Counters* counters, float* to, unsigned* to_labels, int minibatch, int features) {
    const int row = blockIdx.x;
    const size_t from = order[(size_t)counters->batch * minibatch + row];
    const int at = blockIdx.y * THREADS + threadIdx.x;
    if (at < features) to[(size_t)row * features + at] = images[from * features + at];
    if (at == 0) to_labels[row] = labels[from];
}

// A 3×3 convolution with padding 1, as a product of 4096 / BN pixels by BN outputs. TURNED: computes the
// gradient of the input from that of the output; weights are `[cin][cout][3][3]`. SUMS: writes each
// channel's sum of values and of squares over the block's pixels to `partial [outputs][2][blocks]`.
// Grid: pixels / (4096 / BN), outputs / BN.
template <int BN, bool TURNED, bool SUMS>
static __device__ void convolve(const float* x, const float* weight, float* out, float* partial, int n,
                                int cin, int cout, int h, int w) {
    constexpr int BM = 4096 / BN;
    constexpr int COLUMNS = BN / 4, ROWS = THREADS / COLUMNS;
    constexpr int PIXELS = BM > THREADS ? BM / THREADS : 1;
    constexpr int STEP = BM < THREADS ? THREADS / BM : 1;
    __shared__ __align__(16) float left[9][BM];
    __shared__ __align__(16) float right[9][BN];
    const int t = threadIdx.x, area = h * w, pixels = n * area;
    const int first = blockIdx.x * BM, output = blockIdx.y * BN;

    // The pixels whose neighbors this thread loads, in every iteration.
    int base[PIXELS], row[PIXELS], column[PIXELS];
    const int lane = t % BM;
    for (int j = 0; j < PIXELS; j++) {
        const int pixel = first + lane + j * THREADS;
        const int image = pixel / area, rest = pixel - image * area;
        row[j] = pixel < pixels ? rest / w : -9;
        column[j] = rest % w;
        base[j] = image * cin * area + rest;
    }
    float sum[4][4] = {};
    const int tn = t % COLUMNS, tm = t / COLUMNS;
    for (int c = 0; c < cin; c++) {
        for (int r = STEP > 1 ? t / BM : 0; r < 9; r += STEP) {
            const int dy = r / 3 - 1, dx = r % 3 - 1;
            for (int j = 0; j < PIXELS; j++) {
                const int y = row[j] + dy, z = column[j] + dx;
                const bool inside = y >= 0 && y < h && z >= 0 && z < w;
                left[r][lane + j * THREADS] = inside ? x[base[j] + c * area + dy * w + dx] : 0.0f;
            }
        }
        for (int e = t; e < 9 * BN; e += THREADS) {
            const int o = output + e / 9, r = e % 9;
            float value = 0.0f;
            if (o < cout) {
                value = TURNED ? weight[(c * cout + o) * 9 + 8 - r] : weight[(o * cin + c) * 9 + r];
            }
            right[r][e / 9] = value;
        }
        __syncthreads();
        for (int r = 0; r < 9; r++) {
            const float4 a = *(const float4*)&left[r][tm * 4];
            const float4 b = *(const float4*)&right[r][tn * 4];
            const float as[4] = {a.x, a.y, a.z, a.w}, bs[4] = {b.x, b.y, b.z, b.w};
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) sum[i][j] += as[i] * bs[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < 4; i++) {
        const int pixel = first + tm * 4 + i;
        if (pixel >= pixels) continue;
        const int image = pixel / area, rest = pixel - image * area;
        for (int j = 0; j < 4; j++) {
            const int o = output + tn * 4 + j;
            if (o < cout) out[(size_t)(image * cout + o) * area + rest] = sum[i][j];
        }
    }
    if (SUMS) {
        // Sums of pixels beyond the last one are 0.
        __shared__ float sums[2][ROWS][BN];
        for (int j = 0; j < 4; j++) {
            float values = 0.0f, squares = 0.0f;
            for (int i = 0; i < 4; i++) {
                values += sum[i][j];
                squares += sum[i][j] * sum[i][j];
            }
            sums[0][tm][tn * 4 + j] = values;
            sums[1][tm][tn * 4 + j] = squares;
        }
        __syncthreads();
        for (int half = ROWS / 2; half > 0; half /= 2) {
            if (tm < half) {
                for (int j = 0; j < 4; j++) {
                    sums[0][tm][tn * 4 + j] += sums[0][tm + half][tn * 4 + j];
                    sums[1][tm][tn * 4 + j] += sums[1][tm + half][tn * 4 + j];
                }
            }
            __syncthreads();
        }
        if (t < 2 * BN && output + t / 2 < cout) {
            partial[(size_t)(2 * output + t) * gridDim.x + blockIdx.x] = sums[t % 2][0][t / 2];
        }
    }
}

#define CONVOLVE(name, BN, TURNED, SUMS)                                                              \
    KERNEL name(const float* x, const float* weight, float* out, float* partial, int n, int cin,      \
                int cout, int h, int w) {                                                             \
        convolve<BN, TURNED, SUMS>(x, weight, out, partial, n, cin, cout, h, w);                      \
    }
CONVOLVE(conv_4, 4, false, true)
CONVOLVE(conv_16, 16, false, true)
CONVOLVE(conv_32, 32, false, true)
CONVOLVE(conv_64, 64, false, true)
CONVOLVE(conv_back_4, 4, true, false)
CONVOLVE(conv_back_16, 16, true, false)
CONVOLVE(conv_back_32, 32, true, false)
CONVOLVE(conv_back_64, 64, true, false)

// The gradient of the weights as a product of TK inputs × positions by TN outputs, a slab of pixels at a
// time. The pixels are divided into parts: `partial [splits][cout][cin · 9]`. Groups of threads take turns
// at the pixels of a slab. Grid: 9 cin / TK, cout / TN, splits.
template <int TK, int TN, int SLAB>
static __device__ void weigh(const float* x, const float* gradient, float* partial, int n, int cin, int cout,
                             int h, int w, int each) {
    constexpr int MEMBERS = TK * TN / 16, GROUPS = THREADS / MEMBERS;
    __shared__ __align__(16) float left[SLAB][TK + 4];
    __shared__ __align__(16) float right[SLAB][TN + 4];
    const int t = threadIdx.x, area = h * w, pixels = n * area;
    const int depth = blockIdx.x * TK, output = blockIdx.y * TN, inputs = cin * 9;
    const int begin = blockIdx.z * each;
    const int end = begin + each < pixels ? begin + each : pixels;
    const int member = t % MEMBERS, group = t / MEMBERS;
    const int tn = member % (TN / 4), tk = member / (TN / 4);
    // Each thread loads values of one pixel of the slab.
    constexpr int LOADERS = THREADS / SLAB;
    const int slot = t % SLAB, loader = t / SLAB;
    float sum[4][4] = {};
    for (int start = begin; start < end; start += SLAB) {
        const int pixel = start + slot;
        const bool there = pixel < end;
        const int image = pixel / area, rest = pixel - image * area;
        const int y = rest / w, z = rest % w;
        for (int k = loader; k < TK; k += LOADERS) {
            const int at = depth + k, c = at / 9, r = at % 9;
            const int ry = y + r / 3 - 1, rz = z + r % 3 - 1;
            const bool inside = there && at < inputs && ry >= 0 && ry < h && rz >= 0 && rz < w;
            left[slot][k] = inside ? x[(size_t)(image * cin + c) * area + ry * w + rz] : 0.0f;
        }
        for (int o = loader; o < TN; o += LOADERS) {
            const bool inside = there && output + o < cout;
            right[slot][o] = inside ? gradient[(size_t)(image * cout + output + o) * area + rest] : 0.0f;
        }
        __syncthreads();
        for (int p = group; p < SLAB; p += GROUPS) {
            const float4 a = *(const float4*)&left[p][tk * 4];
            const float4 b = *(const float4*)&right[p][tn * 4];
            const float as[4] = {a.x, a.y, a.z, a.w}, bs[4] = {b.x, b.y, b.z, b.w};
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) sum[i][j] += as[i] * bs[j];
        }
        __syncthreads();
    }
    if (GROUPS > 1) {
        __shared__ float sums[GROUPS > 1 ? 16 * THREADS : 1];
        for (int i = 0; i < 16; i++) sums[i * THREADS + t] = sum[i / 4][i % 4];
        __syncthreads();
        for (int half = GROUPS / 2; half > 0; half /= 2) {
            if (group < half) {
                for (int i = 0; i < 16; i++) sums[i * THREADS + t] += sums[i * THREADS + t + half * MEMBERS];
            }
            __syncthreads();
        }
        for (int i = 0; i < 16; i++) sum[i / 4][i % 4] = sums[i * THREADS + member];
    }
    if (group > 0) return;
    for (int i = 0; i < 4; i++) {
        const int k = depth + tk * 4 + i;
        for (int j = 0; j < 4; j++) {
            const int o = output + tn * 4 + j;
            if (k < inputs && o < cout) {
                partial[((size_t)blockIdx.z * cout + o) * inputs + k] = sum[i][j];
            }
        }
    }
}

#define WEIGH(name, TK, TN, SLAB)                                                                     \
    KERNEL name(const float* x, const float* gradient, float* partial, int n, int cin, int cout,      \
                int h, int w, int each) {                                                             \
        weigh<TK, TN, SLAB>(x, gradient, partial, n, cin, cout, h, w, each);                          \
    }
WEIGH(conv_weights_4, 16, 4, 256)
WEIGH(conv_weights_16, 32, 16, 128)
WEIGH(conv_weights_64, 64, 64, 32)

// The sum of `parts` arrays `[parts][len]`. Grid: len / 32.
KERNEL sum_parts(const float* partial, float* to, int parts, int len) {
    __shared__ float sums[8][32];
    const int lane = threadIdx.x % 32, member = threadIdx.x / 32;
    const int at = blockIdx.x * 32 + lane;
    float sum = 0.0f;
    if (at < len) {
        for (int part = member; part < parts; part += 8) sum += partial[(size_t)part * len + at];
    }
    sums[member][lane] = sum;
    __syncthreads();
    if (member == 0 && at < len) {
        for (int other = 1; other < 8; other++) sum += sums[other][lane];
        to[at] = sum;
    }
}

// `saved [4][channels]`: scale, shift, mean and inverse deviation of a batch norm.
static __device__ void save_norm(float* saved, const float* affine, int c, int channels, double mean,
                                 double inverse) {
    const double scale = (double)affine[c] * inverse;
    saved[c] = (float)scale;
    saved[channels + c] = (float)((double)affine[channels + c] - mean * scale);
    saved[2 * channels + c] = (float)mean;
    saved[3 * channels + c] = (float)inverse;
}

// Computes the moments of a channel from the sums of all blocks, and updates the running statistics
// `[2][channels]` as PyTorch does. Grid: channels.
KERNEL norm_batch(const float* partial, const float* affine, float* running, float* saved, int blocks,
                  int count) {
    const int c = blockIdx.x, channels = gridDim.x;
    double values = 0.0, squares = 0.0;
    for (int block = threadIdx.x; block < blocks; block += THREADS) {
        values += partial[(size_t)(2 * c) * blocks + block];
        squares += partial[(size_t)(2 * c + 1) * blocks + block];
    }
    values = block_sum(values);
    squares = block_sum(squares);
    if (threadIdx.x > 0) return;
    const double n = count, mean = values / n;
    double variance = squares / n - mean * mean;
    if (variance < 0.0) variance = 0.0;
    const double unbiased = n > 1.0 ? variance * n / (n - 1.0) : variance;
    running[c] += 0.1f * ((float)mean - running[c]);
    running[channels + c] += 0.1f * ((float)unbiased - running[channels + c]);
    save_norm(saved, affine, c, channels, mean, 1.0 / sqrt(variance + 1e-5));
}

// The same with the running statistics. Grid: channels.
KERNEL norm_running(const float* running, const float* affine, float* saved) {
    const int c = blockIdx.x, channels = gridDim.x;
    if (threadIdx.x > 0) return;
    const double inverse = 1.0 / sqrt((double)running[channels + c] + 1e-5);
    save_norm(saved, affine, c, channels, running[c], inverse);
}

constexpr unsigned char NOBODY = 4;

// Batch norm's scale and shift, ReLU and 2×2 max-pool. `winners` receives which of the four values was
// chosen, or NOBODY if the ReLU is 0. Grid: outputs / 256.
KERNEL pool(const float* raw, const float* saved, float* out, unsigned char* winners, int channels, int h,
            int w, int len, int relu) {
    const int at = blockIdx.x * THREADS + threadIdx.x;
    if (at >= len) return;
    const int rows = h / 2, columns = w / 2;
    const int x = at % columns, y = at / columns % rows, plane = at / (columns * rows);
    const int c = plane % channels;
    const float scale = saved[c], shift = saved[channels + c];
    const float* from = raw + ((size_t)plane * h + 2 * y) * w + 2 * x;
    float best = from[0] * scale + shift;
    unsigned char winner = 0;
    for (unsigned char i = 1; i < 4; i++) {
        const float value = from[(i / 2) * w + i % 2] * scale + shift;
        if (value > best || value != value) {
            best = value;
            winner = i;
        }
    }
    if (relu) {
        if (!(best > 0.0f) && best == best) winner = NOBODY;
        best = no_less_than_zero(best);
    }
    out[at] = best;
    winners[at] = winner;
}

// For each channel, the sum of the output's gradient, and the sum of its products with batch norm's input
// minus the mean: `partial [channels][2][splits]`. Grid: channels, splits.
KERNEL pool_sums(const float* gradient, const unsigned char* winners, const float* raw, const float* saved,
                 float* partial, int n, int h, int w) {
    const int c = blockIdx.x, channels = gridDim.x, splits = gridDim.y;
    const int rows = h / 2, columns = w / 2, area = rows * columns;
    const int len = n * area, each = (len + splits - 1) / splits;
    const int begin = blockIdx.y * each, end = begin + each < len ? begin + each : len;
    const float mean = saved[2 * channels + c];
    double sum = 0.0, product = 0.0;
    float near_sum = 0.0f, near_product = 0.0f;
    for (int at = begin + threadIdx.x; at < end; at += THREADS) {
        const int image = at / area, rest = at - image * area;
        const int plane = image * channels + c;
        const size_t place = (size_t)plane * area + rest;
        const int winner = winners[place];
        if (winner == NOBODY) continue;
        const int y = 2 * (rest / columns) + winner / 2, x = 2 * (rest % columns) + winner % 2;
        const float value = raw[((size_t)plane * h + y) * w + x] - mean;
        near_sum += gradient[place];
        near_product += gradient[place] * value;
    }
    sum = block_sum(near_sum);
    product = block_sum(near_product);
    if (threadIdx.x > 0) return;
    partial[(size_t)(2 * c) * splits + blockIdx.y] = (float)sum;
    partial[(size_t)(2 * c + 1) * splits + blockIdx.y] = (float)product;
}

// The gradients of γ and β, `[2][channels]`, and the factors `back [3][channels]` of batch norm's gradient
// a · g + b · value + c. Grid: channels.
KERNEL norm_gradient(const float* partial, const float* saved, const float* affine, float* gradient,
                     float* back, int splits, int count) {
    const int c = blockIdx.x, channels = gridDim.x;
    double sum = 0.0, product = 0.0;
    for (int split = threadIdx.x; split < splits; split += THREADS) {
        sum += partial[(size_t)(2 * c) * splits + split];
        product += partial[(size_t)(2 * c + 1) * splits + split];
    }
    sum = block_sum(sum);
    product = block_sum(product);
    if (threadIdx.x > 0) return;
    const double mean = saved[2 * channels + c], inverse = saved[3 * channels + c];
    const double gamma = product * inverse, n = count;
    gradient[c] = (float)gamma;
    gradient[channels + c] = (float)sum;
    const double a = (double)affine[c] * inverse;
    const double b = -a * inverse * gamma / n;
    back[c] = (float)a;
    back[channels + c] = (float)b;
    back[2 * channels + c] = (float)(-a * sum / n - b * mean);
}

// Replaces the convolution's output by its gradient. Grid: values / 256.
KERNEL unpool(const float* gradient, const unsigned char* winners, const float* back, float* raw, int channels,
              int h, int w, int len) {
    const int at = blockIdx.x * THREADS + threadIdx.x;
    if (at >= len) return;
    const int x = at % w, y = at / w % h, plane = at / (w * h);
    const int c = plane % channels, rows = h / 2, columns = w / 2;
    float g = 0.0f;
    if (y / 2 < rows && x / 2 < columns) {
        const size_t place = ((size_t)plane * rows + y / 2) * columns + x / 2;
        if (winners[place] == (y % 2) * 2 + x % 2) g = gradient[place];
    }
    raw[at] = back[c] * g + back[channels + c] * raw[at] + back[2 * channels + c];
}

// Adds a bias to each row. Grid: values / 256.
KERNEL add_bias(float* values, const float* bias, int columns, int len) {
    const int at = blockIdx.x * THREADS + threadIdx.x;
    if (at < len) values[at] += bias[at % columns];
}

// Sums over rows of `[n][columns]`. Grid: columns / 32.
KERNEL column_sums(const float* values, float* to, int n, int columns) {
    __shared__ float sums[8][32];
    const int lane = threadIdx.x % 32, member = threadIdx.x / 32;
    const int at = blockIdx.x * 32 + lane;
    float sum = 0.0f;
    if (at < columns) {
        for (int row = member; row < n; row += 8) sum += values[(size_t)row * columns + at];
    }
    sums[member][lane] = sum;
    __syncthreads();
    if (member == 0 && at < columns) {
        for (int other = 1; other < 8; other++) sum += sums[other][lane];
        to[at] = sum;
    }
}

// Index of the largest value; the first one among equals, and NaN only if all are NaN.
static __device__ int largest(const float* row, int classes) {
    int best = 0;
    for (int i = 1; i < classes; i++) {
        if (row[i] > row[best] || (row[best] != row[best] && row[i] == row[i])) best = i;
    }
    return best;
}

// Cross-entropy of logits `[n][classes]` and its gradient. Stores the loss and the number of correct images of
// the batch, and advances the counters. Grid: 1.
KERNEL entropy(const float* logits, const unsigned* labels, float* gradient, float* losses, int* correct,
               Counters* counters, int n, int classes, double rate, double beta1, double beta2) {
    double loss = 0.0, right = 0.0;
    for (int i = threadIdx.x; i < n; i += THREADS) {
        const float* row = logits + (size_t)i * classes;
        const int label = labels[i];
        double top = -INFINITY, sum = 0.0;
        for (int j = 0; j < classes; j++) {
            if (row[j] > top) top = row[j];
        }
        for (int j = 0; j < classes; j++) sum += exp((double)row[j] - top);
        const double total = top + log(sum);
        loss += total - row[label];
        right += largest(row, classes) == label;
        for (int j = 0; j < classes; j++) {
            const double slope = (exp((double)row[j] - total) - (j == label)) / n;
            // As on the CPU, negligible gradients are 0.
            gradient[(size_t)i * classes + j] = fabs(slope) < 1e-24 ? 0.0f : (float)slope;
        }
    }
    loss = block_sum(loss);
    right = block_sum(right);
    if (threadIdx.x > 0) return;
    losses[counters->batch] = (float)(loss / n);
    correct[counters->batch] = (int)right;
    counters->batch += 1;
    counters->steps += 1;
    counters->size = (float)(rate / (1.0 - pow(beta1, (double)counters->steps)));
    counters->root = (float)(1.0 / sqrt(1.0 - pow(beta2, (double)counters->steps)));
}

// Adds the number of rows whose label has the largest logit to `correct`. Grid: 1.
KERNEL count_correct(const float* logits, const unsigned* labels, int* correct, int n, int classes) {
    double right = 0.0;
    for (int i = threadIdx.x; i < n; i += THREADS) {
        right += largest(logits + (size_t)i * classes, classes) == (int)labels[i];
    }
    right = block_sum(right);
    if (threadIdx.x == 0) *correct += (int)right;
}

// The value, or 0 if it is subnormal.
static __device__ float flushed(float value) { return fabsf(value) < 1.17549435e-38f ? 0.0f : value; }

// One step of Adam on all parameters, as in PyTorch. Grid: len / 256.
KERNEL adam(float* values, const float* gradients, float* first, float* second, const Counters* counters,
            int len, double beta1, double beta2, double epsilon, double decay) {
    const int at = blockIdx.x * THREADS + threadIdx.x;
    if (at >= len) return;
    const float gradient = gradients[at] + (float)decay * values[at];
    const float m = flushed((float)beta1 * first[at] + (float)(1.0 - beta1) * gradient);
    const float v = flushed((float)beta2 * second[at] + (float)(1.0 - beta2) * gradient * gradient);
    first[at] = m;
    second[at] = v;
    values[at] -= counters->size * m / (sqrtf(v) * counters->root + (float)epsilon);
}
