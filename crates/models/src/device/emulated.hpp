// CUDA's words for a processor, for tests: one block after the other, each thread of a block a
// fiber that gives way at a barrier.
#pragma once
#define EMULATED
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <tuple>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __device__
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define KERNEL extern "C" void

struct Place {
    int x, y, z;
};
struct float4 {
    float x, y, z, w;
};

// Half of a single, rounded to the nearest, ties to even.
struct __nv_bfloat16 {
    uint16_t bits;
};
static float __bfloat162float(__nv_bfloat16 value) {
    const uint32_t bits = (uint32_t)value.bits << 16;
    float single;
    memcpy(&single, &bits, 4);
    return single;
}
static __nv_bfloat16 __float2bfloat16(float single) {
    uint32_t bits;
    memcpy(&bits, &single, 4);
    return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

static Place threadIdx, blockIdx, gridDim;
static constexpr int FIBERS = 256, STACK = 64 * 1024;
static ucontext_t scheduler, fibers[FIBERS];
static std::vector<char> stacks;
static bool done[FIBERS];
static int running;
static std::function<void()> body;
// Whether a barrier was met, and whether there may be one: a kernel whose first block meets none is a loop.
static bool met, together;

static void __syncthreads() {
    met = true;
    if (!together) abort();
    const int self = running;
    swapcontext(&fibers[self], &scheduler);
    threadIdx.x = self;
}

static void fiber() {
    body();
    done[running] = true;
}

template <class... A, size_t... I>
static void start(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    body = [=] { kernel(*(A*)arguments[I]...); };
    stacks.resize((size_t)FIBERS * STACK);
    met = false;
    together = true;
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
                if (!together) {
                    for (threadIdx.x = 0; threadIdx.x < FIBERS; threadIdx.x++) body();
                    continue;
                }
                for (int i = 0; i < FIBERS; i++) {
                    done[i] = false;
                    getcontext(&fibers[i]);
                    fibers[i].uc_stack.ss_sp = stacks.data() + (size_t)i * STACK;
                    fibers[i].uc_stack.ss_size = STACK;
                    fibers[i].uc_link = &scheduler;
                    makecontext(&fibers[i], fiber, 0);
                }
                for (bool left = true; left;) {
                    left = false;
                    for (running = 0; running < FIBERS; running++) {
                        if (done[running]) continue;
                        threadIdx.x = running;
                        swapcontext(&scheduler, &fibers[running]);
                        left |= !done[running];
                    }
                }
                together = met;
            }
}

template <class... A>
static void launch(void (*kernel)(A...), void** arguments) {
    start(kernel, arguments, std::index_sequence_for<A...>{});
}
