// All kernels, compiled as one module.
#include "study.cu"
#include "vision.cu"
