// Inference of vision networks: everything except the matrix products.
//
// Images are `[n][h][w][c]`; consecutive pixels are `pitch` values apart. Values are float or bfloat16, sums
// are float. Unless noted otherwise, a kernel has one thread for each of the `len` values of its result, and
// its grid is len / 256. The kernels that move most data also have a wide form, with one thread for each 16
// bytes.
#ifndef EMULATED
#include <cuda_bf16.h>
#endif

typedef __nv_bfloat16 bf16;

static __device__ float number(float value) { return value; }
static __device__ float number(bf16 value) { return __bfloat162float(value); }
static __device__ void put(float* to, float value) { *to = value; }
static __device__ void put(bf16* to, float value) { *to = __float2bfloat16(value); }

// An activation function, by its number in `Activation`.
static __device__ float activate(float x, int activation) {
    const float shifted = fminf(fmaxf(x + 3.0f, 0.0f), 6.0f) / 6.0f;
    switch (activation) {
    case 1: return fmaxf(x, 0.0f);
    case 2: return fminf(fmaxf(x, 0.0f), 6.0f);
    case 3: return 1.0f / (1.0f + expf(-x));
    case 4: return x / (1.0f + expf(-x));
    case 5: return shifted;
    case 6: return x * shifted;
    case 7: return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    default: return x;
    }
}

// The thread's number in the grid. 32 bits suffice, because no array has 2³¹ values, and 64-bit division is
// slow.
static __device__ unsigned thread_in_grid() { return blockIdx.x * THREADS + threadIdx.x; }

// Sixteen bytes that are loaded or stored at once.
template <class T>
struct __align__(16) Pack {
    static constexpr int LEN = 16 / sizeof(T);
    T values[LEN];
};

