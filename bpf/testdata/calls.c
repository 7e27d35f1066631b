/* Calls a function as often as it is told, and prints how long a call took, in ns. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

__attribute__((noipa)) int SSL_read(int n)
{
	__asm__ volatile("" ::: "memory");
	return n + 1;
}

int main(int argc, char **argv)
{
	struct timespec from, to;
	int calls = atoi(argv[argc - 1]), n = 0;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < calls; i++)
		n = SSL_read(n);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%f\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / calls);
	return n != calls;
}
