import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;

/** A program as a chain of futures. */
final class Async {
    /** How an event loop waits and calls. */
    interface Loop {
        CompletableFuture<Void> sleep(int milliseconds);

        CompletableFuture<Void> post(Program.Call call);
    }

    private Async() {}

    static CompletableFuture<Void> run(List<Program.Step> steps, Loop loop) {
        CompletableFuture<Void> done = CompletableFuture.completedFuture(null);
        for (var step : steps) {
            if (step.pause() > 0) {
                done = done.thenCompose(x -> loop.sleep(step.pause()));
            } else {
                done = done.thenCompose(x -> CompletableFuture.allOf(
                        step.calls().stream().map(loop::post).toArray(CompletableFuture[]::new)));
            }
        }
        return done;
    }

    /** The JDK's server and client: a thread of the pool starts each request, and those of the client go on with it. */
    static void serve(int port, Executor threads) throws IOException {
        System.setProperty("sun.net.httpserver.nodelay", "true");
        var client = Clients.httpClient();
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 512);
        server.setExecutor(threads);
        server.createContext("/", exchange -> {
            var steps = Program.steps(exchange.getRequestBody().readAllBytes());
            run(steps, loop(client)).whenComplete((x, failure) -> answer(exchange, failure == null ? 200 : 502));
        });
        server.start();
    }

    private static void answer(HttpExchange exchange, int status) {
        try (var out = exchange.getResponseBody()) {
            exchange.sendResponseHeaders(status, Program.OK.length);
            exchange.getResponseBody().write(Program.OK);
        } catch (IOException e) {
            System.err.println(e);
        }
    }

    private static Loop loop(HttpClient client) {
        return new Loop() {
            @Override
            public CompletableFuture<Void> sleep(int milliseconds) {
                return CompletableFuture.runAsync(() -> {}, later(milliseconds));
            }

            @Override
            public CompletableFuture<Void> post(Program.Call call) {
                return client.sendAsync(Clients.request(call), HttpResponse.BodyHandlers.discarding()).thenCompose(expected(HttpResponse::statusCode));
            }
        };
    }

    private static Executor later(int milliseconds) {
        return CompletableFuture.delayedExecutor(milliseconds, java.util.concurrent.TimeUnit.MILLISECONDS);
    }

    static <T> Function<T, CompletableFuture<Void>> expected(Function<T, Integer> status) {
        return reply -> status.apply(reply) == 200 ? CompletableFuture.completedFuture(null)
                : CompletableFuture.failedFuture(new IOException("status " + status.apply(reply)));
    }
}
