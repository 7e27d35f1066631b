package fleet;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;

/** The JDK HttpServer member of the fleet, with a pool of threads: `JdkServer PORT`. */
public final class JdkServer {
    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 512);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.createContext("/", JdkServer::serve);
        server.start();
    }

    // HttpExchange.close would end the connection. Reading the request to its end and closing what was written keeps it;
    // after sendResponseHeaders(-1) nothing may be closed.
    private static void serve(HttpExchange exchange) throws IOException {
        byte[] size = Routes.measure(exchange.getRequestBody());
        String[] part = exchange.getRequestURI().getPath().split("/");
        switch (part[1]) {
            case "hello" -> reply(exchange, 200, Routes.HELLO);
            case "bytes" -> stream(exchange, Long.parseLong(part[2]), false);
            case "chunked" -> stream(exchange, Long.parseLong(part[2]), true);
            case "status" -> exchange.sendResponseHeaders(Integer.parseInt(part[2]), -1);
            case "sleep" -> {
                LockSupport.parkNanos(Long.parseLong(part[2]) * 1_000_000);
                reply(exchange, 200, Routes.HELLO);
            }
            case "echo-size" -> reply(exchange, 200, size);
            case "call" -> {
                var answer = Routes.call(exchange.getRequestURI().getRawQuery(), exchange.getRequestHeaders().getFirst("traceparent"));
                reply(exchange, answer.status(), answer.body());
            }
            default -> exchange.sendResponseHeaders(404, -1);
        }
    }

    private static void stream(HttpExchange exchange, long n, boolean chunked) throws IOException {
        exchange.sendResponseHeaders(200, chunked ? 0 : n == 0 ? -1 : n);
        if (chunked || n > 0) {
            try (var out = exchange.getResponseBody()) {
                Routes.fill(out, n);
            }
        }
    }

    private static void reply(HttpExchange exchange, int status, byte[] body) throws IOException {
        boolean none = exchange.getRequestMethod().equals("HEAD") || body.length == 0;
        exchange.sendResponseHeaders(status, none ? -1 : body.length);
        if (!none) {
            try (var out = exchange.getResponseBody()) {
                out.write(body);
            }
        }
    }
}
