/* A server and a client in one process that have what rustls has where weft looks for it: the names and the arguments of its functions,
 * and the structures that these get. Their records hold the plaintext as it is, and as much more as a tag of TLS 1.3 takes.
 *
 *	rustls OLD REQUESTS AT_ONCE MOVES
 *
 * It says a byte and waits for one before it begins.
 * OLD is 1 for the structures of rustls 0.21 and 0.22, 0 for those of 0.23, 2 for some that are neither. Behind the first request AT_ONCE
 * are sent in one write, each in a record of its own. With MOVES the connection gets another address after each request, and once other keys. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OVERHEAD = 17, RECORD_MAX = 16384, ENCRYPTER_AT = 320 };

typedef void function(void *result, void *self, const void *message, uint64_t sequence);

static int old, requests, at_once, moves;

/* The bytes that would be encrypted go to the end of the connection's output. */
struct output {
	unsigned char bytes[1 << 20];
	size_t n;
};

struct encrypter {
	struct output *output;
};

struct outgoing {
	uint64_t words[5];
};

struct incoming {
	uint64_t words[4];
};

struct common {
	unsigned char before[ENCRYPTER_AT];
	struct encrypter *encrypter;
	const void *const *table;
	unsigned char behind[900];
};

struct context {
	struct common *common;
	void *data;
};

/* clang-format off */
/* What the probes are on. The compiler must not know who calls them. */
__attribute__((noipa)) void encrypt(void *result, void *self, const void *message, uint64_t sequence) __asm__(
	"_ZN111_$LT$rustls..crypto..ring..tls13..Tls13MessageEncrypter$u20$as$u20$rustls..crypto..cipher..MessageEncrypter$GT$7encrypt17h11961912ab5a2b0dE");
__attribute__((noipa)) void handle(void *result, void *self, struct context *context, const struct incoming *message) __asm__(
	"_ZN141_$LT$rustls..client..tls13..ExpectTraffic$u20$as$u20$rustls..common_state..State$LT$rustls..client..client_conn..ClientConnectionData$GT$$GT$6handle17h3e0097364a1576cdE");

/* clang-format on */

static void put(struct output *o, const void *from, size_t n)
{
	memcpy(o->bytes + o->n, from, n);
	o->n += n;
}

static void put_header(struct output *o, int type, size_t n)
{
	unsigned char header[5] = {type, 3, 3, n >> 8, n};

	put(o, header, sizeof(header));
}

void encrypt(void *result, void *self, const void *message, uint64_t sequence)
{
	static const unsigned char tag[OVERHEAD];
	struct output *o = ((struct encrypter *)self)->output;
	const uint64_t *words = message;

	if (old == 1 || !words[0]) {
		const uint64_t *one = old == 1 ? words : words + 1;

		put_header(o, 23, one[1] + OVERHEAD);
		put(o, (void *)one[0], one[1]);
	} else {
		const struct iovec *v = (void *)words[0];
		size_t skip = words[2], left = words[3] - words[2];

		put_header(o, 23, left + OVERHEAD);
		for (; left; v++) {
			size_t n = v->iov_len > skip ? v->iov_len - skip : 0;

			if (n > left)
				n = left;
			put(o, (char *)v->iov_base + skip, n);
			skip = skip > v->iov_len ? skip - v->iov_len : 0;
			left -= n;
		}
	}
	put(o, tag, sizeof(tag));
}

void handle(void *result, void *self, struct context *context, const struct incoming *message)
{
	__asm__ volatile("" ::: "memory");
}

static const void *const table[] = {0, (void *)8, (void *)8, encrypt, 0};

/* What an encrypter that does not know its keys yet has. */
static const void *const other_table[] = {0, (void *)8, (void *)8, handle, 0};

struct connection {
	int fd;
	struct common *common;
	struct output output, input;
};

static void renew(struct connection *c)
{
	struct encrypter *e = malloc(64);

	e->output = &c->output;
	c->common->encrypter = e; /* the one before is lost: nobody gets its address again */
	c->common->table = table;
}

static struct connection *open_connection(int fd)
{
	struct connection *c = calloc(1, sizeof(*c));

	c->fd = fd;
	c->common = calloc(1, sizeof(*c->common));
	((const void **)c->common->before)[8] = c->common; /* looks like one */
	((const void **)c->common->before)[9] = other_table;
	renew(c);
	return c;
}

static void move(struct connection *c)
{
	struct common *to = malloc(sizeof(*to));

	memcpy(to, c->common, sizeof(*to));
	memset(c->common, 0x55, sizeof(*to));
	c->common = to;
}

static void flush(struct connection *c)
{
	if (write(c->fd, c->output.bytes, c->output.n) != (ssize_t)c->output.n)
		exit(3);
	c->output.n = 0;
}

