//! Threads for computations, as many as there are cores.
