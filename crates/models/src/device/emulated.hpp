// CUDA's built-ins for a CPU, used by the tests. Blocks run one after the other. Each thread of a block
// is a fiber that yields at a barrier.
#pragma once
#define EMULATED
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#define __device__
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define KERNEL extern "C" void

struct Index {
    int x, y, z;
};
struct float4 {
    float x, y, z, w;
};

// The upper half of a float, rounded to nearest, ties to even.
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

static Index threadIdx, blockIdx, gridDim;
// Stacks start at addresses that a cache does not keep in one place.
static constexpr int FIBERS = 256, STACK = 64 * 1024 + 13 * 64;
static std::vector<char> stacks;
static bool done[FIBERS];
static int running;
static std::function<void()> body;
// `barrier_met`: whether the running block has reached a barrier. `use_fibers`: whether threads run as
// fibers. A kernel whose first block reaches no barrier runs the threads of its other blocks in a plain loop.
static bool barrier_met, use_fibers;

static void leave();
static void fiber() {
    body();
    done[running] = true;
    leave();
}

#ifdef __x86_64__
// `swapcontext` also saves the signal mask, which takes two calls of the kernel, hundreds of times as long as
// the rest. This pushes the registers that a function must keep (System V ABI), stores the stack pointer in
// `*from`, and goes on where `to` was stored.
extern "C" __attribute__((visibility("hidden"))) void switch_stack(void** from, void* to);
asm(R"(
.text
.hidden switch_stack
.globl switch_stack
switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
static void *scheduler, *fibers[FIBERS];
static void prepare(int i) {
    // From the top: what `fiber` takes for its return address, so that the stack is aligned as after a call;
    // the address to go on at; the six registers.
    char* top = (char*)((uintptr_t)(stacks.data() + (size_t)(i + 1) * STACK) & ~(uintptr_t)15);
    void** words = (void**)top;
    words[-1] = nullptr;
    words[-2] = (void*)fiber;
    for (int at = 3; at <= 8; at++) words[-at] = nullptr;
    fibers[i] = words - 8;
}
static void enter(int i) { switch_stack(&scheduler, fibers[i]); }
static void leave() { switch_stack(&fibers[running], scheduler); }
#else
static ucontext_t scheduler, fibers[FIBERS];
static void prepare(int i) {
    getcontext(&fibers[i]);
    fibers[i].uc_stack.ss_sp = stacks.data() + (size_t)i * STACK;
    fibers[i].uc_stack.ss_size = STACK;
    fibers[i].uc_link = &scheduler;
    makecontext(&fibers[i], fiber, 0);
}
static void enter(int i) { swapcontext(&scheduler, &fibers[i]); }
static void leave() { swapcontext(&fibers[running], &scheduler); }
#endif

static void __syncthreads() {
    barrier_met = true;
    if (!use_fibers) abort();
    const int self = running;
    leave();
    threadIdx.x = self;
}

template <class... A, size_t... I>
static void start(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    body = [=] { kernel(*(A*)arguments[I]...); };
    stacks.resize((size_t)FIBERS * STACK);
    barrier_met = false;
    use_fibers = true;
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
                if (!use_fibers) {
                    for (threadIdx.x = 0; threadIdx.x < FIBERS; threadIdx.x++) body();
                    continue;
                }
                for (int i = 0; i < FIBERS; i++) {
                    done[i] = false;
                    prepare(i);
                }
                for (bool left = true; left;) {
                    left = false;
                    for (running = 0; running < FIBERS; running++) {
                        if (done[running]) continue;
                        threadIdx.x = running;
                        enter(running);
                        left |= !done[running];
                    }
                }
                use_fibers = barrier_met;
            }
}

template <class... A>
static void launch(void (*kernel)(A...), void** arguments) {
    start(kernel, arguments, std::index_sequence_for<A...>{});
}
