import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.SynchronousQueue;

/**
 * The JDK's HTTP server and client: /call makes a call on the thread of the request, /executor hands it to a thread of a pool that
 * was written by hand, with a client that is a socket. An agent sees the first, and neither half of the second.
 */
public final class Service {
    private static final URI UPSTREAM = URI.create(System.getenv("UPSTREAM"));
    private static final SynchronousQueue<CompletableFuture<Integer>> WORK = new SynchronousQueue<>();

    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 512);
        server.setExecutor(Executors.newFixedThreadPool(64));
        server.createContext("/call", exchange -> answer(exchange, byClient()));
        server.createContext("/executor", exchange -> {
            CompletableFuture<Integer> result = new CompletableFuture<>();
            try {
                WORK.put(result);
                answer(exchange, result.get());
            } catch (Exception e) {
                throw new IOException(e);
            }
        });
        for (int i = 0; i < 64; i++) {
            Thread worker = new Thread(Service::work);
            worker.setDaemon(true);
            worker.start();
        }
        server.start();
    }

    private static void work() {
        while (true) {
            CompletableFuture<Integer> result = null;
            try {
                result = WORK.take();
                result.complete(bySocket());
            } catch (Exception e) {
                if (result != null) {
                    result.completeExceptionally(e);
                }
            }
        }
    }

    private static int byClient() throws IOException {
        HttpURLConnection c = (HttpURLConnection) UPSTREAM.resolve("/work").toURL().openConnection();
        int status = c.getResponseCode();
        try (InputStream in = c.getInputStream()) {
            in.readAllBytes();
        }
        return status;
    }

    private static int bySocket() throws IOException {
        try (Socket s = new Socket(UPSTREAM.getHost(), UPSTREAM.getPort())) {
            String head = "GET /work HTTP/1.1\r\nHost: " + UPSTREAM.getAuthority() + "\r\nConnection: close\r\n\r\n";
            s.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
            String reply = new String(s.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            return Integer.parseInt(reply.substring(9, 12));
        }
    }

    private static void answer(HttpExchange exchange, int status) throws IOException {
        byte[] body = "called\n".getBytes(StandardCharsets.US_ASCII);
        exchange.sendResponseHeaders(status, body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }
}
