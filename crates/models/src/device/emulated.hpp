// CUDA's words for a processor, for tests: one block after the other, each thread of a block a
// fiber that gives way at a barrier.
#pragma once
#define EMULATED
#include <cmath>
#include <cstddef>
#include <cstdint>
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

static Place threadIdx, blockIdx, gridDim;
static constexpr int FIBERS = 256, STACK = 64 * 1024;
static ucontext_t scheduler, fibers[FIBERS];
static std::vector<char> stacks;
static bool done[FIBERS];
static int running;
static std::function<void()> body;

static void __syncthreads() {
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
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
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
            }
}

template <class... A>
static void launch(void (*kernel)(A...), void** arguments) {
    start(kernel, arguments, std::index_sequence_for<A...>{});
}
