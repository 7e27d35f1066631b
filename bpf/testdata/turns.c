/* Reads requests on one thread, and calls a function as the event loop of Node.js does when timers are due, before and behind each. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((noinline)) void run_timers(void *handle) __asm__("_ZN4node11Environment9RunTimersEP10uv_timer_s");

void run_timers(void *handle)
{
	__asm__ volatile("" ::"r"(handle) : "memory");
}

static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n", reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

int main(void)
{
	char buffer[256];
	int ends[2];

	/* It says that it runs, and is told to go on. */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || write(1, "r", 1) != 1 || read(0, buffer, 1) != 1)
		return 1;
	for (int i = 0; i < 3; i++) {
		run_timers(ends);
		run_timers(ends);
		if (write(ends[0], request, strlen(request)) < 0 || read(ends[1], buffer, sizeof(buffer)) <= 0)
			return 1;
		if (write(ends[1], reply, strlen(reply)) < 0 || read(ends[0], buffer, sizeof(buffer)) <= 0)
			return 1;
	}
	return 0;
}
