import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;

/** A service on PORT: {@code Service SERVER CLIENT [THREADS]}. */
public final class Service {
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(System.getenv("PORT"));
        switch (args[0]) {
            case "netty" -> NettyServer.serve(port);
            case "vertx" -> VertxServer.serve(port);
            case "webflux" -> WebFlux.serve(port);
            case "jdk-async" -> Async.serve(port, threads("pool"));
            default -> serve(args[0], port, blocking(args));
        }
    }

    private static void serve(String server, int port, Blocking work) throws Exception {
        switch (server) {
            case "jdk" -> Servers.jdk(port, threads("pool"), work);
            case "jdk-virtual" -> Servers.jdk(port, threads("virtual"), work);
            case "tomcat" -> Servers.tomcat(port, null, work);
            case "tomcat-virtual" -> Servers.tomcat(port, threads("virtual"), work);
            case "jetty" -> Servers.jetty(port, work);
            case "undertow" -> Servers.undertow(port, work);
            default -> throw new IllegalArgumentException("no server " + server);
        }
    }

    private static Blocking blocking(String[] args) throws Exception {
        return new Blocking(switch (args[1]) {
            case "url" -> Clients::url;
            case "http" -> Clients.http();
            case "apache" -> Clients.apache();
            case "okhttp" -> Clients.okhttp();
            default -> throw new IllegalArgumentException("no client " + args[1]);
        }, args.length > 2 ? threads(args[2]) : null);
    }

    /** The threads of that kind. Virtual threads are asked for by name, for the sources are those of an older Java. */
    private static ExecutorService threads(String kind) throws IOException {
        if (kind.equals("pool")) {
            return Executors.newFixedThreadPool(64);
        }
        if (kind.equals("common")) {
            System.setProperty("java.util.concurrent.ForkJoinPool.common.parallelism", "16");
            return ForkJoinPool.commonPool();
        }
        try {
            return (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
        } catch (ReflectiveOperationException e) {
            throw new IOException("this Java has no virtual threads", e);
        }
    }
}
