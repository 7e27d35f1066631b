/* NSPR's functions, on descriptors of which some speak TLS and others do not.
 *
 *	nspr REQUESTS TLS
 *
 * Before each request the server looks at what comes next, and behind the last one the descriptor of either end is closed and used again, for
 * a file that has a request in it. */
#include "sealed.h"

enum { PEEK = 2 };

struct descriptor {
	int fd, tls;
	struct record in;
};

/* The compiler must not know who calls them. */
__attribute__((noipa)) int PR_Read(struct descriptor *d, void *to, int n)
{
	return d->tls ? take(&d->in, d->fd, to, n) : read(d->fd, to, n);
}

__attribute__((noipa)) int PR_Write(struct descriptor *d, const void *from, int n)
{
	if (!d->tls)
		return write(d->fd, from, n);
	put_record(d->fd, 23, from, n, OVERHEAD);
	return n;
}

__attribute__((noipa)) int PR_Recv(struct descriptor *d, void *to, int n, int flags, unsigned timeout)
{
	size_t from;

	if (!d->tls)
		return recv(d->fd, to, n, flags & PEEK ? MSG_PEEK : 0);
	n = take(&d->in, d->fd, to, n);
	from = d->in.from;
	if (flags & PEEK)
		d->in.from = from - n;
	return n;
}

__attribute__((noipa)) int PR_Send(struct descriptor *d, const void *from, int n, int flags, unsigned timeout)
{
	return PR_Write(d, from, n);
}

__attribute__((noipa)) int PR_Close(struct descriptor *d)
{
	return close(d->fd);
}

static struct descriptor *new_descriptor(int fd)
{
	struct descriptor *d = calloc(1, sizeof(*d));

	d->fd = fd;
	d->tls = told[1];
	if (d->tls)
		shake(fd);
	return d;
}

/* The bytes may still be on their way then, and the connection not over. */
static void use_again(struct descriptor *d)
{
	static const char text[] = "GET /file HTTP/1.1\r\nHost: shop\r\n\r\n";
	char back[100];

	PR_Close(d);
	d->fd = memfd_create("page", 0);
	d->tls = 0;
	PR_Write(d, text, sizeof(text) - 1);
	lseek(d->fd, 0, SEEK_SET);
	if (PR_Read(d, back, sizeof(back)) != sizeof(text) - 1)
		exit(5);
	PR_Close(d);
}

static void serve(int fd)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	struct descriptor *d = new_descriptor(fd);
	char text[1000];

	while (PR_Recv(d, text, sizeof(text), PEEK, 0) > 0 && PR_Recv(d, text, sizeof(text), 0, 0) > 0)
		PR_Send(d, reply, sizeof(reply) - 1, 0, 0);
	use_again(d);
}

static void ask(int fd)
{
	struct descriptor *d = new_descriptor(fd);
	char text[1000];

	for (int i = 0; i < told[0]; i++) {
		PR_Write(d, text, snprintf(text, sizeof(text), "GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n", i));
		if (PR_Read(d, text, sizeof(text)) <= 0)
			exit(4);
	}
	use_again(d);
}