/* One record, of a text in two pieces. */
static void encrypt_part(struct connection *c, const struct iovec *v, size_t from, size_t to)
{
	function *volatile call = (function *)c->common->table[3];
	struct outgoing m = {};
	unsigned char result[64];
	uint64_t kind = 4 << 16 | 3;

	if (old == 1)
		m = (struct outgoing){{(uint64_t)v[0].iov_base + from, to - from, kind}};
	else if (from == 0 && to <= v[0].iov_len)
		m = (struct outgoing){{0, (uint64_t)v[0].iov_base, to, 0, kind}};
	else
		m = (struct outgoing){{(uint64_t)v, 2, from, to, kind}};
	if (old == 2)
		m.words[4] ^= 1;
	call(result, c->common->encrypter, &m, 0);
}

static void send_text(struct connection *c, const char *text)
{
	size_t n = strlen(text), half = old == 1 ? n : n / 2;
	struct iovec v[2] = {{(void *)text, half}, {(void *)(text + half), n - half}};

	for (size_t from = 0; from < n; from += RECORD_MAX)
		encrypt_part(c, v, from, from + RECORD_MAX < n ? from + RECORD_MAX : n);
}

/* Reads what there is, hands on the records that are whole, and tells how often a text has ended. */
static int receive(struct connection *c, const char *end)
{
	struct output *in = &c->input;
	struct context context = {c->common};
	ssize_t got = read(c->fd, in->bytes + in->n, sizeof(in->bytes) - in->n);
	unsigned char result[64];
	size_t at = 0;
	int ends = 0;

	if (got <= 0)
		return -1;
	in->n += got;
	while (in->n - at >= 5) {
		size_t n = in->bytes[at + 3] << 8 | in->bytes[at + 4];
		unsigned char *text = in->bytes + at + 5;
		struct incoming m = {{(old == 1 ? 3 : 5) | 1ULL << 63, 1ULL << 63, (uint64_t)text, n - OVERHEAD}};

		if (in->n - at < 5 + n)
			break;
		if (in->bytes[at] == 23) {
			handle(result, c, &context, &m);
			ends += !memcmp(text + n - OVERHEAD - strlen(end), end, strlen(end));
		}
		at += 5 + n;
	}
	memmove(in->bytes, in->bytes + at, in->n - at);
	in->n -= at;
	return ends;
}

/* Gives how many texts have ended in what came behind the other's handshake. */
static int shake(struct connection *c, const char *end)
{
	put_header(&c->output, 22, 4);
	put(&c->output, "abcd", 4);
	put_header(&c->output, 20, 1); /* as TLS 1.2 ends it */
	put(&c->output, "\1", 1);
	put_header(&c->output, 22, 4);
	put(&c->output, "efgh", 4);
	flush(c);
	return receive(c, end);
}

static void *serve(void *listener)
{
	struct connection *c = open_connection(accept((int)(long)listener, 0, 0));

	for (int ends = shake(c, "\r\n\r\n"); ends >= 0; ends = receive(c, "\r\n\r\n")) {
		for (; ends > 0; ends--)
			send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
		if (c->output.n)
			flush(c);
		if (moves)
			move(c);
	}
	close(c->fd);
	return 0;
}

static void ask(struct connection *c)
{
	static char text[40000], fill[30000];

	memset(fill, 'x', sizeof(fill) - 1);
	shake(c, "ok");
	for (int i = 0, n = 1; i < requests; i += n, n = at_once) {
		for (int k = i; k < i + n; k++) {
			snprintf(text, sizeof(text), "GET /%d HTTP/1.1\r\nHost: shop\r\nX-Fill: %s\r\n\r\n", k,
				 k % 3 == 2 && at_once == 1 ? fill : "");
			send_text(c, text);
		}
		flush(c);
		for (int left = n, ends; left > 0; left -= ends) {
			ends = receive(c, "ok");
			if (ends < 0)
				exit(4);
		}
		if (moves)
			move(c);
		if (moves && i == 0)
			renew(c);
	}
	close(c->fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t server;
	char go;

	if (argc != 5 || write(1, ".", 1) != 1 || read(0, &go, 1) != 1)
		return 2;
	old = atoi(argv[1]), requests = atoi(argv[2]), at_once = atoi(argv[3]), moves = atoi(argv[4]);
	if (bind(listener, (void *)&address, length) || listen(listener, 1) || getsockname(listener, (void *)&address, &length))
		return 2;
	pthread_create(&server, 0, serve, (void *)(long)listener);
	if (connect(fd, (void *)&address, length))
		return 2;
	ask(open_connection(fd));
	pthread_join(server, 0);
	return 0;
}
