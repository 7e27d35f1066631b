/* OpenSSL's functions, of which the server sends files by SSL_sendfile.
 *
 *	sendfile REQUESTS SIZE
 *
 * Replies to even requests are files of SIZE bytes, to odd ones two bytes. */
#include "sealed.h"

enum { SENT_MAX = 50000 };

struct ssl {
	int fd, calls;
	struct record in;
};

/* The compiler must not know who calls them. */
__attribute__((noipa)) int SSL_read(struct ssl *s, void *to, int n)
{
	return take(&s->in, s->fd, to, n);
}

__attribute__((noipa)) int SSL_write(struct ssl *s, const void *from, int n)
{
	put_record(s->fd, 23, from, n, OVERHEAD);
	return n;
}

/* Every third call finds no room, and none sends more than SENT_MAX bytes. */
__attribute__((noipa)) ssize_t SSL_sendfile(struct ssl *s, int fd, off_t offset, size_t size, int flags)
{
	unsigned char part[RECORD_MAX];
	size_t sent = 0;

	if (++s->calls % 3 == 0)
		return -1;
	while (sent < size && sent < SENT_MAX) {
		ssize_t n = pread(fd, part, size - sent < RECORD_MAX ? size - sent : RECORD_MAX, offset + sent);

		if (n <= 0)
			exit(3);
		put_record(s->fd, 23, part, n, OVERHEAD);
		sent += n;
	}
	return sent;
}

__attribute__((noipa)) void SSL_free(struct ssl *s)
{
	close(s->fd);
	free(s);
}

static struct ssl *new_ssl(int fd)
{
	struct ssl *s = calloc(1, sizeof(*s));

	s->fd = fd;
	shake(fd);
	return s;
}

/* Reads up to an empty line, and gives the text. */
static char *receive_head(struct ssl *s)
{
	static _Thread_local char text[1000];
	int n = 0;

	while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4))
		if (n == sizeof(text) - 1 || SSL_read(s, text + n++, 1) != 1)
			return 0;
	text[n] = 0;
	return text;
}

static void serve(int fd)
{
	struct ssl *s = new_ssl(fd);
	int file = memfd_create("page", 0);
	char *text, head[100];

	if (ftruncate(file, told[1]))
		exit(2);
	while ((text = receive_head(s))) {
		int n = atoi(text + sizeof("GET /") - 1), length = n % 2 ? 2 : told[1];

		SSL_write(s, head, snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", length));
		if (length == 2)
			SSL_write(s, "ok", 2);
		for (ssize_t at = 0, sent; length > 2 && at < told[1]; at += sent < 0 ? 0 : sent)
			sent = SSL_sendfile(s, file, at, told[1] - at, 0);
	}
	SSL_free(s);
}

static void ask(int fd)
{
	static char body[100000];
	struct ssl *s = new_ssl(fd);

	for (int i = 0; i < told[0]; i++) {
		char text[100], *head;

		SSL_write(s, text, snprintf(text, sizeof(text), "GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n", i));
		head = receive_head(s);
		if (!head)
			exit(4);
		for (int left = atoi(strstr(head, "Length: ") + 8), n; left > 0; left -= n) {
			n = SSL_read(s, body, left < (int)sizeof(body) ? left : (int)sizeof(body));
			if (n <= 0)
				exit(4);
		}
	}
	SSL_free(s);
}
