/* A server and a client in one process that speak TLS as far as weft looks at it: their records hold the plaintext as it is, and as much more
 * as a tag of TLS 1.3 takes. What includes this has serve and ask, and the functions of a library that they call. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { OVERHEAD = 17, RECORD_MAX = 16384 };

/* What the program was told, by place. */
static int told[4];

static void serve(int fd);
static void ask(int fd);

static void exactly(int fd, void *to, size_t n)
{
	for (size_t got; n > 0; n -= got, to = (char *)to + got) {
		got = read(fd, to, n);
		if ((ssize_t)got <= 0)
			exit(3);
	}
}

static void put_record(int fd, int type, const void *from, size_t n, size_t more)
{
	static _Thread_local unsigned char record[5 + RECORD_MAX + OVERHEAD];

	record[0] = type, record[1] = 3, record[2] = 3, record[3] = (n + more) >> 8, record[4] = n + more;
	memcpy(record + 5, from, n);
	memset(record + 5 + n, 0, more);
	if (write(fd, record, 5 + n + more) != (ssize_t)(5 + n + more))
		exit(3);
}

/* As TLS 1.2 ends it. */
static void shake(int fd)
{
	unsigned char other[9 + 6 + 9];

	put_record(fd, 22, "abcd", 4, 0);
	put_record(fd, 20, "\1", 1, 0);
	put_record(fd, 22, "efgh", 4, 0);
	exactly(fd, other, sizeof(other));
}

/* A record that was read, as far as it was not given yet. */
struct record {
	size_t have, from;
	unsigned char plain[RECORD_MAX];
};

/* Up to n bytes of the record, or of the next one. */
static int take(struct record *r, int fd, void *to, int n)
{
	unsigned char header[5], tag[OVERHEAD];

	if (r->from == r->have) {
		if (read(fd, header, 5) != 5)
			return 0;
		r->from = 0;
		r->have = (header[3] << 8 | header[4]) - OVERHEAD;
		exactly(fd, r->plain, r->have);
		exactly(fd, tag, OVERHEAD);
	}
	if (n > (int)(r->have - r->from))
		n = r->have - r->from;
	memcpy(to, r->plain + r->from, n);
	r->from += n;
	return n;
}

static void *accept_one(void *listener)
{
	serve(accept((int)(long)listener, 0, 0));
	return 0;
}

/* The program says a byte and waits for one before it begins. */
int main(int argc, char **argv)
{
	struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t server;
	char go;

	if (argc > 5 || write(1, ".", 1) != 1 || read(0, &go, 1) != 1)
		return 2;
	for (int i = 1; i < argc; i++)
		told[i - 1] = atoi(argv[i]);
	if (bind(listener, (void *)&address, length) || listen(listener, 1) || getsockname(listener, (void *)&address, &length))
		return 2;
	pthread_create(&server, 0, accept_one, (void *)(long)listener);
	if (connect(fd, (void *)&address, length))
		return 2;
	ask(fd);
	pthread_join(server, 0);
	return 0;
}
