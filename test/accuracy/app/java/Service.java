import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.Executors;

/** The JDK's HttpServer with a pool of threads and HttpURLConnection with its keep-alive cache, on PORT. */
public final class Service {
    private static final byte[] OK = "ok\n".getBytes(StandardCharsets.US_ASCII);

    public static void main(String[] args) throws IOException {
        System.setProperty("http.maxConnections", "512");
        System.setProperty("sun.net.httpserver.nodelay", "true");
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 512);
        server.setExecutor(Executors.newFixedThreadPool(64));
        server.createContext("/", exchange -> {
            byte[] program = exchange.getRequestBody().readAllBytes();
            int status = 200;
            try {
                run(program);
            } catch (IOException | InterruptedException e) {
                status = 502;
            }
            exchange.sendResponseHeaders(status, OK.length);
            try (var out = exchange.getResponseBody()) {
                out.write(OK);
            }
        });
        server.start();
    }

    private static void run(byte[] program) throws IOException, InterruptedException {
        for (int at = 0; at < program.length; ) {
            int end = at;
            while (program[end] != '\n') {
                end++;
            }
            String[] word = new String(program, at, end - at, StandardCharsets.US_ASCII).split(" ");
            at = end + 1;
            if (word[0].equals("w")) {
                Thread.sleep(Integer.parseInt(word[1]));
                continue;
            }
            int size = Integer.parseInt(word[3]);
            post("http://127.0.0.1:" + word[1] + word[2], Arrays.copyOfRange(program, at, at + size));
            at += size;
        }
    }

    private static void post(String url, byte[] body) throws IOException {
        var connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        connection.setFixedLengthStreamingMode(body.length);
        try (var out = connection.getOutputStream()) {
            out.write(body);
        }
        try (var in = connection.getInputStream()) {
            in.readAllBytes();
        }
    }
}