// Defines a kernel for both types.
namespace as_f32 { typedef float T; }
namespace as_bf16 { typedef bf16 T; }
#define BOTH(name, arguments, ...)                                                       \
    namespace as_f32 { KERNEL name##_f32(__VA_ARGS__) { name<T> arguments; } }           \
    namespace as_bf16 { KERNEL name##_bf16(__VA_ARGS__) { name<T> arguments; } }

// Copies images by their indices, `[n][len]`. Grid: n, len / 256.
template <class T>
static __device__ void take_images(const T* pool, const unsigned* numbers, T* to, int len) {
    const int at = blockIdx.y * THREADS + threadIdx.x;
    if (at < len) to[(size_t)blockIdx.x * len + at] = pool[(size_t)numbers[blockIdx.x] * len + at];
}
BOTH(take_images, (pool, numbers, to, len), const T* pool, const unsigned* numbers, T* to, int len)

// Gathers the pixels under a convolution's kernel as rows `[groups][pixels][depth]`: by kernel position and
// channel, padded with zeros.
template <class T>
static __device__ void patches(const T* x, T* to, int pitch, int h, int w, int c, int kh, int kw, int stride,
                               int ph, int pw, int rows, int columns, int groups, int depth, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int k = at % depth, each = c / groups;
    const unsigned pixels = len / depth / groups;
    const int group = at / depth / pixels;
    const unsigned pixel = at / depth - group * pixels;
    float value = 0.0f;
    if (k < kh * kw * each) {
        const int tap = k / each, channel = group * each + k % each;
        const int column = pixel % columns, row = pixel / columns % rows;
        const unsigned image = pixel / columns / rows;
        const int y = row * stride + tap / kw - ph, z = column * stride + tap % kw - pw;
        if (y >= 0 && y < h && z >= 0 && z < w) value = number(x[((image * h + y) * w + z) * pitch + channel]);
    }
    put(to + at, value);
}
BOTH(patches, (x, to, pitch, h, w, c, kh, kw, stride, ph, pw, rows, columns, groups, depth, len), const T* x, T* to,
     int pitch, int h, int w, int c, int kh, int kw, int stride, int ph, int pw, int rows, int columns, int groups,
     int depth, unsigned len)

template <class T>
static __device__ void patches_wide(const T* x, T* to, int pitch, int h, int w, int c, int kh, int kw, int stride,
                                    int ph, int pw, int rows, int columns, int groups, int depth, unsigned len) {
    constexpr unsigned LEN = Pack<T>::LEN;
    const unsigned at = thread_in_grid() * LEN;
    if (at >= len) return;
    const unsigned k = at % depth, each = c / groups;
    const unsigned pixels = len / depth / groups;
    const unsigned group = at / depth / pixels, pixel = at / depth - group * pixels;
    const int tap = k / each, channel = group * each + k % each;
    const int column = pixel % columns, row = pixel / columns % rows;
    const unsigned image = pixel / columns / rows;
    const int y = row * stride + tap / kw - ph, z = column * stride + tap % kw - pw;
    Pack<T> values;
    if (y >= 0 && y < h && z >= 0 && z < w) {
        values = *(const Pack<T>*)(x + ((image * h + y) * w + z) * pitch + channel);
    } else {
        for (unsigned i = 0; i < LEN; i++) put(values.values + i, 0.0f);
    }
    *(Pack<T>*)(to + at) = values;
}
BOTH(patches_wide, (x, to, pitch, h, w, c, kh, kw, stride, ph, pw, rows, columns, groups, depth, len), const T* x,
     T* to, int pitch, int h, int w, int c, int kh, int kw, int stride, int ph, int pw, int rows, int columns,
     int groups, int depth, unsigned len)

// Adds the bias and the residual, if any, and applies the activation, in place.
template <class T>
static __device__ void finish(T* values, const float* bias, const T* residual, int pitch, int c, int activation,
                              unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int channel = at % c;
    float value = number(values[at]) + bias[channel];
    if (residual) value += number(residual[at / c * pitch + channel]);
    put(values + at, activate(value, activation));
}
BOTH(finish, (values, bias, residual, pitch, c, activation, len), T* values, const float* bias, const T* residual,
     int pitch, int c, int activation, unsigned len)

template <class T>
static __device__ void finish_wide(T* values, const float* bias, const T* residual, int pitch, int c, int activation,
                                   unsigned len) {
    constexpr unsigned LEN = Pack<T>::LEN;
    const unsigned at = thread_in_grid() * LEN;
    if (at >= len) return;
    const unsigned channel = at % c;
    Pack<T> own = *(const Pack<T>*)(values + at), other;
    if (residual) other = *(const Pack<T>*)(residual + at / c * pitch + channel);
    for (unsigned i = 0; i < LEN; i++) {
        float value = number(own.values[i]) + bias[channel + i];
        if (residual) value += number(other.values[i]);
        put(own.values + i, activate(value, activation));
    }
    *(Pack<T>*)(values + at) = own;
}
BOTH(finish_wide, (values, bias, residual, pitch, c, activation, len), T* values, const float* bias,
     const T* residual, int pitch, int c, int activation, unsigned len)

// A depthwise convolution, weights `[taps][c]`.
template <class T>
static __device__ void depthwise(const T* x, const float* weights, const float* bias, T* to, int pitch, int h, int w,
                                 int c, int kh, int kw, int stride, int ph, int pw, int rows, int columns,
                                 int activation, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int channel = at % c;
    const unsigned pixel = at / c;
    const int column = pixel % columns, row = pixel / columns % rows;
    const unsigned image = pixel / columns / rows;
    float sum = bias[channel];
    for (int i = 0; i < kh; i++) {
        const int y = row * stride + i - ph;
        if (y < 0 || y >= h) continue;
        for (int j = 0; j < kw; j++) {
            const int z = column * stride + j - pw;
            if (z < 0 || z >= w) continue;
            sum += number(x[((image * h + y) * w + z) * pitch + channel]) * weights[(i * kw + j) * c + channel];
        }
    }
    put(to + at, activate(sum, activation));
}
BOTH(depthwise, (x, weights, bias, to, pitch, h, w, c, kh, kw, stride, ph, pw, rows, columns, activation, len),
     const T* x, const float* weights, const float* bias, T* to, int pitch, int h, int w, int c, int kh, int kw,
     int stride, int ph, int pw, int rows, int columns, int activation, unsigned len)

// Batch norm as a scale and a shift, and ReLU.
template <class T>
static __device__ void scale_shift(const T* x, const float* scale, const float* shift, T* to, int pitch, int c,
                                   unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int channel = at % c;
    put(to + at, fmaxf(number(x[at / c * pitch + channel]) * scale[channel] + shift[channel], 0.0f));
}
BOTH(scale_shift, (x, scale, shift, to, pitch, c, len), const T* x, const float* scale, const float* shift, T* to,
     int pitch, int c, unsigned len)

// Layer norm over the channels of each pixel. Grid: pixels / 8.
template <class T>
static __device__ void layer_norm(const T* x, const float* gamma, const float* beta, T* to, int pitch, int c,
                                  int pixels, double epsilon) {
    __shared__ float sums[8][32];
    const int lane = threadIdx.x % 32, member = threadIdx.x / 32;
    const unsigned pixel = blockIdx.x * 8 + member;
    const bool there = pixel < (unsigned)pixels;
    const T* from = x + (size_t)pixel * pitch;
    float totals[2] = {0.0f, 0.0f};
    for (int pass = 0; pass < 2; pass++) {
        // The first pass sums values for the mean, the second one squared deviations from it.
        float sum = 0.0f;
        for (int i = lane; there && i < c; i += 32) {
            const float value = number(from[i]) - totals[0] / c;
            sum += pass == 0 ? value : value * value;
        }
        sums[member][lane] = sum;
        __syncthreads();
        for (int half = 16; half > 0; half /= 2) {
            if (lane < half) sums[member][lane] += sums[member][lane + half];
            __syncthreads();
        }
        totals[pass] = sums[member][0];
        __syncthreads();
    }
    const float mean = totals[0] / c, inverse = 1.0f / sqrtf(totals[1] / c + (float)epsilon);
    for (int i = lane; there && i < c; i += 32) {
        put(to + (size_t)pixel * c + i, (number(from[i]) - mean) * inverse * gamma[i] + beta[i]);
    }
}
BOTH(layer_norm, (x, gamma, beta, to, pitch, c, pixels, epsilon), const T* x, const float* gamma, const float* beta,
     T* to, int pitch, int c, int pixels, double epsilon)

// Max-pool.
template <class T>
static __device__ void largest_of(const T* x, T* to, int pitch, int h, int w, int c, int rows, int columns,
                                  int kernel, int stride, int padding, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int channel = at % c;
    const unsigned pixel = at / c;
    const int column = pixel % columns, row = pixel / columns % rows;
    const unsigned image = pixel / columns / rows;
    float best = -INFINITY;
    for (int y = row * stride - padding; y < row * stride - padding + kernel; y++) {
        for (int z = column * stride - padding; z < column * stride - padding + kernel; z++) {
            if (y < 0 || y >= h || z < 0 || z >= w) continue;
            best = fmaxf(best, number(x[((image * h + y) * w + z) * pitch + channel]));
        }
    }
    put(to + at, best);
}
BOTH(largest_of, (x, to, pitch, h, w, c, rows, columns, kernel, stride, padding, len), const T* x, T* to, int pitch,
     int h, int w, int c, int rows, int columns, int kernel, int stride, int padding, unsigned len)

// Average-pool in which the zeros of the padding count. With a kernel of 0, the windows divide the image evenly
// (adaptive pooling).
template <class T>
static __device__ void mean_of(const T* x, T* to, int pitch, int h, int w, int c, int rows, int columns, int kernel,
                               int stride, int padding, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int channel = at % c;
    const unsigned pixel = at / c;
    const int column = pixel % columns, row = pixel / columns % rows;
    const unsigned image = pixel / columns / rows;
    int top = row * stride - padding, bottom = top + kernel;
    int left = column * stride - padding, right = left + kernel;
    int count = kernel * kernel;
    if (kernel == 0) {
        top = row * h / rows, bottom = ((row + 1) * h + rows - 1) / rows;
        left = column * w / columns, right = ((column + 1) * w + columns - 1) / columns;
        count = (bottom - top) * (right - left);
    }
    float sum = 0.0f;
    for (int y = top > 0 ? top : 0; y < (bottom < h ? bottom : h); y++) {
        for (int z = left > 0 ? left : 0; z < (right < w ? right : w); z++) {
            sum += number(x[((image * h + y) * w + z) * pitch + channel]);
        }
    }
    put(to + at, sum / count);
}
BOTH(mean_of, (x, to, pitch, h, w, c, rows, columns, kernel, stride, padding, len), const T* x, T* to, int pitch,
     int h, int w, int c, int rows, int columns, int kernel, int stride, int padding, unsigned len)

// The mean of each channel over an image, `[n][c]`. Grid: c / 32, n.
template <class T>
static __device__ void global_mean(const T* x, T* to, int pitch, int pixels, int c) {
    __shared__ float sums[8][32];
    const int lane = threadIdx.x % 32, member = threadIdx.x / 32;
    const int channel = blockIdx.x * 32 + lane;
    float sum = 0.0f;
    if (channel < c) {
        for (int pixel = member; pixel < pixels; pixel += 8) {
            sum += number(x[((size_t)blockIdx.y * pixels + pixel) * pitch + channel]);
        }
    }
    sums[member][lane] = sum;
    __syncthreads();
    if (member == 0 && channel < c) {
        for (int other = 1; other < 8; other++) sum += sums[other][lane];
        put(to + (size_t)blockIdx.y * c + channel, sum / pixels);
    }
}
BOTH(global_mean, (x, to, pitch, pixels, c), const T* x, T* to, int pitch, int pixels, int c)

// Converts images to `[n][c][pixels]`.
template <class T>
static __device__ void channels_first(const T* x, T* to, int pitch, int pixels, int c, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int pixel = at % pixels, channel = at / pixels % c;
    const unsigned image = at / pixels / c;
    to[at] = x[(image * pixels + pixel) * pitch + channel];
}
BOTH(channels_first, (x, to, pitch, pixels, c, len), const T* x, T* to, int pitch, int pixels, int c, unsigned len)

// Copies channels to a range of the channels of another tensor.
template <class T>
static __device__ void place(const T* x, T* to, int pitch, int to_pitch, int c, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at < len) to[at / c * to_pitch + at % c] = x[at / c * pitch + at % c];
}
BOTH(place, (x, to, pitch, to_pitch, c, len), const T* x, T* to, int pitch, int to_pitch, int c, unsigned len)

// Interleaves the channels of two tensors, c of each.
template <class T>
static __device__ void interleave(const T* a, const T* b, T* to, int a_pitch, int b_pitch, int c, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const unsigned pixel = at / (2 * c);
    const int channel = at % (2 * c) / 2;
    to[at] = at % 2 == 0 ? a[pixel * a_pitch + channel] : b[pixel * b_pitch + channel];
}
BOTH(interleave, (a, b, to, a_pitch, b_pitch, c, len), const T* a, const T* b, T* to, int a_pitch, int b_pitch, int c,
     unsigned len)

// Multiplies by a factor for each channel of each image.
template <class T>
static __device__ void gate(const T* x, const T* factors, T* to, int pitch, int pixels, int c, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int channel = at % c;
    const float factor = number(factors[at / c / pixels * c + channel]);
    put(to + at, number(x[at / c * pitch + channel]) * factor);
}
BOTH(gate, (x, factors, to, pitch, pixels, c, len), const T* x, const T* factors, T* to, int pitch, int pixels, int c,
     unsigned len)

// The sum of two tensors, optionally with a ReLU.
template <class T>
static __device__ void add(const T* a, const T* b, T* to, int a_pitch, int b_pitch, int c, int relu, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int channel = at % c;
    const float sum = number(a[at / c * a_pitch + channel]) + number(b[at / c * b_pitch + channel]);
    put(to + at, relu ? fmaxf(sum, 0.0f) : sum);
}
BOTH(add, (a, b, to, a_pitch, b_pitch, c, relu, len), const T* a, const T* b, T* to, int a_pitch, int b_pitch, int c,
     int relu, unsigned len)

// Gathers pixels by their indices; a negative index gives zeros.
template <class T>
static __device__ void take_pixels(const T* x, const int* numbers, T* to, int pitch, int c, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at >= len) return;
    const int from = numbers[at / c];
    put(to + at, from < 0 ? 0.0f : number(x[(size_t)from * pitch + at % c]));
}
BOTH(take_pixels, (x, numbers, to, pitch, c, len), const T* x, const int* numbers, T* to, int pitch, int c,
     unsigned len)

