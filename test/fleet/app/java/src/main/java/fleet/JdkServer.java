package fleet;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

/** The JDK HttpServer member of the fleet, with a pool of threads: `JdkServer PORT`. */
public final class JdkServer {
    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 512);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.createContext("/", JdkServer::serve);
        server.start();
    }

    private static void serve(HttpExchange exchange) throws IOException {
        // HttpExchange.close would end the connection; closing both streams keeps it.
        try (var in = exchange.getRequestBody(); var out = exchange.getResponseBody()) {
            String[] part = exchange.getRequestURI().getPath().split("/");
            switch (part[1]) {
                case "hello" -> reply(exchange, 200, Routes.HELLO);
                case "bytes" -> {
                    long n = Long.parseLong(part[2]);
                    exchange.sendResponseHeaders(200, n == 0 ? -1 : n);
                    Routes.fill(out, n);
                }
                case "chunked" -> {
                    exchange.sendResponseHeaders(200, 0);
                    Routes.fill(out, Long.parseLong(part[2]));
                }
                case "status" -> exchange.sendResponseHeaders(Integer.parseInt(part[2]), -1);
                case "sleep" -> {
                    Thread.sleep(Long.parseLong(part[2]));
                    reply(exchange, 200, Routes.HELLO);
                }
                case "echo-size" -> reply(exchange, 200, Routes.measure(in));
                case "call" -> {
                    var answer = Routes.call(exchange.getRequestURI().getRawQuery(), exchange.getRequestHeaders().getFirst("traceparent"));
                    reply(exchange, answer.status(), answer.body());
                }
                default -> exchange.sendResponseHeaders(404, -1);
            }
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    private static void reply(HttpExchange exchange, int status, byte[] body) throws IOException {
        boolean head = exchange.getRequestMethod().equals("HEAD");
        exchange.sendResponseHeaders(status, head || body.length == 0 ? -1 : body.length);
        if (!head) {
            exchange.getResponseBody().write(body);
        }
    }
}
