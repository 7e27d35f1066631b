import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

/**
 * A service of the JDK's own HTTP server and client under the OpenTelemetry Java agent; its spans go nowhere.
 *
 * <pre>
 * mvn compile
 * PORT=8080 UPSTREAM=http://127.0.0.1:8081 java -javaagent:target/opentelemetry-javaagent.jar -Dotel.traces.exporter=none
 *     -Dotel.metrics.exporter=none -Dotel.logs.exporter=none -cp target/classes Service
 * </pre>
 *
 * GET /call/TOKEN?n=3 calls $UPSTREAM/work/TOKEN three times, one after another, and answers "ok\n".
 */
public final class Service {
    public static void main(String[] args) throws IOException {
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 64);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/call/", Service::call);
        server.start();
    }

    private static void call(HttpExchange exchange) throws IOException {
        String query = exchange.getRequestURI().getQuery();
        String token = exchange.getRequestURI().getPath().substring("/call/".length());
        for (int left = Integer.parseInt(query.substring("n=".length())); left > 0; left--) {
            work(token);
        }
        byte[] body = "ok\n".getBytes(StandardCharsets.US_ASCII);
        exchange.sendResponseHeaders(200, body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }

    private static void work(String token) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) URI.create(System.getenv("UPSTREAM") + "/work/" + token).toURL().openConnection();
        try (InputStream in = connection.getInputStream()) {
            in.readAllBytes();
        }
    }
}