// Adds a repeated table in place.
template <class T>
static __device__ void add_table(T* values, const float* table, int period, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at < len) put(values + at, number(values[at]) + table[at % period]);
}
BOTH(add_table, (values, table, period, len), T* values, const float* table, int period, unsigned len)

constexpr int QUERIES = 16, TOKENS = 512, HEAD = 128;

// Attention of 16 tokens of a row to all tokens of the row, in one head. `x [rows][tokens][3][width]` contains
// queries, keys and values; row i uses the bias at i modulo `count` of `bias [count][heads][tokens][tokens]`,
// if any. Grid: rows · heads, tokens / 16.
template <class T>
static __device__ void attend(const T* x, const float* bias, T* to, int count, int tokens, int heads, int width) {
    __shared__ float scores[QUERIES][TOKENS];
    __shared__ float queries[QUERIES][HEAD];
    __shared__ float part[QUERIES][16];
    const int t = threadIdx.x, each = width / heads, wide = 3 * width;
    const int row = blockIdx.x / heads, head = blockIdx.x % heads, first = blockIdx.y * QUERIES;
    const T* from = x + (size_t)row * tokens * wide + head * each;
    for (int e = t; e < QUERIES * each; e += THREADS) {
        const int query = first + e / each;
        queries[e / each][e % each] = query < tokens ? number(from[(size_t)query * wide + e % each]) : 0.0f;
    }
    __syncthreads();
    if (bias) bias += (size_t)((row % count) * heads + head) * tokens * tokens;
    for (int e = t; e < QUERIES * tokens; e += THREADS) {
        const int q = e / tokens, key = e % tokens;
        const T* keys = from + (size_t)key * wide + width;
        float sum = 0.0f;
        for (int i = 0; i < each; i++) sum += queries[q][i] * number(keys[i]);
        if (bias && first + q < tokens) sum += bias[(size_t)(first + q) * tokens + key];
        scores[q][key] = sum;
    }
    __syncthreads();
    const int q = t / 16, lane = t % 16;
    float top = -INFINITY, sum = 0.0f;
    for (int key = lane; key < tokens; key += 16) top = fmaxf(top, scores[q][key]);
    part[q][lane] = top;
    __syncthreads();
    for (int i = 0; i < 16; i++) top = fmaxf(top, part[q][i]);
    __syncthreads();
    for (int key = lane; key < tokens; key += 16) {
        scores[q][key] = expf(scores[q][key] - top);
        sum += scores[q][key];
    }
    part[q][lane] = sum;
    __syncthreads();
    for (int e = t; e < QUERIES * each; e += THREADS) {
        const int query = e / each, channel = e % each;
        if (first + query >= tokens) continue;
        float total = 0.0f, value = 0.0f;
        for (int i = 0; i < 16; i++) total += part[query][i];
        for (int key = 0; key < tokens; key++) {
            value += scores[query][key] * number(from[(size_t)key * wide + 2 * width + channel]);
        }
        put(to + ((size_t)row * tokens + first + query) * width + head * each + channel, value / total);
    }
}
BOTH(attend, (x, bias, to, count, tokens, heads, width), const T* x, const float* bias, T* to, int count, int tokens,
     int heads, int width)

// Converts values to float.
template <class T>
static __device__ void widen(const T* x, float* to, unsigned len) {
    const unsigned at = thread_in_grid();
    if (at < len) to[at] = number(x[at]);
}
BOTH(widen, (x, to, len), const T* x, float* to, unsigned len)
