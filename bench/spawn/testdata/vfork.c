// One vfork, execve and waitpid of the program in argv[1] for each byte that is read, timed. The time in nanoseconds is written as a line.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
	char byte, *args[] = {argv[1], NULL}, *env[] = {NULL};
	if (argc != 2)
		return 2;
	while (read(0, &byte, 1) == 1) {
		int status;
		long long start = now();
		pid_t pid = vfork();
		if (pid == 0) {
			execve(argv[1], args, env);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			return 1;
		printf("%lld\n", now() - start);
		fflush(stdout);
	}
	return 0;
}
