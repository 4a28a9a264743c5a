// All kernels of devices, as one image.
#include "study.cu"
#include "vision.cu"
