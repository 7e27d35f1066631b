/* Many processes, each of which lives for one request: it is small, so that a machine can start a thousand of them a second.
 *
 *   short ADDRESS PORT N RATE TOKEN   starts itself N times, RATE times a second or as often as it can, to ask for /TOKEN-0 and so on;
 *                                     writes how many were answered well and the seconds that it took
 *   short ADDRESS PORT PATH           is one of them */
#include <arpa/inet.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int ask(const char *address, int port, const char *path)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	char buffer[512];
	int all = 0, n, s = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || connect(s, (struct sockaddr *)&to, sizeof(to)))
		return 1;
	n = snprintf(buffer, sizeof(buffer), "GET %s HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n", path, address, port);
	if (write(s, buffer, n) != n)
		return 1;
	while (all < (int)sizeof(buffer) - 1 && (n = read(s, buffer + all, sizeof(buffer) - 1 - all)) > 0)
		all += n;
	return all < 12 || memcmp(buffer + 8, " 200", 4) != 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* reap counts those that have ended well; with block set it waits for one. */
static int reap(int block, int *under)
{
	int status, well = 0;

	while (*under > 0 && waitpid(-1, &status, block ? 0 : WNOHANG) > 0) {
		well += WIFEXITED(status) && WEXITSTATUS(status) == 0;
		--*under;
		block = 0;
	}
	return well;
}

int main(int argc, char **argv)
{
	const int abreast = 64;
	int i, n, rate, well = 0, under = 0;
	char path[256];
	double began = now();

	if (argc == 4)
		return ask(argv[1], atoi(argv[2]), argv[3]);
	if (argc != 6)
		return 2;
	n = atoi(argv[3]);
	rate = atoi(argv[4]);
	for (i = 0; i < n; i++) {
		char *args[] = {argv[0], argv[1], argv[2], path, NULL};
		double wait = began + (double)i / rate - now();
		pid_t child;

		if (wait > 0)
			usleep(wait * 1e6);
		well += reap(under >= abreast, &under);
		snprintf(path, sizeof(path), "/%s-%d", argv[5], i);
		under += posix_spawn(&child, argv[0], NULL, NULL, args, environ) == 0;
	}
	while (under > 0)
		well += reap(1, &under);
	printf("%d %.3f\n", well, now() - began);
	return 0;
}
