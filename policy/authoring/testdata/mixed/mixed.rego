package sidegate.mixed

double(x) := 2 * x
